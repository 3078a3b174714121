// Package shared is a place that several gateways have together and only one
// may open at a time. The leader has the place itself; the others have the
// replicas the leader publishes. It owns the opening and the closing; funcs say
// which gateway leads and what it published. It knows no kind of place.
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
	Open  func() (fleet.Place, error) // opens the place itself; fleet.ErrInUse: another gateway still has it
	Leads func() bool                 // this gateway may act now

	Deployments func() []string // at the place

	// Published are the replicas as last published by the leader, and their
	// host. If the host is not Host they cannot be reached, and count as none.
	Published func(deployment string) (host string, rs []weir.Replica)
	Host      string

	Log *slog.Logger // nil: silent
}

// Place is one gateway's view of the place. It is safe for concurrent use.
type Place struct {
	o Options

	mu      sync.Mutex
	mine    fleet.Place // nil while this gateway does not lead
	watched []*watcher
}

// retryEvery is how often a leader retries a place that another Weir still has.
const retryEvery = 200 * time.Millisecond

// pollEvery is how often a place without fleet.Watcher is asked for its
// replicas.
const pollEvery = time.Second

// New makes a Place; nothing is opened before Take.
func New(o Options) *Place {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return &Place{o: o}
}

// Take opens the place for this gateway; the returned func runs it and closes
// it at the end. Take waits while another gateway has the place: a former
// leader that was frozen and does not know its term is over. The actions of the
// two on replicas must never mix.
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

// leave goes back to the leader's published replicas.
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

// Status lists the place's replicas, or those the leader last published.
func (p *Place) Status(ctx context.Context, deployment string) ([]weir.Replica, error) {
	if !p.Knows(deployment) {
		return nil, fmt.Errorf("shared %s: %w: %q", p.o.Name, fleet.ErrUnknown, deployment)
	}
	if mine := p.own(); mine != nil {
		return mine.Status(ctx, deployment)
	}
	return p.published(deployment), nil
}

// Knows says whether the place has a deployment.
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
		return nil, fleet.ErrNotLeading
	}
	return mine.Status(ctx, deployment)
}

// Scale scales the place, if this gateway leads at this moment.
func (p *Place) Scale(ctx context.Context, deployment string, want int, victims []string) error {
	mine := p.own()
	if mine == nil || !p.o.Leads() {
		return fleet.ErrNotLeading
	}
	return mine.Scale(ctx, deployment, want, victims)
}

// Room is the place's own; unknown while this gateway does not lead.
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
