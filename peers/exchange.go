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
	roundLimit  = 2 * time.Second        // one may take
	silentAfter = 5 * time.Second        // then what a gateway said is too old to act on
	forgetAfter = 15 * time.Second       // then it is taken for dead, and counts no more
	saveEvery   = 5 * time.Second        // the memory of scaling
	maxPending  = 1000                   // decisions not written down yet
)

// ExchangeOptions configure an Exchange; all but Log must be set.
type ExchangeOptions struct {
	DB                   *store.DB
	Instance, Name, Host string // of this gateway
	Office               func() (store.Term, bool)

	Deployments func() []string // whose replicas Weir runs
	// Demand is that of this gateway alone.
	Demand func(now weir.Instant, deployment string) (scale.Observation, error)
	// Replicas are those of the place; asked in office only.
	Replicas func(ctx context.Context, deployment string) ([]weir.Replica, error)

	Log *slog.Logger // nil: silent
}

// Exchange tells the other gateways what this one is asked for, and, in office,
// what runs; and it hears the same of them. It is safe for concurrent use and
// nobody waits for the database but Run.
type Exchange struct {
	o ExchangeOptions

	mu     sync.Mutex
	fleets map[string]fleet // as last read, or published, by deployment
	others []told
	heard  time.Time // when others was read; zero: not in this term
	totals map[string]*totals
	states map[string][]byte // to be saved
	made   []made            // decisions to be written down
	lost   int               // of them, for want of room

	term  store.Term // when the others were last heard in office
	saved time.Time  // when states were

	failing bool // Run's alone
}

// fleet is the replicas of a deployment as all gateways know them.
type fleet struct {
	version  int64
	host     string
	text     string
	replicas []weir.Replica
	since    map[string]int64 // replica: the version from which on it takes no new requests
}

type made struct {
	term       store.Term
	deployment string
	decision   []byte
}

// NewExchange returns an Exchange; Run makes it go.
func NewExchange(o ExchangeOptions) *Exchange {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return &Exchange{o: o, fleets: map[string]fleet{}, totals: map[string]*totals{}, states: map[string][]byte{}}
}

// Run tells and hears until ctx ends, then takes this gateway out of the sums.
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
				x.o.Log.Warn("the other gateways count this one for some seconds more", "error", err)
			}
			return nil
		case <-tick.C:
		}
	}
}

// said logs the first of a row of failures, and the end of them.
func (x *Exchange) said(err error) {
	switch {
	case err != nil && !x.failing && !errors.Is(err, context.Canceled):
		x.failing = true
		x.o.Log.Error("the other gateways are not heard; requests go on to the replicas last known", "error", err)
	case err == nil && x.failing:
		x.failing = false
		x.o.Log.Info("the other gateways are heard again")
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
	if term, in := x.o.Office(); in {
		return x.lead(ctx, term)
	}
	return x.follow(ctx)
}

// own is what this gateway says of itself.
func (x *Exchange) own() Load {
	l := Load{Demand: map[string]scale.Observation{}, Seen: map[string]int64{}}
	now := weir.At(time.Now())
	for _, name := range x.o.Deployments() {
		if o, err := x.o.Demand(now, name); err == nil { // else a reload is under way
			l.Demand[name] = o
		}
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	for name, f := range x.fleets {
		l.Seen[name] = f.version
	}
	return l
}

// follow reads what runs.
func (x *Exchange) follow(ctx context.Context) error {
	published, err := x.o.DB.Published(ctx)
	if err != nil {
		return err
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	if _, in := x.o.Office(); !in {
		x.heard = time.Time{}
	}
	for _, p := range published {
		if have, ok := x.fleets[p.Name]; ok && have.version == p.Version {
			continue
		}
		var rs []weir.Replica
		if err := json.Unmarshal(p.Replicas, &rs); err != nil {
			return fmt.Errorf("peers: replicas of %q: %w", p.Name, err)
		}
		x.know(p.Name, fleet{version: p.Version, host: p.Host, text: string(p.Replicas), replicas: rs})
	}
	return nil
}

// know takes over what is known of a deployment's replicas. The lock is held.
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

// lead hears the others, says what runs, and saves what the next in office
// needs.
func (x *Exchange) lead(ctx context.Context, term store.Term) error {
	if err := x.hear(ctx, term); err != nil {
		return err
	}
	for _, name := range x.o.Deployments() {
		if err := x.publish(ctx, term, name); err != nil {
			return err
		}
	}
	if err := x.writeDown(ctx); err != nil {
		return err
	}
	return x.save(ctx, term)
}

// Begin hears the others before the first decision of a term.
func (x *Exchange) Begin(ctx context.Context, term store.Term) error {
	ctx, cancel := context.WithTimeout(ctx, roundLimit)
	defer cancel()
	return x.hear(ctx, term)
}

func (x *Exchange) hear(ctx context.Context, term store.Term) error {
	gateways, err := x.o.DB.Gateways(ctx, forgetAfter)
	if err != nil {
		return err
	}
	var others []told
	for _, g := range gateways {
		if g.Instance == x.o.Instance {
			continue
		}
		t := told{instance: g.Instance, age: g.Age}
		if err := json.Unmarshal(g.Load, &t.load); err != nil {
			return fmt.Errorf("peers: load of gateway %q: %w", g.Name, err)
		}
		others = append(others, t)
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.term != term {
		x.term, x.totals, x.saved = term, map[string]*totals{}, time.Now()
	}
	x.others, x.heard = others, time.Now()
	return nil
}

// publish says what runs of a deployment, when that has changed.
func (x *Exchange) publish(ctx context.Context, term store.Term, name string) error {
	rs, err := x.o.Replicas(ctx, name)
	if err != nil {
		return nil // the place is not taken yet, or a reload is under way: what was said holds
	}
	text, err := json.Marshal(rs)
	if err != nil {
		return fmt.Errorf("peers: %w", err)
	}
	x.mu.Lock()
	have, known := x.fleets[name]
	x.mu.Unlock()
	if known && have.text == string(text) {
		return nil
	}
	version, err := x.o.DB.Publish(ctx, term, store.Deployment{Name: name, Host: x.o.Host, Replicas: text})
	if err != nil {
		return err
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	x.know(name, fleet{version: version, host: x.o.Host, text: string(text), replicas: rs})
	return nil
}

// writeDown writes the decisions made since.
func (x *Exchange) writeDown(ctx context.Context) error {
	for {
		x.mu.Lock()
		var next made
		n := len(x.made)
		if n > 0 {
			next = x.made[0]
		}
		lost := x.lost
		x.lost = 0
		x.mu.Unlock()
		if lost > 0 {
			x.o.Log.Error("decisions are in the journal only: the store did not take them", "decisions", lost)
		}
		if n == 0 {
			return nil
		}
		err := x.o.DB.Decided(ctx, next.term, next.deployment, next.decision)
		if err != nil && !errors.Is(err, store.ErrNotInOffice) {
			return err
		}
		x.mu.Lock() // only Decided adds, and only at the end, or drops the first
		if len(x.made) > 0 && &x.made[0].decision[0] == &next.decision[0] {
			x.made = slices.Delete(x.made, 0, 1)
		}
		x.mu.Unlock()
		if err != nil {
			return fmt.Errorf("peers: a decision of a term that is over: %w", err)
		}
	}
}

func (x *Exchange) save(ctx context.Context, term store.Term) error {
	x.mu.Lock()
	due := time.Since(x.saved) >= saveEvery
	states := x.states
	if due {
		x.saved, x.states = time.Now(), map[string][]byte{}
	}
	x.mu.Unlock()
	if !due {
		return nil
	}
	for name, state := range states { // each row on its own: the order does not matter
		if err := x.o.DB.SaveState(ctx, term, name, state); err != nil {
			return err
		}
	}
	return nil
}

// Demand is that on a deployment of all gateways together, given this one's.
// In office only; before the others were heard it is an error.
func (x *Exchange) Demand(deployment string, own scale.Observation) (scale.Observation, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.heard.IsZero() {
		return own, errors.New("peers: the other gateways were not heard yet")
	}
	t := x.totals[deployment]
	if t == nil {
		t = &totals{}
		x.totals[deployment] = t
	}
	others := slices.Clone(x.others)
	for i := range others {
		others[i].age += time.Since(x.heard)
	}
	return t.add(deployment, x.o.Instance, own, others), nil
}

// Replicas are those last known of a deployment.
func (x *Exchange) Replicas(deployment string) []weir.Replica {
	x.mu.Lock()
	defer x.mu.Unlock()
	return slices.Clone(x.fleets[deployment].replicas)
}

// Host is where a deployment's replicas run; "" when that is not known.
func (x *Exchange) Host(deployment string) string {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.fleets[deployment].host
}

// Busy says how many requests a draining replica still has at all gateways,
// given how many it has at this one; -1 when that is not known: until every
// gateway has said that it sends it no more, and what it still has there.
func (x *Exchange) Busy(deployment, replica string, own int) int {
	if own != 0 {
		return own
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	since, published := x.fleets[deployment].since[replica]
	if !published || x.heard.IsZero() || time.Since(x.heard) > silentAfter {
		return -1
	}
	busy := 0
	for _, o := range x.others {
		if o.load.Seen[deployment] < since {
			return -1
		}
		busy += o.load.Demand[deployment].PerReplica[replica].InFlight
	}
	return busy
}

// Remember keeps the memory of a deployment's scaling until it is saved.
func (x *Exchange) Remember(deployment string, s scale.State) error {
	text, err := json.Marshal(s)
	if err != nil {
		return fmt.Errorf("peers: state of %q: %w", deployment, err)
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	x.states[deployment] = text
	return nil
}

// Decided keeps a decision until it is written down. When the store does not
// take them, the oldest are lost here, and said; the journal has them.
func (x *Exchange) Decided(term store.Term, deployment string, d scale.Decision) error {
	text, err := json.Marshal(d)
	if err != nil {
		return fmt.Errorf("peers: decision on %q: %w", deployment, err)
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	x.made = append(x.made, made{term, deployment, text})
	if extra := len(x.made) - maxPending; extra > 0 {
		x.made = slices.Delete(x.made, 0, extra)
		x.lost += extra
	}
	return nil
}

// States are what the last in office remembered.
func States(ctx context.Context, db *store.DB) (map[string]scale.State, error) {
	ctx, cancel := context.WithTimeout(ctx, roundLimit)
	defer cancel()
	texts, err := db.States(ctx)
	if err != nil {
		return nil, err
	}
	states := map[string]scale.State{}
	for name, text := range texts {
		var s scale.State
		if err := json.Unmarshal(text, &s); err != nil {
			return nil, fmt.Errorf("peers: state of %q: %w", name, err)
		}
		states[name] = s
	}
	return states, nil
}
