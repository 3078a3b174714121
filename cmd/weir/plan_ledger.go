package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"weir"
	"weir/meter"
	"weir/plan"
	"weir/store"
)

// ledgerFlags say which part of the ledger is the demand.
type ledgerFlags struct {
	use   bool
	path  string
	since string
	model string // as callers ask for it; "" is the model of the demand
}

// since reads how far back to look: "7d", "36h".
func since(text string) (time.Duration, error) {
	if days, ok := strings.CutSuffix(text, "d"); ok {
		if n, err := strconv.Atoi(days); err == nil && n > 0 && n <= plan.MaxMinutes/(24*60) {
			return time.Duration(n) * 24 * time.Hour, nil
		}
	} else if d, err := time.ParseDuration(text); err == nil && d >= time.Minute && d <= plan.MaxMinutes*time.Minute {
		return d, nil
	}
	return 0, usageError{"weir plan", fmt.Errorf("--since %q: write how far back to look, from 1m to %dd, as 7d or 36h", text, plan.MaxMinutes/(24*60))}
}

// countLedger counts what was asked of a model until the last whole minute. A
// ledger that began later is counted from its first row on: before it, nobody
// knows.
func countLedger(ctx context.Context, f ledgerFlags, model string, now weir.Instant) (_ []plan.Minute, err error) {
	back, err := since(f.since)
	if err != nil {
		return nil, err
	}
	if _, err := os.Stat(f.path); err != nil { // Open would make one
		return nil, fmt.Errorf("ledger: %w: name the file of the configuration's store.path with --store", err)
	}
	s, err := store.Open(f.path)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	to := int64(now) / int64(time.Minute)
	q := meter.Query{From: to - int64(back/time.Minute), To: to, Model: model, AllTenants: true, AllKeys: true, AllDeployments: true, Limit: plan.MaxMinutes}
	rows, err := s.Usage(ctx, q)
	if err != nil {
		return nil, err
	}
	if len(rows) == 0 {
		return nil, noUsage(ctx, s, q, f)
	}
	return fill(rows, to), nil
}

// fill puts rows into minutes, empty ones between them.
func fill(rows []meter.Row, to int64) []plan.Minute {
	first := rows[0].Minute
	minutes := make([]plan.Minute, to-first)
	for _, r := range rows {
		m := &minutes[r.Minute-first]
		m.Requests += float64(r.Requests - r.Refused)
		m.Input += float64(r.Prompt)
		m.Cached += float64(min(r.Cached, r.Prompt))
		m.Output += float64(r.Completion)
	}
	return minutes
}

// noUsage says which models the ledger does know.
func noUsage(ctx context.Context, s *store.DB, q meter.Query, f ledgerFlags) error {
	const most = 20
	model := q.Model
	q.Model, q.Step, q.Limit = "", meter.PerDay, 0
	rows, err := s.Usage(ctx, q)
	if err != nil {
		return err
	}
	var names []string
	seen := map[string]bool{}
	for _, r := range rows {
		if !seen[r.Model] && len(names) < most {
			names = append(names, strconv.Quote(r.Model))
		}
		seen[r.Model] = true
	}
	if len(names) == 0 {
		return fmt.Errorf("%s has no usage since %s (the minute that runs does not count): look further back with --since", f.path, f.since)
	}
	return fmt.Errorf("%s has no usage of %q since %s; it has some of %s: name one with --ledger-model", f.path, model, f.since, strings.Join(names, ", "))
}
