package gateway

import (
	"weir"
	"weir/meter"
)

// ShareLimits has this gateway draw on leases of its limits, as one of several;
// gateways is how many as long as nobody has told it. wake is called when leases
// of some shards run out (bit i for shard i), with a lock held: it must not
// block. It is called once, before the gateway runs.
func (g *Gateway) ShareLimits(gateways int, wake func(shards uint8)) {
	s := &g.spend
	s.mu.Lock()
	defer s.mu.Unlock()
	s.meter.ShareLeases(g.now(), meter.NewLeases(g.now(), gateways))
	s.wake = wake
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
