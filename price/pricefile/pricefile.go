// Package pricefile is the catalogue on this machine: the embedded one of
// package price with the user's files over it, and the update that reads one of
// them from the public Azure Retail Prices API. It knows no command; package
// price defines the figures.
package pricefile

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"weir/internal/whole"
	"weir/price"
)

// maxPrices bounds the size of a price file.
const maxPrices = 4 << 20

// Files of prices in the user's folder.
const (
	Retail = "prices-retail.yaml" // written by `weir price update`
	Own    = "prices.yaml"        // written by the user
)

// Catalogue is the embedded catalogue with the user's prices over it: those of
// file or, if it is "", those of the user's folder.
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

// Path is the path of a price file in the user's folder.
func Path(name string) (string, error) {
	folder, err := os.UserConfigDir()
	if err != nil {
		return "", fmt.Errorf("prices: %w; name a file", err)
	}
	return filepath.Join(folder, "weir", name), nil
}
