package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"strconv"
	"strings"
	"time"

	"weir"
	"weir/config"
	"weir/control"
	"weir/price/pricefile"
	"weir/whatif"
	"weir/wire"
)

// setting reads the files and finds the model.
func (f *simulateFlags) setting() (*whatif.Setting, error) {
	c, err := f.configuration()
	if err != nil {
		return nil, configError{err}
	}
	s := &whatif.Setting{
		Said: wire.Hardware{GPU: f.gpu, Model: f.engineModel, TP: f.tp}, Cold: f.coldStart, Price: money(f.price),
		Initial: f.initial, Blocks: f.prefixTokens,
	}
	if f.price < 0 || f.coldStart < 0 || f.initial < 0 || f.tp < 0 || f.prefixTokens < 16 || f.prefixTokens%16 != 0 {
		return nil, usageError{"weir simulate", errors.New("--price, --cold-start, --initial and --tp must not be negative, and --prefix-tokens must be a multiple of 16")}
	}
	if s.Model, err = whatif.FindModel(c, f.model, f.demonstration()); err != nil {
		return nil, err
	}
	if f.replaced() {
		s.Model = whatif.Untargeted(s.Model)
	}
	if s.Prices, err = pricefile.Catalogue(""); err != nil {
		return nil, err
	}
	if s.Scenario, err = whatif.ReadScenario(f.scenario); err != nil {
		return nil, configError{err}
	}
	if err := s.Scenario.Unknown(s.Model); err != nil {
		return nil, configError{fmt.Errorf("%s: %w", f.scenario, err)}
	}
	return s, nil
}

// traffic is the traffic to simulate.
func (f *simulateFlags) traffic(ctx context.Context, m *config.Model) (*whatif.Traffic, error) {
	factor, err := strconv.ParseFloat(strings.TrimSuffix(f.load, "x"), 64)
	if err != nil || !(factor > 0) || factor > 1000 {
		return nil, usageError{"weir simulate", fmt.Errorf("--load %q: want a factor such as 2x, above 0 and at most 1000", f.load)}
	}
	if f.from < 0 || f.to < 0 || f.to > 0 && f.to <= f.from {
		return nil, usageError{"weir simulate", fmt.Errorf("--from %v --to %v is an empty period", f.from, f.to)}
	}
	t := whatif.Traffic{Path: f.trace, From: f.from, To: f.to, Factor: factor, Seed: f.seed, Model: cmp.Or(f.traceOf, m.Name)}
	for i := range m.Deployments {
		t.Deployments = append(t.Deployments, m.Deployments[i].Name)
	}
	if f.traceOf != "" {
		t.Deployments = []string{f.traceOf}
	}
	found, err := whatif.NewTraffic(ctx, t)
	if err != nil {
		return nil, err
	}
	if f.start != "" {
		if found.Start, err = startOf(f.start); err != nil {
			return nil, err
		}
	}
	if found.Start != 0 {
		found.Start = found.Start.Add(f.from)
	}
	return found, nil
}

func startOf(text string) (weir.Instant, error) {
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04Z07:00", "2006-01-02T15:04", "2006-01-02"} {
		if t, err := time.Parse(layout, text); err == nil {
			return weir.At(t), nil
		}
	}
	return 0, usageError{"weir simulate", fmt.Errorf("--start %q: want a time such as 2024-05-14T08:00Z or 2024-05-14", text)}
}

// replaced says whether flags change the hardware of the demonstration.
func (f *simulateFlags) replaced() bool {
	return f.demonstration() && (f.gpu != "" || f.engineModel != "" || f.tp > 0)
}

// money converts a price flag to micro-dollars.
func money(dollars float64) weir.Money { return weir.Money(dollars * float64(weir.Dollar)) }

// demonstration says whether the built-in file is used.
func (f *simulateFlags) demonstration() bool { return f.file == "" }

func (f *simulateFlags) configuration() (*config.Config, error) {
	if f.demonstration() {
		return config.Default("weir", config.KeyHash{})
	}
	return config.Open(f.file)
}

// newJournal begins a journal; nil without a path.
func newJournal(path string) (*control.Journal, error) {
	if path == "" {
		return nil, nil
	}
	if err := os.WriteFile(path, nil, 0o644); err != nil { // it holds this run alone
		return nil, err
	}
	return control.OpenJournal(control.JournalOptions{Path: path, MaxBytes: math.MaxInt64})
}
