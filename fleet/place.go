package fleet

import (
	"context"
	"errors"

	"weir"
)

// Place is what a node needs of where replicas run. A place brings its own
// options and its own change of them on a reload (Change); nothing but the
// wiring asks which kind a place is.
//
// Everything of a replica that differs by place is in its Status: when it is
// expected to be ready (ReadyAt: the place knows its cold starts), how many
// servers it stands for, why it failed. A place whose replicas something else
// scales keeps what Scale asks for and changes nothing.
type Place interface {
	Actuator
	// Run keeps the place until ctx ends, then gives back what it took. It is
	// called once; before it the place starts and ends nothing.
	Run(ctx context.Context) error
	// Room is how many replicas of a deployment the place could have now, those
	// there are included; negative: nothing bounds them, or it is not known.
	Room(deployment string) int
}

// Watcher is a place that says by itself what has changed. One that does not
// is asked again and again (Watch).
type Watcher interface {
	// Watch gives heard the replicas of a deployment, as Status would: once for
	// each that has some, and again after every change, until ctx ends. Of
	// changes that follow each other fast only the last may be given, and it
	// always is. heard is called by one goroutine at a time and must not call
	// the place. Several may watch at once.
	Watch(ctx context.Context, heard func(deployment string, rs []weir.Replica)) error
}

// Change is what a reload does to a place. First every place is asked to Check;
// when all agree, each has its Apply, which then must not fail for what Check
// has seen. Before Apply nothing has changed.
type Change struct{ Check, Apply func() error }

// ErrInUse: another process has the place, which one at a time may have.
var ErrInUse = errors.New("in use by another weir")
