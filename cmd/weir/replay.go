package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"weir/config"
	"weir/control"
	"weir/scale"
)

func newReplay() *cobra.Command {
	var with string
	var knob float64
	cmd := &cobra.Command{
		Use:   "replay JOURNAL",
		Short: "Decide again what a journal has recorded, and say what differs",
		Long: `Replay reads the journal of "weir serve" (journal.path) and recomputes every
scaling decision from what was observed. By itself it proves that the decisions
come out the same, byte for byte, or shows the first that does not.

With --with it asks instead what another policy would have decided: the scaling
of a weir.yaml, for the deployments of the same names, or one of the autoscalers
people run today:
  ` + wrapNames(scale.Baselines()) + `

What would have followed from other decisions is not in a journal: for that, see
the first difference as the moment from which the two go different ways.

` + exitHelp + `
It exits with 1 when something differs that should not.`,
		Example: `  weir replay weir.journal
  weir replay weir.journal --with other.yaml
  weir replay weir.journal --with hpa --knob 0.7`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usageError{cmd.CommandPath(), fmt.Errorf("takes one journal, have %q", args)}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error { return replay(cmd, args[0], with, knob) },
	}
	cmd.Flags().StringVar(&with, "with", "", "a weir.yaml, or the `name` of another autoscaler")
	cmd.Flags().Float64Var(&knob, "knob", 0, "main knob of that autoscaler; 0: its default")
	return cmd
}

func replay(cmd *cobra.Command, path, with string, knob float64) error {
	other, err := otherPolicy(with, knob)
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
	out := cmd.OutOrStdout()
	fmt.Fprintf(out, "%s: %s decided again", path, count(r.Decisions, "step"))
	if r.Skipped > 0 {
		fmt.Fprintf(out, ", %s passed over (before the first whole state, or torn)", count(r.Skipped, "line"))
	}
	if r.Different == 0 {
		fmt.Fprintln(out, ": identical")
		return nil
	}
	fmt.Fprintf(out, ": %s\n\nthe first, at line %d, for %s:\n", count(r.Different, "difference"), r.First.Line, r.First.Deployment)
	showDecision(out, "journal", r.First.Wrote)
	showDecision(out, "now", r.First.Now)
	if other == nil {
		return fmt.Errorf("%s came out otherwise than the journal says: it was written by another version, or was changed", count(r.Different, "decision"))
	}
	return nil
}

// otherPolicy is who decides instead of the journal's own policies; nil for
// those themselves.
func otherPolicy(with string, knob float64) (func(string, scale.Policy) scale.Decider, error) {
	switch {
	case with == "":
		return nil, nil
	case strings.HasSuffix(with, ".yaml") || strings.HasSuffix(with, ".yml"):
		return policiesOf(with)
	}
	if _, err := scale.Baseline(with, scale.Make{Bounds: scale.Bounds{Max: 1}, Knob: knob}); err != nil {
		return nil, fmt.Errorf("--with: %w; or name a file that ends in .yaml", err)
	}
	return func(_ string, p scale.Policy) scale.Decider {
		d, err := scale.Baseline(with, scale.Make{
			Bounds: scale.Bounds{Min: p.Min, Max: p.Max}, Knob: knob, Capacity: p.Capacity,
			MaxConcurrency: p.MaxConcurrency, SLO: p.SLO,
		})
		if err != nil {
			return nil // the bounds of a journal were valid when it was written
		}
		return d
	}, nil
}

// policiesOf are the scaling policies of a configuration, by deployment.
func policiesOf(file string) (func(string, scale.Policy) scale.Decider, error) {
	src, err := config.Read(file)
	if err != nil {
		return nil, configError{err}
	}
	c, err := config.Parse(file, src)
	if err != nil {
		return nil, configError{err}
	}
	prices, err := catalogue("")
	if err != nil {
		return nil, err
	}
	deciders := map[string]scale.Decider{}
	for i := range c.Models {
		for k := range c.Models[i].Deployments {
			d := &c.Models[i].Deployments[k]
			if d.Process == nil {
				continue
			}
			p, err := policyOf(&c.Models[i], d, prices)
			if err != nil {
				return nil, fmt.Errorf("scaling of %s: %w", d.Name, err)
			}
			deciders[d.Name] = p.Decider()
		}
	}
	return func(deployment string, _ scale.Policy) scale.Decider { return deciders[deployment] }, nil
}

func showDecision(w io.Writer, who string, d scale.Decision) {
	fmt.Fprintf(w, "  %-8s have %d, want %d: %s\n", who, d.Have, d.Want, because(d.Reasons))
	if len(d.Victims) > 0 {
		victims, err := json.Marshal(d.Victims)
		if err == nil {
			fmt.Fprintf(w, "  %-8s drains first: %s\n", "", victims)
		}
	}
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
