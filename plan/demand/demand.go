// Package demand reads the demand of a plan: a demand.yaml with the minutes it
// describes, or minutes counted from a trace or the ledger of "weir serve". The
// file has the form of weir.yaml, and its faults are config's.
package demand

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"weir"
	"weir/plan"
	"weir/trace"
)

// Source is where a demand comes from. Its models and region override the
// file's.
type Source struct {
	Name string // of a demand.yaml; "": none
	Text []byte // of it

	Trace  string  // a file whose requests are counted; "": none
	Ledger *Ledger // likewise; nil: none

	Model, OpenModel string
	Region           string
	Estimate         string // region whose prices replace unknown ones
}

// Counted says whether the minutes are counted rather than described.
func (s *Source) Counted() bool { return s.Trace != "" || s.Ledger != nil }

// Read reads the demand. The error is a config.Faults if the description has
// faults.
func (s *Source) Read(ctx context.Context, now weir.Instant) (plan.Demand, error) {
	f, err := parse(s)
	if err != nil {
		return plan.Demand{}, err
	}
	d := f.demand()
	d.Estimate = s.Estimate
	switch {
	case s.Trace != "":
		d.Minutes, err = countTrace(s.Trace, f.Cached.Fraction())
	case s.Ledger != nil:
		d.Minutes, err = s.Ledger.count(ctx, cmp.Or(s.Ledger.Model, d.Model, d.OpenModel), now)
	default:
		d.Minutes, err = f.minutes()
	}
	return d, err
}

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
// prompts in the service's cache, which a trace does not tell.
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
