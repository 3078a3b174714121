package control

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"weir"
	"weir/fleet"
	"weir/scale"
)

// step is one turn of one target: status, demand, decision, action, journal.
func (c *Controller) step(ctx context.Context, timeout time.Duration, now weir.Instant, t *target) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.begin()
	name := t.name
	replicas, err := status(ctx, timeout, &t.Target)
	if err != nil {
		c.failed(name, fmt.Errorf("control: replicas of %q are unknown, nothing decided: %w", name, err))
		return
	}
	if c.o.Replicas != nil {
		c.o.Replicas(name, replicas)
	}
	before := t.state
	e := Event{Deployment: name, Observation: c.observe(now, t, replicas)}
	e.Decision, t.state = t.decide(t.state, e.Observation)
	e.State = t.state
	c.act(ctx, timeout, t, &e)
	c.journal(t, before, &e)
	if c.o.Decided != nil {
		c.o.Decided(e)
	}
}

func status(ctx context.Context, timeout time.Duration, t *Target) ([]weir.Replica, error) {
	ctx, cancel := bounded(ctx, timeout)
	defer cancel()
	return t.Actuator.Status(ctx, t.Deployment)
}

// bounded returns ctx with a timeout. Without a timeout it costs nothing: a
// simulation steps a million times.
func bounded(ctx context.Context, timeout time.Duration) (context.Context, context.CancelFunc) {
	if timeout <= 0 {
		return ctx, func() {}
	}
	return context.WithTimeout(ctx, timeout)
}

// observe assembles the observation. After an error of Demand the last figures
// are used, with their age; the policy decides when they are too old.
func (c *Controller) observe(now weir.Instant, t *target, replicas []weir.Replica) scale.Observation {
	o, err := t.Target.Demand(now, t.Target.Deployment)
	switch {
	case err == nil:
		t.demand, t.asked = o, now
	case t.asked == 0:
		c.failed(t.Target.Deployment, fmt.Errorf("control: demand for %q: %w", t.Target.Deployment, err))
		o = scale.Unknown(now)
		o.SignalAge = math.MaxInt64
	default:
		c.failed(t.Target.Deployment, fmt.Errorf("control: demand for %q: %w", t.Target.Deployment, err))
		o = t.demand
		o.SignalAge += now.Sub(t.asked)
	}
	o.Now, o.Replicas = now, replicas
	o.NoCapacity, t.noCapacity = t.noCapacity, false
	if t.Target.Zone != nil {
		_, offset := now.Time().In(t.Target.Zone).Zone()
		o.UTCOffset = time.Duration(offset) * time.Second
	}
	return o
}

// act asks the place to scale when the wanted number differs from the present
// one, when a failed replica may need a replacement, or when an earlier run, or
// another leader, left a replica draining: the place ends the drain.
func (c *Controller) act(ctx context.Context, timeout time.Duration, t *target, e *Event) {
	left := !t.stepped && some(e.Observation.Replicas, weir.Draining)
	t.stepped = true
	if e.Decision.Want == e.Decision.Have && !left && !some(e.Observation.Replicas, weir.Failed) {
		return
	}
	call, cancel := bounded(ctx, timeout)
	e.Err = t.Target.Actuator.Scale(call, t.Target.Deployment, e.Decision.Want, e.Decision.Victims)
	cancel()
	e.Acted = true
	t.noCapacity = errors.Is(e.Err, fleet.ErrNoCapacity)
	if c.o.Replicas == nil {
		return
	}
	// Callers must not be sent to draining replicas for the rest of the tick.
	if rs, err := status(ctx, timeout, &t.Target); err == nil {
		c.o.Replicas(t.Target.Deployment, rs)
	}
}

// some says whether a replica is in that state.
func some(rs []weir.Replica, state weir.ReplicaState) bool {
	for i := range rs {
		if rs[i].State == state {
			return true
		}
	}
	return false
}

// journal writes the step, with policy and state when a checkpoint is due.
func (c *Controller) journal(t *target, before scale.State, e *Event) {
	if c.o.Journal == nil {
		return
	}
	line := Line{
		Version: Version, Deployment: e.Deployment, By: t.Target.By, Holder: c.o.Holder, Token: c.o.Token,
		Observation: e.Observation, Decision: e.Decision, Acted: e.Acted,
	}
	if e.Err != nil {
		line.Err = e.Err.Error()
	}
	var err error
	if t.mark, err = c.o.Journal.write(line, t.mark, &t.Target.Policy, &before); err != nil {
		c.failed(e.Deployment, err)
	}
}

func (c *Controller) failed(deployment string, err error) {
	if c.o.Failed != nil {
		c.o.Failed(deployment, err)
	}
}
