package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"weir/price"
)

// maxPrices bounds a price file that is read.
const maxPrices = 4 << 20

// catalogue is the embedded one with the user's prices over it: those of file,
// or, when it is "", those `weir price update` wrote, if it ever did.
func catalogue(file string) (*price.Catalogue, error) {
	c, err := price.Default()
	if err != nil {
		return nil, err
	}
	given := file != ""
	if !given {
		if file, err = userPrices(); err != nil {
			return c, nil // no home, no file of it
		}
	}
	text, err := readFile(file, maxPrices)
	if !given && errors.Is(err, fs.ErrNotExist) {
		return c, nil
	}
	if err != nil {
		return nil, fmt.Errorf("prices: %w", err)
	}
	if c, err = c.Override(file, text); err != nil {
		return nil, err
	}
	return c, c.Validate()
}

// userPrices is the file of prices of whoever runs this.
func userPrices() (string, error) {
	folder, err := os.UserConfigDir()
	if err != nil {
		return "", fmt.Errorf("prices: %w; name a file with --prices", err)
	}
	return filepath.Join(folder, "weir", "prices.yaml"), nil
}
