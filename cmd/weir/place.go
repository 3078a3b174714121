package main

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
	"weir/fleet/process"
	"weir/peers"
	"weir/store"
)

// place is what runs a node's replicas: its own processes, or those that the
// gateways of one machine have together.
type place interface {
	fleet.Actuator
	Validate([]process.Deployment) error
	Configure([]process.Deployment) error
	Room(deployment string) int
	Run(ctx context.Context) error
}

var (
	_ place = (*process.Fleet)(nil)
	_ place = (*sharedPlace)(nil)
)

// sharedPlace is the processes of a machine as each of its gateways sees them:
// the one in office has the process place itself, the others what that one
// says of it.
type sharedPlace struct {
	options  process.Options // but for the deployments
	host     string
	office   func() (store.Term, bool)
	exchange *peers.Exchange
	log      *slog.Logger

	mu          sync.Mutex
	deployments []process.Deployment
	mine        *process.Fleet // nil out of office
}

// errOutOfOffice: another gateway scales, or nobody does for the moment.
var errOutOfOffice = errors.New("this gateway is not in office")

// placeRetry is how often a gateway in office asks for a place that another
// Weir still holds.
const placeRetry = 200 * time.Millisecond

// take makes the process place this gateway's own. While another holds it, one
// that was stopped in office and has not heard of its end, it waits: what that
// one does to replicas and what this one would do must never mix.
func (p *sharedPlace) take(ctx context.Context) (*process.Fleet, error) {
	said := false
	for {
		f, err := p.open()
		if !errors.Is(err, process.ErrInUse) {
			return f, err
		}
		if !said {
			said = true
			p.log.Warn("in office, but the former holder has not let go of its replicas: nothing is scaled until it wakes or ends", "error", err)
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(placeRetry):
		}
	}
}

func (p *sharedPlace) open() (*process.Fleet, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	o := p.options
	o.Deployments = p.deployments
	f, err := process.New(o)
	if err == nil {
		p.mine = f
	}
	return f, err
}

// leave is called when the place of this gateway has ended.
func (p *sharedPlace) leave() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.mine = nil
}

// have is the place itself, nil out of office, and whether it has the
// deployment.
func (p *sharedPlace) have(deployment string) (*process.Fleet, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	known := slices.ContainsFunc(p.deployments, func(d process.Deployment) bool { return d.Name == deployment })
	return p.mine, known
}

// Status lists the replicas there are, or those the gateway in office last
// said there are. Those of another machine listen on its loopback alone: from
// here there are none.
func (p *sharedPlace) Status(ctx context.Context, deployment string) ([]weir.Replica, error) {
	mine, known := p.have(deployment)
	switch {
	case !known:
		return nil, fmt.Errorf("shared processes: %w: %q", fleet.ErrUnknown, deployment)
	case mine != nil:
		return mine.Status(ctx, deployment)
	case p.exchange.Host(deployment) != p.host:
		return nil, nil
	}
	return p.exchange.Replicas(deployment), nil
}

// own lists the replicas of the place itself, for the other gateways.
func (p *sharedPlace) own(ctx context.Context, deployment string) ([]weir.Replica, error) {
	mine, _ := p.have(deployment)
	if mine == nil {
		return nil, errOutOfOffice
	}
	return mine.Status(ctx, deployment)
}

// Scale asks the place, if this gateway is in office at this moment.
func (p *sharedPlace) Scale(ctx context.Context, deployment string, want int, victims []string) error {
	mine, _ := p.have(deployment)
	if _, in := p.office(); !in || mine == nil {
		return errOutOfOffice
	}
	return mine.Scale(ctx, deployment, want, victims)
}

// Validate says whether Configure would take the deployments.
func (p *sharedPlace) Validate(ds []process.Deployment) error {
	o := p.options
	o.Deployments = ds
	return process.Check(o)
}

// Configure replaces the deployments; on an error nothing has changed.
func (p *sharedPlace) Configure(ds []process.Deployment) error {
	if err := p.Validate(ds); err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.deployments = ds
	if p.mine == nil {
		return nil
	}
	return p.mine.Configure(ds)
}

// Room is that of the place itself; not known out of office.
func (p *sharedPlace) Room(deployment string) int {
	if mine, _ := p.have(deployment); mine != nil {
		return mine.Room(deployment)
	}
	return -1
}

// Run waits: the place runs in this gateway's terms of office.
func (p *sharedPlace) Run(ctx context.Context) error {
	<-ctx.Done()
	return nil
}
