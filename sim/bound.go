package sim

import (
	"errors"
	"fmt"
	"io"
	"time"

	"weir"
	"weir/engine"
	"weir/trace"
)

// ErrNoFit: a request of the trace fits no replica. No number of replicas
// serves the trace.
var ErrNoFit = errors.New("sim: a request fits no replica")

// FluidBound returns the replica time of spec needed for the whole of src if
// replicas are never idle and no request has a deadline: the offered work
// divided by one replica's maximum throughput. It ignores whole replicas, cold
// starts and the SLO. No schedule needs less, with one exception. With a prefix
// cache it is the work left by the cache of one replica that sees every
// request, and replicas with sticky callers may have more cache hits.
//
// It is measured, not computed. One replica gets the requests in order, with a
// constant number in flight, at several widths from a part of MaxSeqs to more
// than that. The least busy time counts: with a small KV cache the widest is
// not the fastest.
func FluidBound(spec engine.Spec, src trace.Source) (time.Duration, error) {
	full := spec.MaxSeqs
	if full == 0 {
		full = 256
	}
	var lines []*line
	for _, width := range []int{2 * full, full, full / 2, full / 4, full / 8} {
		if width > 0 {
			lines = append(lines, &line{replica: engine.New(spec), width: width})
		}
	}
	for id := uint64(1); ; id++ {
		a, err := src.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return 0, fmt.Errorf("sim: arrival %d: %w", id, err)
		}
		for _, l := range lines {
			if err := l.give(engine.Request{ID: id, Prompt: a.Prompt, Output: a.Output, Prefix: a.Prefix}); err != nil {
				return 0, err
			}
		}
	}
	least := lines[0].finish()
	for _, l := range lines[1:] {
		least = min(least, l.finish())
	}
	return least, nil
}

// line is a replica with a constant number of requests in flight.
type line struct {
	replica *engine.Replica
	width   int
	now     weir.Instant
	flying  int
}

func (l *line) give(q engine.Request) error {
	for l.flying >= l.width {
		l.step()
	}
	if err := l.replica.Arrive(l.now, q); err != nil {
		return fmt.Errorf("%w: %w", ErrNoFit, err)
	}
	l.flying++
	return nil
}

func (l *line) step() {
	l.now = max(l.now, l.replica.Next())
	for _, e := range l.replica.Advance(l.now) {
		if e.Kind == engine.Finished {
			l.flying--
		}
	}
}

func (l *line) finish() time.Duration {
	for l.flying > 0 {
		l.step()
	}
	return l.replica.Load().GPUBusy
}
