package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"weir"
	"weir/config"
	"weir/internal/whole"
	"weir/plan"
	"weir/plan/demand"
)

// demandFlags are the source of the demand.
type demandFlags struct {
	demand.Source
	ledger    demand.Ledger
	useLedger bool
}

func (f *demandFlags) add(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.Trace, "trace", "", "count the demand from a trace `file` (CSV or JSON lines, gzip or not)")
	cmd.Flags().BoolVar(&f.useLedger, "ledger", false, "count the demand from the ledger of \"weir serve\"")
	cmd.Flags().StringVar(&f.ledger.Since, "since", "7d", "with --ledger: how far back to look, as 7d or 36h")
	cmd.Flags().StringVar(&f.ledger.Path, "store", "weir.db", "with --ledger: its `file`, the store.path of the configuration")
	cmd.Flags().StringVar(&f.ledger.Model, "ledger-model", "", "with --ledger: the `model` name in requests (default: the demand's)")
	cmd.Flags().StringVar(&f.Model, "model", "", "Azure OpenAI `model`, when no file names it")
	cmd.Flags().StringVar(&f.OpenModel, "open-model", "", "open `model` for your own replicas, when no file names it")
	cmd.Flags().StringVar(&f.Region, "region", "", "Azure `region` for prices; overrides the file (default: eastus)")
	cmd.Flags().StringVar(&f.Estimate, "estimate-from", "", "`region` whose prices replace unknown ones of the demand's region; results are marked as estimated")
}

// demand reads the demand from file, trace and flags.
func (f *demandFlags) demand(cmd *cobra.Command, args []string, now weir.Instant) (plan.Demand, error) {
	usage := func(err error) (plan.Demand, error) { return plan.Demand{}, usageError{cmd.CommandPath(), err} }
	if f.useLedger {
		f.Ledger = &f.ledger
		if _, err := f.ledger.Back(); err != nil {
			return usage(err)
		}
	}
	switch {
	case f.Trace != "" && f.useLedger:
		return usage(errors.New("--trace and --ledger exclude each other: give one of them"))
	case len(args) > 1:
		return usage(fmt.Errorf("takes one demand file, have %d", len(args)))
	case len(args) == 0 && !f.Counted():
		return usage(errors.New("no demand: name a file that describes it, or give --trace or --ledger"))
	}
	if len(args) == 1 {
		var err error
		f.Name = args[0]
		if f.Text, err = whole.Read(f.Name, config.MaxBytes); err != nil {
			return plan.Demand{}, configError{err}
		}
	}
	return f.Read(cmd.Context(), now)
}
