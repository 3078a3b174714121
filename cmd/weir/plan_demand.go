package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"weir"
	"weir/config"
	"weir/internal/whole"
	"weir/plan"
	"weir/trace"
)

// demandFlags say where the demand comes from.
type demandFlags struct {
	trace     string
	model     string
	openModel string
	region    string
	estimate  string
	ledger    ledgerFlags
}

func (f *demandFlags) add(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.trace, "trace", "", "count the demand from a trace `file` (CSV or JSON lines, gzip or not)")
	cmd.Flags().BoolVar(&f.ledger.use, "ledger", false, "count the demand from the ledger of \"weir serve\"")
	cmd.Flags().StringVar(&f.ledger.since, "since", "7d", "with --ledger: how far back to look, as 7d or 36h")
	cmd.Flags().StringVar(&f.ledger.path, "store", "weir.db", "with --ledger: its `file`, the store.path of the configuration")
	cmd.Flags().StringVar(&f.ledger.model, "ledger-model", "", "with --ledger: the `model` as callers ask for it (default: the demand's)")
	cmd.Flags().StringVar(&f.model, "model", "", "Azure OpenAI `model`, when no file names it")
	cmd.Flags().StringVar(&f.openModel, "open-model", "", "open `model` that replicas of your own would serve, when no file names it")
	cmd.Flags().StringVar(&f.region, "region", "", "Azure `region` prices are of; holds over that of the file (default: eastus)")
	cmd.Flags().StringVar(&f.estimate, "estimate-from", "", "`region` whose prices stand in where those of the demand's region are not known; what they give is marked as estimated")
}

// demand gathers it from file, trace and flags.
func (f *demandFlags) demand(cmd *cobra.Command, args []string, now weir.Instant) (plan.Demand, error) {
	var none plan.Demand
	if f.trace != "" && f.ledger.use {
		return none, usageError{cmd.CommandPath(), errors.New("--trace and --ledger exclude each other: give one of them")}
	}
	if len(args) > 1 {
		return none, usageError{cmd.CommandPath(), fmt.Errorf("takes one demand file, have %d", len(args))}
	}
	if len(args) == 0 && !f.counted() {
		return none, usageError{cmd.CommandPath(), errors.New("no demand: name a file that describes it, or give --trace or --ledger")}
	}
	name, src := "command line", []byte("{}")
	if len(args) == 1 {
		var err error
		name = args[0]
		if src, err = whole.Read(name, config.MaxBytes); err != nil {
			return none, configError{err}
		}
	}
	file, err := parseDemand(name, src, *f)
	if err != nil {
		return none, configError{err}
	}
	d := file.demand()
	d.Estimate = f.estimate
	switch {
	case f.trace != "":
		d.Minutes, err = countTrace(f.trace, file.Cached.Fraction())
	case f.ledger.use:
		d.Minutes, err = countLedger(cmd.Context(), f.ledger, cmp.Or(f.ledger.model, d.Model, d.OpenModel), now)
	default:
		d.Minutes, err = file.minutes()
	}
	return d, err
}

// counted says that the minutes do not come from a description.
func (f *demandFlags) counted() bool { return f.trace != "" || f.ledger.use }

// countTrace counts a trace by the minute, as a stream.
func countTrace(path string, cached float64) (_ []plan.Minute, err error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	r, err := trace.NewReader(file)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	minutes, err := countMinutes(r, cached)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if len(minutes) == 0 {
		return nil, fmt.Errorf("%s: no rows: there is no demand to plan for", path)
	}
	return minutes, nil
}

// countMinutes counts arrivals by the minute; cached is the share of their
// prompts the service would have in its cache, which a trace does not say.
func countMinutes(s trace.Source, cached float64) ([]plan.Minute, error) {
	var counter plan.Counter
	for {
		a, err := s.Next()
		if errors.Is(err, io.EOF) {
			return counter.Minutes(), nil
		}
		if err != nil {
			return nil, err
		}
		if err := counter.Add(a.At, a.Prompt, int(cached*float64(a.Prompt)), a.Output); err != nil {
			return nil, err
		}
	}
}
