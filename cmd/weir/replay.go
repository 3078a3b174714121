package main

import (
	"cmp"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"weir/config"
	"weir/control"
	"weir/price/pricefile"
	"weir/report"
	"weir/report/words"
	"weir/scale/baseline"
	"weir/whatif"
)

func newReplay() *cobra.Command {
	var o replayOptions
	cmd := &cobra.Command{
		Use:   "replay JOURNAL",
		Short: "Repeat the decisions of a journal and show what differs",
		Long: `Replay reads the journal of "weir serve" (journal.path) and recomputes every
scaling decision from the recorded observations. It proves that the decisions are
the same, byte for byte, or shows the first that is not.

With --with it shows instead what another policy would have decided: the scaling
of a weir.yaml, for the deployments of the same names, or one of these common
autoscalers:
  ` + wrapNames(baseline.Names()) + `
It shows how many replicas each would have wanted over time, and the first
decisions that differ; --list shows more.

A journal does not contain the consequences of other decisions: each step is
decided on observations under the journal's own policy. To see the consequences,
give the journal to "weir simulate --trace".

` + exitHelp + `
The exit code is 1 if a decision differs that should not.`,
		Example: `  weir replay weir.journal
  weir replay weir.journal --with other.yaml --list 20
  weir replay weir.journal --with hpa --knob 0.7`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usageError{cmd.CommandPath(), fmt.Errorf("takes one journal, have %q", args)}
			}
			if o.list < 1 || o.knob < 0 {
				return usageError{cmd.CommandPath(), fmt.Errorf("--list %d, --knob %v: allowed are 1 and more, 0 and more", o.list, o.knob)}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error { return replay(cmd, args[0], o) },
	}
	cmd.Flags().StringVar(&o.with, "with", "", "a weir.yaml, or the `name` of another autoscaler")
	cmd.Flags().Float64Var(&o.knob, "knob", 0, "main knob of that autoscaler; 0: its default")
	cmd.Flags().IntVar(&o.list, "list", 1, "number of differing decisions to show, at most 1000")
	return cmd
}

// replayOptions are the arguments of the command line.
type replayOptions struct {
	with string
	knob float64
	list int
}

func replay(cmd *cobra.Command, path string, o replayOptions) error {
	other, err := otherPolicy(o.with, o.knob)
	if err != nil {
		return err
	}
	file, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("journal: %w", err)
	}
	defer file.Close()
	r, err := control.Replay(file, other)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	if other != nil && !slices.ContainsFunc(r.Sums, func(s control.Sum) bool { return s.Other }) {
		return fmt.Errorf("--with: %s scales none of the deployments of the journal, which are %s", o.with, deploymentsOf(r.Sums))
	}
	if r.Decisions == 0 {
		return fmt.Errorf("%s has nothing to replay: none of %s follows a complete state", path, words.Count(r.Lines, "line"))
	}
	if err := report.Replay(cmd.OutOrStdout(), path, r, o.list); err != nil {
		return err
	}
	if other == nil && r.Different > 0 {
		return fmt.Errorf("%s differ from the journal: it was written by another version, or was changed", words.Count(r.Different, "decision"))
	}
	return nil
}

func deploymentsOf(sums []control.Sum) string {
	var names []string
	for _, s := range sums {
		names = append(names, s.Deployment)
	}
	return cmp.Or(strings.Join(names, ", "), "none")
}

// otherPolicy is the policy that decides instead of the journal's own; nil for
// the journal's own.
func otherPolicy(with string, knob float64) (whatif.Deciders, error) {
	switch {
	case with == "":
		return nil, nil
	case !strings.HasSuffix(with, ".yaml") && !strings.HasSuffix(with, ".yml"):
		other, err := whatif.Baseline(with, knob)
		if err != nil {
			return nil, fmt.Errorf("--with: %w; or name a file that ends in .yaml", err)
		}
		return other, nil
	}
	c, err := config.Open(with)
	if err != nil {
		return nil, configError{err}
	}
	prices, err := pricefile.Catalogue("")
	if err != nil {
		return nil, err
	}
	return whatif.Configured(c, prices)
}

// wrapNames breaks a list of names into lines for a help text.
func wrapNames(names []string) string {
	var b strings.Builder
	width := 0
	for i, n := range names {
		if i > 0 {
			b.WriteString(", ")
			width += 2
		}
		if width+len(n) > 70 {
			b.WriteString("\n  ")
			width = 0
		}
		b.WriteString(n)
		width += len(n)
	}
	return b.String()
}
