package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"weir/price"
)

func newPrice() *cobra.Command {
	cmd := group(&cobra.Command{
		Use:   "price",
		Short: "Show and renew the catalogue of prices and sizes",
		Long: `Price shows what Weir knows of GPUs, VM sizes, models and prices, each figure
with its source and date, and renews prices from the public Azure Retail Prices
API.

What "weir price update" reads is kept in prices-retail.yaml, and your own
figures in prices.yaml, both in the folder "weir" of your configuration folder
(~/.config on Linux). Yours hold over those read, and those over what is built in.

` + exitHelp,
		Example: `  weir price list tokens
  weir price show gpt-4o
  weir price update --region swedencentral`,
	})
	cmd.AddCommand(newPriceList(), newPriceShow(), newPriceUpdate())
	return cmd
}

// maxPrices bounds a price file that is read.
const maxPrices = 4 << 20

// Files of prices in the user's folder.
const (
	retailPrices = "prices-retail.yaml" // written by `weir price update`
	ownPrices    = "prices.yaml"        // written by the user
)

// catalogue is the embedded one with the user's prices over it: those of file,
// or, when it is "", those of the user's folder.
func catalogue(file string) (*price.Catalogue, error) {
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
	for _, name := range []string{retailPrices, ownPrices} {
		path, err := userFile(name)
		if err != nil {
			break // no home, no file in it
		}
		next, err := override(c, path)
		if errors.Is(err, fs.ErrNotExist) {
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
	text, err := readFile(path, maxPrices)
	if err != nil {
		return nil, fmt.Errorf("prices: %w", err)
	}
	return c.Override(path, text)
}

// userFile is where a file of whoever runs this is kept.
func userFile(name string) (string, error) {
	folder, err := os.UserConfigDir()
	if err != nil {
		return "", fmt.Errorf("prices: %w; name a file", err)
	}
	return filepath.Join(folder, "weir", name), nil
}
