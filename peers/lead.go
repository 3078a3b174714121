package peers

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"weir/scale"
	"weir/store"
)

// This file is the leader's part of an Exchange.

// lead reads the other gateways' reports, publishes the running replicas, and
// saves the state for the next leader.
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

// Begin reads the other gateways' reports before the first decision of a term.
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
	var others []report
	for _, g := range gateways {
		if g.Instance == x.o.Instance {
			continue
		}
		t := report{instance: g.Instance, age: g.Age}
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

// publish stores the running replicas of a deployment when they have changed.
func (x *Exchange) publish(ctx context.Context, term store.Term, name string) error {
	rs, err := x.o.Replicas(ctx, name)
	if err != nil {
		return nil // the place is not open yet, or a reload is under way: the last report holds
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

// writeDown stores the decisions made since the last round.
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
			x.o.Log.Error("decisions are only in the journal: the store did not accept them", "decisions", lost)
		}
		if n == 0 {
			return nil
		}
		err := x.o.DB.Decided(ctx, next.term, next.deployment, next.decision)
		if err != nil && !errors.Is(err, store.ErrNotLeader) {
			return err
		}
		x.mu.Lock() // only Decided changes made: it adds at the end or drops the first
		if len(x.made) > 0 && &x.made[0].decision[0] == &next.decision[0] {
			x.made = slices.Delete(x.made, 0, 1)
		}
		x.mu.Unlock()
		if err != nil {
			return fmt.Errorf("peers: a decision of an ended term: %w", err)
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

// Demand sums a deployment's demand over all gateways, given this one's. On the
// leader only; an error until the other gateways' reports were read.
func (x *Exchange) Demand(deployment string, own scale.Observation) (scale.Observation, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.heard.IsZero() {
		return own, errors.New("peers: the other gateways have not reported yet")
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

// Busy returns how many requests a draining replica still has at all gateways,
// given its number at this one. It is -1 until every gateway has confirmed that
// it sends the replica no more, and has reported its remaining requests.
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

// Remember keeps the scaling state of a deployment until it is saved.
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

// Decided keeps a decision until it is stored. If the store fails for long, the
// oldest are dropped and the loss is logged; the journal has them.
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

// States returns the scaling states that the last leader saved.
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
