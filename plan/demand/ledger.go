package demand

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

// Ledger is the part of a ledger that makes the demand.
type Ledger struct {
	Path  string
	Since string // how far back to look: "7d", "36h"
	Model string // requested by callers; "" is the demand's model
}

// Back reads how far back to look.
func (l *Ledger) Back() (time.Duration, error) {
	if days, ok := strings.CutSuffix(l.Since, "d"); ok {
		if n, err := strconv.Atoi(days); err == nil && n > 0 && n <= plan.MaxMinutes/(24*60) {
			return time.Duration(n) * 24 * time.Hour, nil
		}
	} else if d, err := time.ParseDuration(l.Since); err == nil && d >= time.Minute && d <= plan.MaxMinutes*time.Minute {
		return d, nil
	}
	return 0, fmt.Errorf("--since %q: write how far back to look, from 1m to %dd, as 7d or 36h", l.Since, plan.MaxMinutes/(24*60))
}

// count counts the requests for a model until the last whole minute. A ledger
// that began later is counted from its first row on: the time before is
// unknown.
func (l *Ledger) count(ctx context.Context, model string, now weir.Instant) (_ []plan.Minute, err error) {
	back, err := l.Back()
	if err != nil {
		return nil, err
	}
	if _, err := os.Stat(l.Path); err != nil { // Open would create one
		return nil, fmt.Errorf("ledger: %w: name the file of the configuration's store.path with --store", err)
	}
	s, err := store.Open(l.Path)
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
		return nil, l.noUsage(ctx, s, q)
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

// noUsage names the models in the ledger.
func (l *Ledger) noUsage(ctx context.Context, s *store.DB, q meter.Query) error {
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
		return fmt.Errorf("%s has no usage since %s (the current minute does not count): look further back with --since", l.Path, l.Since)
	}
	return fmt.Errorf("%s has no usage of %q since %s; it has some of %s: name one with --ledger-model", l.Path, model, l.Since, strings.Join(names, ", "))
}
