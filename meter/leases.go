package meter

import (
	"hash/fnv"
	"slices"
	"time"

	"weir"
)

// LeaseShards is the number of shards of shared budgets. Each visit is to one
// shard, and its budgets are on one node of a cluster. All gateways must agree
// on it.
const LeaseShards = 8

// Leases are all the leases of one gateway. They are passive: their owner
// serialises the calls.
type Leases struct {
	gateways int // budgets are divided among so many if the keeper was never heard
	all      map[string]*Lease
	shards   [LeaseShards]shard
	hungry   uint8 // a bit for each shard
}

// shard is the part of the leases covered by one visit.
type shard struct {
	contact  weir.Instant // when its keeper was last heard
	inOrder  []*Lease     // in order of creation
	gone     int          // number of forgotten ones in inOrder
	busy     []*Lease     // used, or to be asked about, since their last visit
	reminded int          // index in inOrder to continue from in remind
}

// NewLeases returns leases of budgets that are divided among that many
// gateways, at least 1, if their keeper is not heard for LostAfter from now.
func NewLeases(now weir.Instant, gateways int) *Leases {
	ls := &Leases{gateways: max(gateways, 1), all: map[string]*Lease{}}
	for i := range ls.shards {
		ls.shards[i].contact = now
	}
	return ls
}

// Keep makes the lease of a budget, or changes it. rate is in units a minute,
// for a flow only. burst is the most a flow may save up, or all of a window or
// gauge. keep is how long the keeper remembers the budget without contact.
func (ls *Leases) Keep(name string, form Form, rate, burst int64, keep time.Duration) *Lease {
	l := ls.all[name]
	if l == nil {
		h := fnv.New32a()
		h.Write([]byte(name))
		l = &Lease{of: ls, name: name, form: form, shard: int(h.Sum32() % LeaseShards)}
		ls.all[name] = l
		s := &ls.shards[l.shard]
		s.inOrder = append(s.inOrder, l)
	}
	l.rate, l.burst, l.keep, l.dead = rate, burst, keep, false
	ls.queue(l)
	return l
}

// Drop ends a lease: its units return at the next visit. It may still be
// settled.
func (ls *Leases) Drop(l *Lease) {
	l.dead = true
	ls.queue(l)
}

// Spent enters the use of a window from a ledger. The keeper uses it if it
// knows of less.
func (l *Lease) Spent(used int64) {
	left := l.burst - min(used, l.burst)
	if !l.reported.known || left < l.reported.level {
		l.reported.known, l.reported.level, l.reported.keeps, l.reported.era = true, left, 0, ""
	}
}

func (ls *Leases) queue(l *Lease) {
	if !l.queued && !l.gone {
		l.queued = true
		s := &ls.shards[l.shard]
		s.busy = append(s.busy, l)
	}
}

// hurry requests an early visit to the lease's shard.
func (l *Lease) hurry() { l.of.hungry |= 1 << l.shard }

// Hungry returns, once, the shards with a lease that is nearly used up and
// should be visited early: bit i for shard i.
func (ls *Leases) Hungry() uint8 {
	h := ls.hungry
	ls.hungry = 0
	return h
}

// Outstanding returns the lease's units: how much of its budget this gateway
// uses or could use without contact.
func (l *Lease) Outstanding() int64 { return max(l.level, 0) + l.inUse }

// Each calls f for every lease, shard by shard in order of creation, with the
// name of its budget, this gateway's units and the whole burst.
func (ls *Leases) Each(f func(name string, outstanding, burst int64)) {
	for i := range ls.shards {
		for _, l := range ls.shards[i].inOrder {
			if !l.dead {
				f(l.name, l.Outstanding(), l.burst)
			}
		}
	}
}

// forget removes a dead lease whose use the keeper has confirmed.
func (ls *Leases) forget(l *Lease) {
	if l.gone {
		return // asked about once more; its name may be another lease's by now
	}
	s := &ls.shards[l.shard]
	l.gone = true
	delete(ls.all, l.name)
	s.gone++
	if 2*s.gone > len(s.inOrder) {
		s.inOrder = slices.DeleteFunc(s.inOrder, func(l *Lease) bool { return l.gone })
		s.gone, s.reminded = 0, 0
	}
}
