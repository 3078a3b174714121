package sim

import (
	"errors"
	"fmt"
	"io"

	"weir"
	"weir/trace"
)

// incoming is a source in progress.
type incoming struct {
	source trace.Source
	next   trace.Arrival
	last   weir.Instant // time of next, or of the last arrival when there is none
	count  uint64
	ended  bool
}

// fetch puts the next arrival of a source on the agenda.
func (w *world) fetch(class weir.Class) error {
	in := &w.incoming[class]
	if !in.ended {
		a, err := in.source.Next()
		if err == nil {
			return w.expectArrival(class, a)
		}
		if !errors.Is(err, io.EOF) {
			return fmt.Errorf("sim: %v arrival %d: %w", class, in.count+1, err)
		}
		in.ended = true
	}
	if w.allArrived() && w.horizon == 0 {
		w.horizon = max(w.lastAt, w.c.Start)
		w.bill()
	}
	return nil
}

func (w *world) expectArrival(class weir.Class, a trace.Arrival) error {
	in := &w.incoming[class]
	at := w.c.Start.Add(a.At)
	if at < max(in.last, w.c.Start) {
		return fmt.Errorf("sim: %v arrival %d comes %v before the one before it", class, in.count+1, in.last.Sub(at))
	}
	in.next, in.last = a, at
	in.count++
	w.lastAt = max(w.lastAt, at)
	w.todo.add(at, arrivalEvent, int32(class), 0)
	return nil
}

func (w *world) allArrived() bool { return w.incoming[0].ended && w.incoming[1].ended }
