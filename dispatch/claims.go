package dispatch

import (
	"time"

	"weir"
)

// claim is one tenant's work in flight and its weight. It is kept while the
// tenant has requests in the Core, and for presence after its last arrival.
type claim struct {
	tenant       string
	weight       int
	work         int // tokens in flight on all replicas
	requests     int // waiting or in flight
	seen         weir.Instant
	flows        [2]knownFlow // by class
	older, newer *claim       // by seen
}

// knownFlow is a flow and the life of the lane in which it was looked up.
type knownFlow struct {
	flow *flow
	life uint64
}

// presence is how long a tenant counts as active after its last arrival.
const presence = time.Minute

// seenStep is the resolution of claim.seen.
const seenStep = time.Second

// claims holds the claims of all active tenants.
type claims struct {
	by             map[string]*claim
	oldest, newest *claim
	weights        int
	work           int          // sum over all tenants
	interactive    weir.Instant // last interactive arrival; 0: never
}

// enter notes a request of a tenant and returns the tenant's claim.
func (s *claims) enter(now weir.Instant, tenant string, weight int, class weir.Class) *claim {
	if class != weir.Batch {
		s.interactive = now
	}
	k := s.newest
	if k == nil || k.tenant != tenant {
		k = s.by[tenant]
	}
	switch {
	case k == nil:
		k = s.begin(tenant, weight)
		k.seen = now
	case now.Sub(k.seen) >= seenStep:
		s.unlink(k)
		s.link(k)
		k.seen = now
	}
	k.requests++
	for o := s.oldest; now.Sub(o.seen) > presence; o = s.oldest {
		s.unlink(o)
		if o.requests > 0 { // still active
			o.seen = now
			s.link(o)
			continue
		}
		s.weights -= o.weight
		delete(s.by, o.tenant)
	}
	return k
}

// begin makes the claim of a tenant that becomes active.
func (s *claims) begin(tenant string, weight int) *claim {
	k := &claim{tenant: tenant, weight: weight}
	if s.by == nil {
		s.by = map[string]*claim{}
	}
	s.by[tenant] = k
	s.weights += weight
	s.link(k)
	return k
}

// link makes k the newest.
func (s *claims) link(k *claim) {
	k.older, k.newer = s.newest, nil
	if s.newest == nil {
		s.oldest = k
	} else {
		s.newest.newer = k
	}
	s.newest = k
}

func (s *claims) unlink(k *claim) {
	if k.older == nil {
		s.oldest = k.newer
	} else {
		k.older.newer = k.newer
	}
	if k.newer == nil {
		s.newest = k.older
	} else {
		k.newer.older = k.older
	}
	k.older, k.newer = nil, nil
}

// add counts tokens that enter flight, or with a negative work leave it.
func (s *claims) add(k *claim, work int) {
	k.work += work
	s.work += work
}

// reweigh sets every tenant's weight to its current share.
func (s *claims) reweigh(share func(string) int) {
	s.weights = 0
	for k := s.oldest; k != nil; k = k.newer {
		k.weight = share(k.tenant)
		s.weights += k.weight
	}
}
