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

// ErrNoFit: a request of the trace fits no replica, so no number of them
// serves the trace.
var ErrNoFit = errors.New("sim: a request fits no replica")

// FluidBound is the time that replicas of spec need for the whole of src when
// they are never idle and no request has a deadline: the offered work divided by
// the most a replica does. It knows no whole replicas, no cold starts and no
// SLO. No schedule can do with less, with one reservation: with a prefix cache
// it is the work left by the cache of one replica that sees every request, and
// replicas whose callers keep to them may find more in theirs.
//
// It is measured, not computed: one replica is given the requests in their
// order, as fast as it ends others, with so many in flight at once, for
// several widths from a part of MaxSeqs to more than that. The least busy one
// counts: where the KV cache is short, the widest is not the fastest.
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

// line is a replica that always has width requests.
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
