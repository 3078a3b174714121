package aci

import (
	"strconv"
	"time"

	"weir"
	"weir/fleet"
)

// group is one container group of a deployment, from the request to its end. Its
// target's lock is held.
type group struct {
	name, id string // at Azure; of the replica: the name, and when it was asked for
	mark     mark   // its tags, without draining
	addr     string

	state   weir.ReplicaState // Starting, Ready or Failed
	since   time.Time
	readyAt time.Time
	sick    time.Time // since when one that was ready fails its health check; zero: it does not

	leave       bool      // it is to be deleted: as soon as it is idle, or at the deadline
	from, quiet time.Time // since when, and since when it is idle
	told        bool      // its tag says the same
	deleting    bool      // Azure deletes it
	ended       time.Time // when that was asked for
	gone        bool      // Azure has it no more
	hidden      bool      // a failed one that has been replaced

	replaced bool   // a group of the newer template starts for it
	replaces string // id of the one that this one starts for

	why, detail string // of its failure
	failures    int
	outcome     outcome // of its creation by this Weir; nil: another's
}

func newGroup(name string, m mark) *group {
	return &group{
		name: name, id: name + "." + strconv.FormatInt(m.asked.UnixMilli(), 36), mark: m,
		state: weir.Starting, since: m.asked,
	}
}

// live says whether it counts as one of those wanted.
func (g *group) live() bool { return g.state != weir.Failed && !g.leave && !g.replaced }

// go away, now or when it is idle.
func (g *group) drain(now time.Time) {
	if !g.leave {
		g.leave, g.from, g.quiet, g.told = true, now, time.Time{}, false
	}
}

// back takes it back to work.
func (g *group) back() { g.leave, g.from, g.quiet, g.told = false, time.Time{}, time.Time{}, false }

// tags are those it should have.
func (g *group) tags() mark {
	m := g.mark
	if g.leave {
		m.draining = g.from
	}
	return m
}

// drained says whether it may be deleted. busy are its requests in flight; negative:
// not known.
func (g *group) drained(busy int, deadline time.Duration, now time.Time, p Pace) bool {
	if g.state != weir.Ready || now.Sub(g.from) >= deadline {
		return true
	}
	if busy != 0 {
		g.quiet = time.Time{}
		return false
	}
	if g.quiet.IsZero() {
		g.quiet = now
	}
	return now.Sub(g.quiet) >= p.Quiet // one may be on its way
}

// replica is the group as the gateway and the scaler see it.
func (g *group) replica(d *Deployment, coldStart time.Duration, failures int) weir.Replica {
	r := weir.Replica{
		ID: g.id, Deployment: d.Name, Addr: g.addr, State: g.state, Since: weir.At(g.since), Asked: weir.At(g.mark.asked),
		Detail: g.detail, Why: g.why,
	}
	switch {
	case g.state == weir.Failed:
		r.FailedStarts = g.failures
	case g.leave:
		r.State, r.Since = weir.Draining, weir.At(g.from)
	case g.state == weir.Starting && g.addr == "":
		r.Why = fleet.WhyPulling
	case g.state == weir.Starting:
		r.Why = fleet.WhyLoading
	}
	switch g.state {
	case weir.Ready:
		r.ReadyAt = weir.At(g.readyAt)
	case weir.Starting:
		r.ReadyAt, r.FailedStarts = weir.At(g.mark.asked.Add(coldStart)), failures
	}
	return r
}
