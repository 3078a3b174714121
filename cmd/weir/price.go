package main

import (
	"github.com/spf13/cobra"
)

func newPrice() *cobra.Command {
	cmd := group(&cobra.Command{
		Use:   "price",
		Short: "Show and update the catalogue of prices and sizes",
		Long: `Price shows what Weir knows of GPUs, VM sizes, models and prices, each figure
with its source and date, and renews prices from the public Azure Retail Prices
API.

What "weir price update" reads is kept in prices-retail.yaml, and your own
figures in prices.yaml, both in the folder "weir" of your configuration folder
(~/.config on Linux). Your figures override those read, which override the built-in ones.

` + exitHelp,
		Example: `  weir price list tokens
  weir price show gpt-4o
  weir price update --region swedencentral`,
	})
	cmd.AddCommand(newPriceList(), newPriceShow(), newPriceUpdate())
	return cmd
}
