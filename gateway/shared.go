package gateway

import (
	"context"
	"maps"
	"slices"

	"weir"
	"weir/dispatch"
	"weir/meter"
)

// Sharing connects this gateway to the others. The functions must not block.
type Sharing struct {
	Gateways int // the limits are divided among them until Redis has answered
	// Wake is called when leases of some shards run low (bit i for shard i).
	Wake func(shards uint8)
	// Throttled is called when a provider has throttled a replica until a time.
	Throttled func(deployment, replica string, until weir.Instant)
	// Note stores a text under a name for all gateways. Noted returns it, "" if there
	// is none, and may block until its context ends. nil: neither.
	Note  func(name, text string)
	Noted func(ctx context.Context, name string) (string, error)
}

// Share makes this gateway one of several: it uses leases of its limits, and passes on
// what it learns of providers and answers. It is called once, before Run.
func (g *Gateway) Share(with Sharing) {
	g.throttled = with.Throttled
	g.origins.tell, g.origins.ask = with.Note, with.Noted
	s := &g.spend
	s.mu.Lock()
	defer s.mu.Unlock()
	s.meter.ShareLeases(g.now(), meter.NewLeases(g.now(), with.Gateways))
	s.wake, s.learned.Tells = with.Wake, true
}

// Throttle avoids a replica until a time that another gateway got from its provider.
// The latest time wins.
func (g *Gateway) Throttle(deployment, replica string, until weir.Instant) {
	if t := g.state.Load().targets[deployment]; t != nil && t.everywhere() {
		t.model.pushBack(g.now(), deployment, replica, until)
	}
}

// tellThrottled informs the other gateways if they use the same replicas.
func (g *Gateway) tellThrottled(t *target, replica string, until weir.Instant) {
	if g.throttled != nil && t != nil && t.everywhere() {
		g.throttled(t.Name, replica, until)
	}
}

// everywhere says whether every gateway with this configuration has the same replicas
// by the same names: those at fixed addresses.
func (t *target) everywhere() bool { return len(t.Addrs) > 0 || t.Upstream.BaseURL != "" }

// TakeAnswers returns the lengths of answers seen since its last call.
func (g *Gateway) TakeAnswers() []meter.Answer {
	g.spend.mu.Lock()
	defer g.spend.mu.Unlock()
	return g.spend.learned.TakeAnswers()
}

// Learn adds the lengths of answers that other gateways have seen.
func (g *Gateway) Learn(answers []meter.Answer) {
	g.spend.mu.Lock()
	defer g.spend.mu.Unlock()
	for _, a := range answers {
		g.spend.learned.SawRemote(a)
	}
}

// Booked calls f with this gateway's bookings of each deployment that has a quota.
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

// BookRemote adds what other gateways have booked of a deployment's quota since the
// last report.
func (g *Gateway) BookRemote(deployment string, more dispatch.Booked) {
	if t := g.state.Load().targets[deployment]; t != nil {
		t.model.bookRemote(g.now(), deployment, more)
	}
}

// Leases calls f with the leases, under the lock. f must be quick and must not call the
// gateway.
func (g *Gateway) Leases(f func(*meter.Leases)) {
	s := &g.spend
	s.mu.Lock()
	defer s.mu.Unlock()
	if ls := s.meter.Leases(); ls != nil {
		f(ls)
	}
}

// Now is the gateway's clock, by which its leases are refilled.
func (g *Gateway) Now() weir.Instant { return g.now() }

// feed asks for a refill of leases that run low. The lock is held.
func (s *spend) feed() {
	if ls := s.meter.Leases(); ls != nil {
		if shards := ls.Hungry(); shards != 0 {
			s.wake(shards)
		}
	}
}
