package fleet

import (
	"context"
	"errors"
	"time"

	"weir"
)

// Place is what a node needs from a place. A place brings its own options and
// its own change of them on a reload (Change); only the wiring asks which kind
// a place is.
//
// Everything that differs by place is in a replica's Status: when it is
// expected to be ready (ReadyAt: the place knows its cold starts), its number
// of units, why it failed. A place whose replicas another program scales keeps
// Scale's number and changes nothing.
type Place interface {
	Actuator
	// Run keeps the place until ctx ends, then gives back what it took. It is
	// called once; before it the place starts and ends nothing.
	Run(ctx context.Context) error
	// Room is how many replicas of a deployment the place could have now,
	// existing ones included; negative: unbounded or unknown.
	Room(deployment string) int
}

// Bounder is a place that knows what bounds its replicas.
type Bounder interface {
	// Bound is Room, and what sets it: a word of this package (Why…) and a text
	// for people.
	Bound(deployment string) (most int, why, text string)
	// Again is when the place is asked again for replicas that it could not give;
	// zero: at any time.
	Again(deployment string) time.Time
}

// Holder is a place that changes nothing while another program writes the number of
// a deployment's replicas.
type Holder interface {
	// Held names that program; "": none.
	Held(deployment string) string
}

// Announcer is a place that shows its own users what keeps replicas from coming.
type Announcer interface {
	// Announce says why replicas that are needed do not come, by a word of this
	// package or of scale and a text for people; no word: they can come again. It
	// does not wait.
	Announce(deployment, why, text string)
}

// Watcher is a place that reports its changes itself. Other places are polled
// (Watch).
type Watcher interface {
	// Watch gives heard the replicas of a deployment, as Status would: once for
	// each deployment with replicas, and again after every change, until ctx
	// ends. Of changes in quick succession, only the last is sure to be given.
	// One goroutine at a time calls heard, which must not call the place.
	// Several may watch at once.
	Watch(ctx context.Context, heard func(deployment string, rs []weir.Replica)) error
}

// Change is a reload's change of a place. First every place has its Check; if
// all agree, each has its Apply, which must not fail for a reason Check has
// looked at. Before Apply nothing has changed.
type Change struct{ Check, Apply func() error }

// ErrInUse: another process has the place, which only one at a time may have.
var ErrInUse = errors.New("in use by another weir")
