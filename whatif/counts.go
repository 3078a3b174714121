package whatif

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"weir"
	"weir/control"
	"weir/meter"
	"weir/plan"
	"weir/store"
	"weir/trace"
)

// This file counts arrivals from files of "weir serve": the ledger and the
// journal.

// readLedger counts the model's requests in a ledger, by the minute.
func (t *Traffic) readLedger(ctx context.Context) (err error) {
	s, err := store.Open(t.Path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	q := meter.Query{Model: t.Model, AllTenants: true, AllDeployments: true, Limit: plan.MaxMinutes}
	rows, err := s.Usage(ctx, q)
	if err != nil {
		return err
	}
	if len(rows) == 0 {
		return fmt.Errorf("the ledger has no usage of model %q: name another with --trace-of", t.Model)
	}
	first := rows[0].Minute
	t.Start = weir.Instant(first * int64(time.Minute))
	for _, r := range rows {
		c := trace.Count{At: time.Duration(r.Minute-first) * time.Minute, Over: time.Minute, Requests: int(r.Requests)}
		// The ledger has tokens of admitted requests only; refused ones are
		// assumed alike.
		if in := r.Requests - r.Refused; in > 0 {
			c.Prompt, c.Output = int(r.Prompt*r.Requests/in), int(r.Completion*r.Requests/in)
		}
		t.counts = append(t.counts, c)
	}
	return nil
}

// journalLine is the part of a journal's line about arrivals.
type journalLine struct {
	Version     int    `json:"v"`
	Deployment  string `json:"deployment"`
	Observation struct {
		Now       weir.Instant  `json:"now"`
		SignalAge time.Duration `json:"signal_age"`
		Arrived   uint64        `json:"arrived"`
		Prompt    uint64        `json:"arrived_prompt"`
		Output    uint64        `json:"arrived_output"`
	} `json:"observation"`
}

// afterRestart is the longest time before a restarted scaler's first line in
// which its counted requests can have arrived.
const afterRestart = 10 * time.Second

// readJournal counts arrivals between the lines of one deployment, which
// include all requests for its model.
func (t *Traffic) readJournal(r io.Reader) error {
	lines := bufio.NewScanner(r)
	lines.Buffer(make([]byte, 64<<10), 64<<20)
	var last journalLine
	var names []string
	torn := 0 // number of an unreadable line; only the last may be one
	for n := 1; lines.Scan(); n++ {
		var line journalLine
		switch err := json.Unmarshal(lines.Bytes(), &line); {
		case torn > 0:
			return fmt.Errorf("line %d is not a line of a journal", torn)
		case err != nil:
			torn = n
			continue
		case line.Version != control.Version:
			return fmt.Errorf("journal line %d has version %d, this version of Weir reads %d", n, line.Version, control.Version)
		}
		if !slices.Contains(names, line.Deployment) {
			names = append(names, line.Deployment)
		}
		switch {
		case last.Deployment == "" && slices.Contains(t.Deployments, line.Deployment):
			t.Start, last = line.seen(), line
		case last.Deployment != "" && last.Deployment == line.Deployment:
			t.between(&last, &line)
			last = line
		}
	}
	if err := lines.Err(); err != nil {
		return err
	}
	if len(t.counts) == 0 {
		return fmt.Errorf("nothing arrived for model %s; the journal is of %s: name one with --trace-of", t.Model, strings.Join(names, ", "))
	}
	return nil
}

// seen is when the line's figures were measured.
func (l *journalLine) seen() weir.Instant { return l.Observation.Now.Add(-l.Observation.SignalAge) }

// between counts arrivals from one line to the next. Totals that have shrunk
// come from a restarted gateway.
func (t *Traffic) between(last, line *journalLine) {
	from, to := last.seen(), line.seen()
	was, is := last.Observation, line.Observation
	if is.Arrived < was.Arrived {
		was.Arrived, was.Prompt, was.Output = 0, 0, 0
		from = max(from, to.Add(-afterRestart))
	}
	if is.Arrived == was.Arrived || to < from {
		return
	}
	t.counts = append(t.counts, trace.Count{
		At: from.Sub(t.Start), Over: to.Sub(from),
		Requests: int(is.Arrived - was.Arrived), Prompt: int(is.Prompt - was.Prompt), Output: int(is.Output - was.Output),
	})
}
