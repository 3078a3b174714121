package main

import (
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"weir"
	"weir/plan"
	"weir/price/pricefile"
	"weir/report"
)

// planFlags are the flags of `weir plan`.
type planFlags struct {
	demandFlags
	prices string
	asOf   string
	json   bool
	yaml   bool
	html   bool

	simulate bool
	seed     uint64
}

func newPlan() *cobra.Command {
	var f planFlags
	cmd := &cobra.Command{
		Use:   "plan [DEMAND.yaml]",
		Short: "Find the cheapest way to serve a demand",
		Long: `Plan compares what can serve the same demand: pay-as-you-go tokens of Azure
OpenAI, provisioned throughput (PTU) by the hour, month and year, PTU with
spillover with the number of PTUs that has the lowest total bill, and your own
replicas on GPUs.

The demand is described in a file, or counted by the minute from a trace or from
the ledger of "weir serve". All amounts are of a month of 730 hours. Prices come
from the catalogue ("weir price list"). An unknown price is
named, and alternatives that need it are shown without a price and not compared;
--estimate-from takes it from another region instead.

` + exitHelp,
		Example: `  weir plan demand.yaml
  weir plan --trace arrivals.csv --model gpt-4o
  weir plan --ledger --since 7d --model gpt-4o
  weir plan demand.yaml --region swedencentral --estimate-from eastus
  weir plan demand.yaml --html > plan.html
  weir plan demand.yaml --yaml > weir.yaml`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error { return f.run(cmd, args) },
	}
	f.demandFlags.add(cmd)
	cmd.Flags().StringVar(&f.prices, "prices", "", "`file` of prices that overrides and adds to the catalogue (default: that of \"weir price update\")")
	cmd.Flags().StringVar(&f.asOf, "as-of", "", "`day` for judging the age of prices, such as 2026-11-23 (default: today)")
	cmd.Flags().BoolVar(&f.json, "json", false, "print everything as JSON; amounts are micro-dollars")
	cmd.Flags().BoolVar(&f.yaml, "yaml", false, "print the recommended weir.yaml")
	cmd.Flags().BoolVar(&f.simulate, "simulate", false, "simulate the busiest minute on the own replicas found")
	cmd.Flags().Uint64Var(&f.seed, "seed", 1, "with --simulate: seed `number` of the arrivals")
	cmd.Flags().BoolVar(&f.html, "html", false, "print a self-contained HTML page with charts")
	return cmd
}

func (f *planFlags) run(cmd *cobra.Command, args []string) error {
	if f.json && f.yaml || f.json && f.html || f.yaml && f.html {
		return usageError{cmd.CommandPath(), errors.New("--json, --yaml and --html exclude each other: give one of them")}
	}
	now, err := day(f.asOf)
	if err != nil {
		return usageError{cmd.CommandPath(), err}
	}
	c, err := pricefile.Catalogue(f.prices)
	if err != nil {
		return configError{err}
	}
	d, err := f.demand(cmd, args, now)
	if err != nil {
		return err
	}
	a, err := plan.Plan(c, d, now)
	if err != nil {
		return err
	}
	if f.simulate {
		s, err := plan.Simulate(cmd.Context(), c, d, a, f.seed)
		if err != nil {
			return err
		}
		a.Simulated = &s
	}
	switch out := cmd.OutOrStdout(); {
	case f.json:
		return report.JSON(out, a, "  ")
	case f.html:
		return report.PlanPage(out, a)
	case f.yaml:
		return report.PlanConfig(out, c, d, a)
	default:
		return report.Plan(out, a)
	}
}

// day reads a date; "" is today.
func day(text string) (weir.Instant, error) {
	if text == "" {
		return weir.At(time.Now()), nil
	}
	t, err := time.Parse(time.DateOnly, text)
	if err != nil {
		return 0, fmt.Errorf("%q is not a date: write it as 2026-11-23", text)
	}
	return weir.At(t), nil
}
