package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"weir/price/pricefile"
	"weir/report"
)

func newPriceList() *cobra.Command {
	var prices string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "list [KIND]",
		Short: "List the catalogue, or one kind of it",
		Long: `List prints every entry of one kind of the catalogue; without a kind, the number of
entries of each and of their unknown figures. Empty cells are unknown figures; in
JSON they are null.`,
		Example: `  weir price list
  weir price list vm-prices
  weir price list tokens --json`,
		ValidArgsFunction: func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			if len(args) > 0 {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			return report.PriceKinds(), cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := pricefile.Catalogue(prices)
			if err != nil {
				return configError{err}
			}
			if len(args) == 0 {
				return report.PriceList(cmd.OutOrStdout(), c)
			}
			if len(args) > 1 || !slices.Contains(report.PriceKinds(), args[0]) {
				return usageError{cmd.CommandPath(), fmt.Errorf("unknown kind %q: one of %s", strings.Join(args, " "), strings.Join(report.PriceKinds(), ", "))}
			}
			if asJSON {
				return report.PricesJSON(cmd.OutOrStdout(), c, args[0])
			}
			return report.Prices(cmd.OutOrStdout(), c, args[0])
		},
	}
	cmd.Flags().StringVar(&prices, "prices", "", "`file` of prices over the catalogue (default: those in your folder)")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func newPriceShow() *cobra.Command {
	var prices, asOf string
	cmd := &cobra.Command{
		Use:   "show NAME",
		Short: "Show everything known of a GPU, size, model or service, with sources",
		Long: `Show prints every entry of the catalogue with the given name, or belonging to it:
for a VM size its prices, for an Azure OpenAI model its token prices and PTUs.
Every figure has its source and date; those older than 90 days are marked.`,
		Example: `  weir price show gpt-4o
  weir price show Standard_NC40ads_H100_v5
  weir price show H100-80GB`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usageError{cmd.CommandPath(), fmt.Errorf("takes one name, have %d", len(args))}
			}
			now, err := day(asOf)
			if err != nil {
				return usageError{cmd.CommandPath(), err}
			}
			c, err := pricefile.Catalogue(prices)
			if err != nil {
				return configError{err}
			}
			return report.PriceOf(cmd.OutOrStdout(), c, args[0], now)
		},
	}
	cmd.Flags().StringVar(&prices, "prices", "", "`file` of prices over the catalogue (default: those in your folder)")
	cmd.Flags().StringVar(&asOf, "as-of", "", "`day` for judging the age of figures, such as 2026-11-23 (default: today)")
	return cmd
}
