package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"weir/internal/whole"
	"weir/price"
	"weir/price/pricefile"
	"weir/report"
)

// priceUpdate are the flags of `weir price update`.
type priceUpdate struct {
	pricefile.Update
	out, asOf string
	dry       bool
}

func newPriceUpdate() *cobra.Command {
	u := priceUpdate{Update: pricefile.Update{Pause: 2 * time.Second}}
	cmd := &cobra.Command{
		Use:   "update",
		Short: "Read prices from the public Azure Retail Prices API",
		Long: `Update reads the prices that the catalogue needs from the public Azure Retail
Prices API, which needs no sign-in, writes them into a price file and shows what
changed. Unknown meters are listed, not guessed.

` + exitHelp,
		Example: `  weir price update
  weir price update --region swedencentral,eastus2
  weir price update --dry-run`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return u.run(cmd) },
	}
	cmd.Flags().StringSliceVar(&u.Regions, "region", []string{"eastus"}, "Azure `regions` to read prices of")
	cmd.Flags().StringVar(&u.out, "out", "", "`file` to write (default: prices-retail.yaml in your folder)")
	cmd.Flags().StringVar(&u.Base, "base-url", price.RetailHost, "`URL` of the API or of a compatible one")
	cmd.Flags().StringVar(&u.asOf, "as-of", "", "`day` of the prices, such as 2026-11-23 (default: today)")
	cmd.Flags().BoolVar(&u.dry, "dry-run", false, "show what would change and write nothing")
	return cmd
}

func (u *priceUpdate) run(cmd *cobra.Command) error {
	now, err := day(u.asOf)
	if err != nil {
		return usageError{cmd.CommandPath(), err}
	}
	if err := u.Check(); err != nil {
		return usageError{cmd.CommandPath(), err}
	}
	path, err := pricefile.Target(u.out)
	if err != nil {
		return err
	}
	before, err := pricefile.Catalogue("")
	if err != nil {
		return configError{err}
	}
	update, err := u.Read(cmd.Context(), before, now.Time().Format(time.DateOnly))
	if err != nil {
		return err
	}
	text := update.File()
	after, err := before.Override(path, text)
	if err != nil {
		return err
	}
	if err := report.PriceUpdate(cmd.OutOrStdout(), update, before.Changes(after), before.NotMapped()); err != nil {
		return err
	}
	if u.dry {
		return nil
	}
	if err := whole.Write(path, text); err != nil {
		return err
	}
	_, err = fmt.Fprintf(cmd.OutOrStdout(), "written to %s\n", path)
	return err
}
