package gateway

import (
	"context"
	"maps"
	"slices"

	"weir"
	"weir/dispatch"
	"weir/meter"
)

// Sharing is how this gateway tells others what it does and learns. The
// functions must not block.
type Sharing struct {
	Gateways int // among which limits are divided as long as Redis has not answered
	// Wake is called when leases of some shards run out (bit i for shard i).
	Wake func(shards uint8)
	// Throttled is called when a provider has said until when a replica of a
	// deployment is not to be asked.
	Throttled func(deployment, replica string, until weir.Instant)
	// Note keeps a text under a name for all gateways, and Noted, which may take
	// until its context ends, returns one; "" if there is none. nil: neither.
	Note  func(name, text string)
	Noted func(ctx context.Context, name string) (string, error)
}

// Share has this gateway be one of several: it draws on leases of its limits and
// tells what it knows of providers and answers. It is called once, before the
// gateway runs.
func (g *Gateway) Share(with Sharing) {
	g.throttled = with.Throttled
	g.origins.tell, g.origins.ask = with.Note, with.Noted
	s := &g.spend
	s.mu.Lock()
	defer s.mu.Unlock()
	s.meter.ShareLeases(g.now(), meter.NewLeases(g.now(), with.Gateways))
	s.wake, s.learned.Tells = with.Wake, true
}

// Throttle says until when another gateway was told not to ask a replica. The
// longest time holds.
func (g *Gateway) Throttle(deployment, replica string, until weir.Instant) {
	if t := g.state.Load().targets[deployment]; t != nil && t.everywhere() {
		t.model.pushBack(g.now(), deployment, replica, until)
	}
}

// tellThrottled tells the other gateways, where they ask the same replicas.
func (g *Gateway) tellThrottled(t *target, replica string, until weir.Instant) {
	if g.throttled != nil && t != nil && t.everywhere() {
		g.throttled(t.Name, replica, until)
	}
}

// everywhere says whether every gateway with this configuration asks the same
// replicas by the same names: those at fixed addresses.
func (t *target) everywhere() bool { return len(t.Addrs) > 0 || t.Upstream.BaseURL != "" }

// TakeAnswers hands over the lengths of answers seen since it was last asked.
func (g *Gateway) TakeAnswers() []meter.Answer {
	g.spend.mu.Lock()
	defer g.spend.mu.Unlock()
	return g.spend.learned.TakeAnswers()
}

// Learn takes the lengths of answers that other gateways have seen.
func (g *Gateway) Learn(answers []meter.Answer) {
	g.spend.mu.Lock()
	defer g.spend.mu.Unlock()
	for _, a := range answers {
		g.spend.learned.SawRemote(a)
	}
}

// Booked calls f with what this gateway has booked of the quota of every
// deployment that has one.
func (g *Gateway) Booked(f func(deployment string, b dispatch.Booked)) {
	st := g.state.Load()
	for _, name := range slices.Sorted(maps.Keys(st.targets)) {
		if t := st.targets[name]; t.everywhere() {
			if b, ok := t.model.booked(name); ok {
				f(name, b)
			}
		}
	}
}

// BookRemote says what other gateways have booked of a deployment's quota
// since they were last heard.
func (g *Gateway) BookRemote(deployment string, more dispatch.Booked) {
	if t := g.state.Load().targets[deployment]; t != nil {
		t.model.bookRemote(g.now(), deployment, more)
	}
}

// Leases calls f with the leases, locked. It must not be long about it, nor call
// the gateway.
func (g *Gateway) Leases(f func(*meter.Leases)) {
	s := &g.spend
	s.mu.Lock()
	defer s.mu.Unlock()
	if ls := s.meter.Leases(); ls != nil {
		f(ls)
	}
}

// Now is the gateway's clock, by which its leases are filled.
func (g *Gateway) Now() weir.Instant { return g.now() }

// feed has those leases filled up that run out. The lock is held.
func (s *spend) feed() {
	if ls := s.meter.Leases(); ls != nil {
		if shards := ls.Hungry(); shards != 0 {
			s.wake(shards)
		}
	}
}
