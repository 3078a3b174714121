// Package shared is a place that several gateways have together and one at a
// time may open: the leader has the place itself, the others what the leader
// says of it. It owns the taking and the leaving; which gateway leads, and how
// the others hear, are funcs. It knows no kind of place.
package shared

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"weir"
	"weir/fleet"
)

var (
	_ fleet.Place   = (*Place)(nil)
	_ fleet.Watcher = (*Place)(nil)
)

// Options configure a Place; all but Log must be set.
type Options struct {
	Name  string                      // of the place, in errors
	Open  func() (fleet.Place, error) // takes the place itself; fleet.ErrInUse: another gateway still has it
	Leads func() bool                 // this gateway may act now

	Deployments func() []string // those of the place

	// Published are the replicas as the leader last said, and the host they run
	// on; those of another host than Host cannot be reached, and are none.
	Published func(deployment string) (host string, rs []weir.Replica)
	Host      string

	Log *slog.Logger // nil: silent
}

// Place is what a gateway sees of the place. It is safe for concurrent use.
type Place struct {
	o Options

	mu      sync.Mutex
	mine    fleet.Place // nil while this gateway does not lead
	watched []*watcher
}

// ErrNotLeading: another gateway scales, or none does for the moment.
var ErrNotLeading = errors.New("this gateway is not the leader")

// retryEvery is how often a leader asks for a place that another Weir still has.
const retryEvery = 200 * time.Millisecond

// pollEvery is how often a place is asked for its replicas that does not say by
// itself what has changed.
const pollEvery = time.Second

// New makes a Place; nothing is opened before Take.
func New(o Options) *Place {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return &Place{o: o}
}

// Take makes the place this gateway's own, and returns what runs it and leaves
// it at its end. While another gateway has it, one that was stopped while it led
// and has not heard of its end, Take waits: what that one does to replicas and
// what this one would do must never mix.
func (p *Place) Take(ctx context.Context) (run func(context.Context) error, err error) {
	said := false
	for {
		mine, err := p.open()
		if err == nil {
			return func(ctx context.Context) error { defer p.leave(); return p.run(ctx, mine) }, nil
		}
		if !errors.Is(err, fleet.ErrInUse) {
			return nil, err
		}
		if !said {
			said = true
			p.o.Log.Warn("this gateway leads, but the former leader has not let go of its replicas: nothing is scaled until it wakes or ends", "error", err)
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(retryEvery):
		}
	}
}

func (p *Place) open() (fleet.Place, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	mine, err := p.o.Open()
	if err != nil {
		return nil, err
	}
	p.mine = mine
	return mine, nil
}

// leave goes back to what the leader says.
func (p *Place) leave() {
	p.mu.Lock()
	p.mine = nil
	p.mu.Unlock()
	for _, name := range p.o.Deployments() {
		p.Heard(name)
	}
}

// own is the place itself; nil while this gateway does not lead.
func (p *Place) own() fleet.Place {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.mine
}

// Status lists the replicas there are, or those the leader last said there are.
func (p *Place) Status(ctx context.Context, deployment string) ([]weir.Replica, error) {
	if !p.Knows(deployment) {
		return nil, fmt.Errorf("shared %s: %w: %q", p.o.Name, fleet.ErrUnknown, deployment)
	}
	if mine := p.own(); mine != nil {
		return mine.Status(ctx, deployment)
	}
	return p.published(deployment), nil
}

// Knows says whether a deployment is one of the place.
func (p *Place) Knows(deployment string) bool {
	return slices.Contains(p.o.Deployments(), deployment)
}

func (p *Place) published(deployment string) []weir.Replica {
	host, rs := p.o.Published(deployment)
	if host != p.o.Host {
		return nil
	}
	return rs
}

// Own lists the replicas of the place itself, for the other gateways.
func (p *Place) Own(ctx context.Context, deployment string) ([]weir.Replica, error) {
	mine := p.own()
	if mine == nil {
		return nil, ErrNotLeading
	}
	return mine.Status(ctx, deployment)
}

// Scale asks the place, if this gateway leads at this moment.
func (p *Place) Scale(ctx context.Context, deployment string, want int, victims []string) error {
	mine := p.own()
	if mine == nil || !p.o.Leads() {
		return ErrNotLeading
	}
	return mine.Scale(ctx, deployment, want, victims)
}

// Room is that of the place itself; not known while this gateway does not lead.
func (p *Place) Room(deployment string) int {
	if mine := p.own(); mine != nil {
		return mine.Room(deployment)
	}
	return -1
}

// Run waits: the place itself runs while this gateway leads.
func (p *Place) Run(ctx context.Context) error {
	<-ctx.Done()
	return nil
}
