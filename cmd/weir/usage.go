package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"weir/bill"
	"weir/config"
	"weir/meter"
	"weir/node"
	"weir/price"
	"weir/price/pricefile"
	"weir/report"
	"weir/wire"
)

func newUsage() *cobra.Command {
	cmd := group(&cobra.Command{
		Use:     "usage",
		Short:   "Compare the ledger with providers' bills",
		Example: `  weir usage reconcile costs.csv -c weir.yaml`,
	})
	cmd.AddCommand(newReconcile())
	return cmd
}

// maxExport bounds the size of an export.
const maxExport = 1 << 30

// reconcileFlags are the sources to compare.
type reconcileFlags struct {
	config, store, prices string
	tolerance             string
	names                 map[string]string
	json                  bool
}

func newReconcile() *cobra.Command {
	var f reconcileFlags
	cmd := &cobra.Command{
		Use:   "reconcile FILE",
		Short: "Compare the ledger with a provider's export and show differences",
		Long: `Compares the ledger with a provider's bill, by day, model and meter. FILE is one of

  Azure    the export "cost and usage details (actual cost)" of Cost Management,
           CSV: Date, MeterName, Quantity, UnitOfMeasure, CostInBillingCurrency
           (or costInUsd), BillingCurrencyCode
  OpenAI   pages of GET /v1/organization/usage/completions?group_by=model and of
           GET /v1/organization/costs?group_by=line_item, both with
           bucket_width=1d, JSON, one after the other in one file

Days are UTC. Only days and kinds of tokens in the file are compared. The exit code
is 1 if something differs by more than --tolerance.`,
		Example: `  weir usage reconcile costs.csv -c weir.yaml
  weir usage reconcile openai.json --store weir.db --name chat=gpt-4o --json`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usageError{cmd.CommandPath(), fmt.Errorf("takes one file, have %d: weir usage reconcile costs.csv", len(args))}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error { return reconcile(cmd, args[0], f) },
	}
	flags := cmd.Flags()
	flags.StringVarP(&f.config, "config", "c", "", "configuration whose store is the ledger: a `file`")
	flags.StringVar(&f.store, "store", "weir.db", "without -c: the ledger's `file`, the store.path of the configuration")
	flags.StringVar(&f.prices, "prices", "", "price `file` over the catalogue, for meters it does not know")
	flags.StringVar(&f.tolerance, "tolerance", "1%", "`percentage` by which figures may differ")
	flags.StringToStringVar(&f.names, "name", nil, "name of a ledger model in the export: `model=name`, may be repeated")
	flags.BoolVar(&f.json, "json", false, "print JSON; money in dollars")
	return cmd
}

func reconcile(cmd *cobra.Command, path string, f reconcileFlags) (err error) {
	var tolerance float64
	if n, scanned := fmt.Sscanf(f.tolerance, "%f%%", &tolerance); scanned != nil || n != 1 || tolerance < 0 || tolerance > 100 || !strings.HasSuffix(f.tolerance, "%") {
		return usageError{cmd.CommandPath(), fmt.Errorf("--tolerance %q: want a percentage from 0%% to 100%%", f.tolerance)}
	}
	lines, err := readExport(path, f.prices)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	if len(lines) == 0 {
		return fmt.Errorf("%s has no tokens of models: is it the export of the right subscription and days?", path)
	}
	rows, err := booked(cmd.Context(), f, lines)
	if err != nil {
		return err
	}
	r := bill.Compare(rows, lines, tolerance/100, f.names)
	if f.json {
		err = report.ReconciledJSON(cmd.OutOrStdout(), r)
	} else {
		err = report.Reconciled(cmd.OutOrStdout(), r)
	}
	if err == nil && len(r.Differences) > 0 {
		err = fmt.Errorf("%d of %d figures differ by more than %s", len(r.Differences), r.Compared, f.tolerance)
	}
	return err
}

// readExport reads an export of either kind, with the catalogue's meters.
func readExport(path, prices string) ([]bill.Line, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if info.Size() > maxExport {
		return nil, fmt.Errorf("is %d bytes and at most %d are read: export fewer days", info.Size(), maxExport)
	}
	file, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	c, err := pricefile.Catalogue(prices)
	if err != nil {
		return nil, err
	}
	return bill.Read(file, func(name string) (string, bill.Kind, bool) {
		m, err := c.Meter(name)
		if err != nil || m.Kind == price.PTUMeter {
			return "", "", false
		}
		return m.Model, bill.Kind(m.Kind), true
	})
}

// booked are the ledger's rows of the export's days.
func booked(ctx context.Context, f reconcileFlags, lines []bill.Line) (_ []meter.Row, err error) {
	store := config.Store{Path: f.store}
	if f.config != "" {
		c, err := config.Load(f.config)
		if err != nil {
			return nil, configError{err}
		}
		store = c.Store
	}
	if !store.Postgres.Set() {
		if _, err := os.Stat(store.Path); err != nil { // opening would create one
			return nil, fmt.Errorf("ledger: %w: name its file with --store, or the configuration with -c", err)
		}
	}
	db, err := node.OpenLedger(wire.Store(store), slog.New(slog.DiscardHandler))
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	first := slices.MinFunc(lines, func(a, b bill.Line) int { return strings.Compare(a.Day, b.Day) }).Day
	last := slices.MaxFunc(lines, func(a, b bill.Line) int { return strings.Compare(a.Day, b.Day) }).Day
	from, err := time.Parse(time.DateOnly, first)
	if err != nil {
		return nil, err
	}
	to, err := time.Parse(time.DateOnly, last)
	if err != nil {
		return nil, err
	}
	return db.Usage(ctx, meter.Query{From: from.Unix() / 60, To: to.Unix()/60 + 24*60, Step: meter.PerDay, AllTenants: true, AllKeys: true, AllDeployments: true})
}
