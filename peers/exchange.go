package peers

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"weir"
	"weir/scale"
	"weir/store"
)

const (
	every       = 500 * time.Millisecond // between rounds
	roundLimit  = 2 * time.Second        // for one round
	silentAfter = 5 * time.Second        // then a gateway's report is too old to act on
	forgetAfter = 15 * time.Second       // then the gateway counts as dead
	saveEvery   = 5 * time.Second        // the state of scaling
	maxPending  = 1000                   // decisions not yet stored
)

// ExchangeOptions configure an Exchange; all but Log must be set.
type ExchangeOptions struct {
	DB                   *store.DB
	Instance, Name, Host string // of this gateway
	Leader               func() (store.Term, bool)

	Deployments func() []string // those whose replicas Weir runs
	// Demand is that of this gateway alone.
	Demand func(now weir.Instant, deployment string) (scale.Observation, error)
	// Replicas are those of the place; called on the leader only.
	Replicas func(ctx context.Context, deployment string) ([]weir.Replica, error)

	// Changed is called when the known replicas of a deployment have changed
	// (Replicas, Host), with no lock held; nil: no call.
	Changed func(deployment string)

	// Wanted are the numbers last decided, by deployment, and Bounds what they are
	// bound by; called on the leader only. Heard takes both on every other
	// gateway, each round, and nil while no leader is heard from. All nil: no other
	// gateway needs them.
	Wanted func() map[string]int
	Bounds func() map[string]Bound
	Heard  func(wanted map[string]int, bounds map[string]Bound)

	Log *slog.Logger // nil: silent
}

// Exchange publishes this gateway's demand and, on the leader, the running
// replicas; and it reads those of the other gateways. It is safe for concurrent
// use. Only Run waits for the database.
type Exchange struct {
	o ExchangeOptions

	mu     sync.Mutex
	fleets map[string]fleet // as last read or published, by deployment
	others []report
	heard  time.Time // when others was read; zero: not in this term
	totals map[string]*totals
	states map[string][]byte // not yet saved
	made   []made            // decisions not yet stored
	lost   int               // decisions dropped because made was full

	term  store.Term // in which the other gateways were last read
	saved time.Time  // when states were saved

	failing bool // Run's alone
}

// fleet is the replicas of a deployment as all gateways know them.
type fleet struct {
	version  int64
	host     string
	text     string
	replicas []weir.Replica
	since    map[string]int64 // by replica: the version from which on it takes no new requests
}

type made struct {
	term       store.Term
	deployment string
	decision   []byte
}

// NewExchange returns an Exchange; call Run to start it.
func NewExchange(o ExchangeOptions) *Exchange {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return &Exchange{o: o, fleets: map[string]fleet{}, totals: map[string]*totals{}, states: map[string][]byte{}}
}

// Run publishes and reads until ctx ends, then removes this gateway from the
// sums.
func (x *Exchange) Run(ctx context.Context) error {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		x.said(x.round(ctx))
		select {
		case <-ctx.Done():
			leaving, cancel := context.WithTimeout(context.WithoutCancel(ctx), roundLimit)
			defer cancel()
			if err := x.o.DB.Leave(leaving, x.o.Instance); err != nil {
				x.o.Log.Warn("the other gateways will count this one for a few more seconds", "error", err)
			}
			return nil
		case <-tick.C:
		}
	}
}

// said logs the first of a series of failures, and its end.
func (x *Exchange) said(err error) {
	switch {
	case err != nil && !x.failing && !errors.Is(err, context.Canceled):
		x.failing = true
		x.o.Log.Error("the other gateways cannot be reached through the store; requests continue on the last known replicas", "error", err)
	case err == nil && x.failing:
		x.failing = false
		x.o.Log.Info("the other gateways can be reached again")
	}
}

func (x *Exchange) round(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, roundLimit)
	defer cancel()
	load, err := json.Marshal(x.own())
	if err != nil {
		return fmt.Errorf("peers: %w", err)
	}
	err = x.o.DB.Tell(ctx, store.Gateway{Instance: x.o.Instance, Name: x.o.Name, Host: x.o.Host, Load: load})
	if err != nil {
		return err
	}
	if term, in := x.o.Leader(); in {
		return x.lead(ctx, term)
	}
	return x.follow(ctx)
}

// own is this gateway's report.
func (x *Exchange) own() Load {
	l := Load{Demand: map[string]scale.Observation{}, Seen: map[string]int64{}}
	now := weir.At(time.Now())
	for _, name := range x.o.Deployments() {
		if o, err := x.o.Demand(now, name); err == nil { // else a reload is under way
			l.Demand[name] = o
		}
	}
	if _, leads := x.o.Leader(); leads && x.o.Wanted != nil {
		l.Leads, l.Wanted, l.Bounds = true, x.o.Wanted(), x.o.Bounds()
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	for name, f := range x.fleets {
		l.Seen[name] = f.version
	}
	return l
}

// follow reads the running replicas.
func (x *Exchange) follow(ctx context.Context) error {
	published, err := x.o.DB.Published(ctx)
	if err != nil {
		return err
	}
	changed, err := x.take(published)
	if x.o.Changed != nil {
		for _, name := range changed {
			x.o.Changed(name)
		}
	}
	return errors.Join(err, x.hearLeader(ctx))
}

// hearLeader passes on what the leader last decided. Of two that say so, as when
// one has just died, the one heard from last is the leader.
func (x *Exchange) hearLeader(ctx context.Context) error {
	if x.o.Heard == nil {
		return nil
	}
	gateways, err := x.o.DB.Gateways(ctx, silentAfter)
	if err != nil {
		x.o.Heard(nil, nil)
		return err
	}
	var last Load
	age := silentAfter
	for _, g := range gateways {
		var l Load
		if err := json.Unmarshal(g.Load, &l); err != nil {
			return fmt.Errorf("peers: load of gateway %q: %w", g.Name, err)
		}
		if l.Leads && g.Age < age {
			last, age = l, g.Age
		}
	}
	x.o.Heard(last.Wanted, last.Bounds)
	return nil
}

// take stores the leader's published replicas and returns the deployments with
// a change.
func (x *Exchange) take(published []store.Deployment) (changed []string, err error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if _, leads := x.o.Leader(); !leads {
		x.heard = time.Time{}
	}
	for _, p := range published {
		if have, ok := x.fleets[p.Name]; ok && have.version == p.Version {
			continue
		}
		var rs []weir.Replica
		if err := json.Unmarshal(p.Replicas, &rs); err != nil {
			return changed, fmt.Errorf("peers: replicas of %q: %w", p.Name, err)
		}
		x.know(p.Name, fleet{version: p.Version, host: p.Host, text: string(p.Replicas), replicas: rs})
		changed = append(changed, p.Name)
	}
	return changed, nil
}

// know stores the replicas of a deployment. The caller holds the lock.
func (x *Exchange) know(name string, f fleet) {
	f.since = map[string]int64{}
	for _, r := range f.replicas {
		if r.State == weir.Ready {
			continue
		}
		f.since[r.ID] = f.version
		if v, ok := x.fleets[name].since[r.ID]; ok {
			f.since[r.ID] = v
		}
	}
	x.fleets[name] = f
}

// Replicas returns the last known replicas of a deployment.
func (x *Exchange) Replicas(deployment string) []weir.Replica {
	x.mu.Lock()
	defer x.mu.Unlock()
	return slices.Clone(x.fleets[deployment].replicas)
}

// Host is the machine of a deployment's replicas; "" if unknown.
func (x *Exchange) Host(deployment string) string {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.fleets[deployment].host
}
