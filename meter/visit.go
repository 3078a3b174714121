package meter

import (
	"time"

	"weir"
)

// Ask is a gateway's report and request for one lease to the keeper of the
// budgets.
type Ask struct {
	Name  string
	Shard int
	Rate  int64 // units a minute; 0: not a flow
	Burst int64
	Keep  time.Duration // how long to remember the budget

	Total, Since int64 // used since the start; the part the keeper has confirmed
	Known        bool  // Seen and SeenAt are valid
	Seen, SeenAt int64 // the rest at the last report, and its time by the keeper's clock, ms
	SeenEra      string
	Floor        int64 // units of a gauge in use
	Need         int64 // units to hold for the demand
	Want         int64 // units to hold if no other gateway needs them; -1: none, ever again
	Has          int64 // units it holds; those above Want are set aside
	Demand       int64 // units a minute requested by callers
	Lack         int64 // the largest request refused because the lease had too little

	lease *Lease
	at    weir.Instant
}

// Grant is the keeper's answer to one Ask.
type Grant struct {
	Hold    int64  // the lease's units, including those of a gauge in use
	Credit  int64  // units in no lease
	Level   int64  // the rest of the whole budget
	At      int64  // the keeper's time, ms
	Era     string // of the keeper's memory: a new era has forgotten earlier reports
	Part    int64  // of a flow's rate while the keeper is silent, in millionths
	Yield   bool   // a gateway is short of units that are spread in parts too small for all
	Settled bool   // false: the keeper was away and collects the use of that time; the lease continues by itself
}

// Asks appends to asks the due asks to the keeper of a shard, at most limit in
// all; with all set, also those that could wait. No lease is asked about again
// before Granted or Unheard.
func (ls *Leases) Asks(now weir.Instant, shard int, asks []Ask, limit int, all bool) []Ask {
	s := &ls.shards[shard]
	s.remind(now, ls)
	kept := s.busy[:0]
	for _, l := range s.busy {
		if len(asks) >= limit || l.asking || !all && !l.due(now) {
			kept = append(kept, l)
			continue
		}
		l.queued = false
		asks = append(asks, l.ask(now))
	}
	clear(s.busy[len(kept):])
	s.busy = kept
	return asks
}

// due says whether the lease should be in the next visit.
func (l *Lease) due(now weir.Instant) bool {
	return l.visited == 0 || l.dead || l.missed > 0 || l.level < l.reported.hold/2 || l.level < 0 || l.pressed > l.visited || l.yields || now.Sub(l.visited) >= between
}

func (l *Lease) ask(now weir.Instant) Ask {
	l.observe(now)
	if l.lost(now) {
		l.goOn(now)
	}
	a := Ask{
		Name: l.name, Shard: l.shard, Rate: l.rate, Burst: l.burst, Keep: l.keep, Total: l.total, Since: l.since,
		Known: l.reported.known, Seen: l.reported.level, SeenAt: l.reported.keeps, SeenEra: l.reported.era,
		Floor: l.inUse, Need: l.need(), Has: max(l.level, 0) + l.inUse, Demand: int64(60 * l.demand), Lack: l.missed,
		lease: l, at: now,
	}
	a.Want = max(a.Need, l.spare(now))
	if l.yields && l.level < l.largest { // useful here only for smaller requests
		a.Need, a.Want = a.Floor, a.Floor
	}
	if l.dead {
		a.Need, a.Want = -1, -1
	}
	l.offered = max(a.Has-max(a.Want, a.Floor), 0)
	l.level -= l.offered
	l.asking, l.visited, l.during, l.missed = true, now, 0, 0
	return a
}

// observe updates the demand.
func (l *Lease) observe(now weir.Instant) {
	d := min(now.Sub(l.visited), 10*forgets)
	if l.visited == 0 || d <= 0 {
		return
	}
	weight := min(float64(d)/float64(forgets), 1)
	l.demand += (float64(l.asked)/d.Seconds() - l.demand) * weight
	l.asked = 0
	if l.demand < 0.01 {
		l.demand, l.largest = 0, 0
	}
}

// Granted applies the keeper's answer to an ask.
func (ls *Leases) Granted(now weir.Instant, a Ask, g Grant) {
	l := a.lease
	l.asking = false
	l.since = a.Total
	l.level += l.offered
	l.offered = 0
	l.reported.known, l.reported.level, l.reported.keeps, l.reported.era, l.reported.at = true, g.Level, g.At, g.Era, a.at
	if !g.Settled {
		ls.queue(l)
		return
	}
	l.level, l.frac, l.at = g.Hold-a.Floor-l.during, 0, a.at
	l.credit, l.yields = g.Credit, g.Yield
	if g.Hold < a.Need {
		l.pressed = now
	}
	l.reported.granted, l.reported.hold, l.reported.part = true, g.Hold-a.Floor, g.Part
	if a.Want < 0 && l.dead && l.inUse == 0 && l.total == l.since {
		ls.forget(l)
		return
	}
	if l.yields {
		l.hurry()
	}
	if l.yields || l.demand > 0 || l.level < 0 || l.during != 0 || l.dead {
		ls.queue(l)
	}
}

// Unheard says that an ask was not answered.
func (ls *Leases) Unheard(a Ask) {
	l := a.lease
	l.asking = false
	l.level += l.offered
	l.offered = 0
	ls.queue(l)
}

// Pressed names budgets of which a gateway needs more than is available. This
// gateway returns its unneeded units of them at the next visit.
func (ls *Leases) Pressed(now weir.Instant, names []string) {
	for _, name := range names {
		l := ls.all[name]
		if l == nil {
			continue
		}
		if l.pressed = now; l.level > 0 || l.reported.part > 0 {
			ls.queue(l)
			l.hurry()
		}
	}
}

// Contact says that the keeper of a shard answered at now and, if settled, that
// it knows the use of every gateway.
func (ls *Leases) Contact(now weir.Instant, shard, gateways int, settled bool) {
	ls.gateways = max(gateways, 1)
	if s := &ls.shards[shard]; settled {
		s.contact = max(s.contact, now)
	}
}

// Revisit marks every lease of a shard for a new ask: its keeper lost its
// memory.
func (ls *Leases) Revisit(shard int) {
	for _, l := range ls.shards[shard].inOrder {
		ls.queue(l)
		l.visited = 0
	}
}

// remind queues a few leases that were not visited for long.
func (s *shard) remind(now weir.Instant, ls *Leases) {
	const atOnce = 16
	for range min(atOnce, len(s.inOrder)) {
		s.reminded = (s.reminded + 1) % len(s.inOrder)
		if l := s.inOrder[s.reminded]; now.Sub(l.visited) > remembered {
			ls.queue(l)
		}
	}
}
