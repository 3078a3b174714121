// Package pricefile is the catalogue as this machine has it: the embedded one of
// package price with the user's files over it, and the update that reads one of
// them from the public Azure Retail Prices API. It knows no command; what a figure
// means is price's.
package pricefile

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"weir/internal/whole"
	"weir/price"
)

// maxPrices bounds a price file that is read.
const maxPrices = 4 << 20

// Files of prices in the user's folder.
const (
	Retail = "prices-retail.yaml" // written by `weir price update`
	Own    = "prices.yaml"        // written by the user
)

// Catalogue is the embedded one with the user's prices over it: those of file,
// or, when it is "", those of the user's folder.
func Catalogue(file string) (*price.Catalogue, error) {
	c, err := price.Default()
	if err != nil {
		return nil, err
	}
	if file != "" {
		if c, err = override(c, file); err != nil {
			return nil, err
		}
		return c, c.Validate()
	}
	for _, name := range []string{Retail, Own} {
		path, err := Path(name)
		if err != nil {
			break // no home, no file in it
		}
		next, err := override(c, path)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		c = next
	}
	return c, c.Validate()
}

func override(c *price.Catalogue, path string) (*price.Catalogue, error) {
	text, err := whole.Read(path, maxPrices)
	if err != nil {
		return nil, fmt.Errorf("prices: %w", err)
	}
	return c.Override(path, text)
}

// Path is where a file of prices is in the user's folder.
func Path(name string) (string, error) {
	folder, err := os.UserConfigDir()
	if err != nil {
		return "", fmt.Errorf("prices: %w; name a file", err)
	}
	return filepath.Join(folder, "weir", name), nil
}
