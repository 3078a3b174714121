package meter

import (
	"time"

	"weir"
)

// Ask is what a gateway says of one lease to the keeper of the budgets.
type Ask struct {
	Name  string
	Shard int
	Rate  int64 // units a minute; 0: not a flow
	Burst int64
	Keep  time.Duration // how long to remember the budget

	Total, Since int64 // used since the beginning; of which the keeper has confirmed
	Known        bool  // Seen and SeenAt hold
	Seen, SeenAt int64 // what was left when last told, and when by the keeper's clock, ms
	SeenEra      string
	Floor        int64 // what is in use of a gauge
	Need         int64 // how much to hold for what is asked of it
	Want         int64 // how much if nobody else needs it; -1: nothing any more, ever
	Has          int64 // how much it holds; what exceeds Want it has set aside
	Demand       int64 // units a minute callers ask for
	Lack         int64 // the largest request refused because the lease had too little

	lease *Lease
	at    weir.Instant
}

// Grant is the keeper's answer to one Ask.
type Grant struct {
	Hold    int64  // what the lease is worth, of a gauge with what is in use
	Credit  int64  // what nobody holds
	Level   int64  // what is left of the whole budget
	At      int64  // the keeper's time, ms
	Era     string // of the keeper's memory: another one has forgotten what was said before
	Part    int64  // of a flow's rate while the keeper is silent, in millionths
	Yield   bool   // somebody is short of what lies about in parts too small for all
	Settled bool   // false: the keeper was away and gathers what was used meanwhile; the lease goes on by itself
}

// Asks appends to asks what the keeper of a shard is to be asked at now, at most
// limit leases, each of which is not asked about again before Granted or
// Unheard; with all, those that could wait too.
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

// due says whether the keeper should hear of the lease now.
func (l *Lease) due(now weir.Instant) bool {
	return l.visited == 0 || l.dead || l.missed > 0 || l.level < l.told.hold/2 || l.level < 0 || l.pressed > l.visited || l.yields || now.Sub(l.visited) >= between
}

func (l *Lease) ask(now weir.Instant) Ask {
	l.observe(now)
	if l.lost(now) {
		l.goOn(now)
	}
	a := Ask{
		Name: l.name, Shard: l.shard, Rate: l.rate, Burst: l.burst, Keep: l.keep, Total: l.total, Since: l.since,
		Known: l.told.known, Seen: l.told.level, SeenAt: l.told.keeps, SeenEra: l.told.era,
		Floor: l.inUse, Need: l.need(), Has: max(l.level, 0) + l.inUse, Demand: int64(60 * l.demand), Lack: l.missed,
		lease: l, at: now,
	}
	a.Want = max(a.Need, l.spare(now))
	if l.yields && l.level < l.largest { // of no use here but for smaller requests
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

// observe follows the demand.
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

// Granted takes the keeper's answer to an ask.
func (ls *Leases) Granted(now weir.Instant, a Ask, g Grant) {
	l := a.lease
	l.asking = false
	l.since = a.Total
	l.level += l.offered
	l.offered = 0
	l.told.known, l.told.level, l.told.keeps, l.told.era, l.told.at = true, g.Level, g.At, g.Era, a.at
	if !g.Settled {
		ls.queue(l)
		return
	}
	l.level, l.frac, l.at = g.Hold-a.Floor-l.during, 0, a.at
	l.credit, l.yields = g.Credit, g.Yield
	if g.Hold < a.Need {
		l.pressed = now
	}
	l.told.granted, l.told.hold, l.told.part = true, g.Hold-a.Floor, g.Part
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

// Pressed says of which budgets somebody needs more than is to be had: what this
// gateway holds of them and does not need goes back at the next visit.
func (ls *Leases) Pressed(now weir.Instant, names []string) {
	for _, name := range names {
		l := ls.all[name]
		if l == nil {
			continue
		}
		if l.pressed = now; l.level > 0 || l.told.part > 0 {
			ls.queue(l)
			l.hurry()
		}
	}
}

// Contact says that the keeper of a shard was heard at now and, settled, that it
// knows what every gateway has used.
func (ls *Leases) Contact(now weir.Instant, shard, gateways int, settled bool) {
	ls.gateways = max(gateways, 1)
	if s := &ls.shards[shard]; settled {
		s.contact = max(s.contact, now)
	}
}

// Revisit has every lease of a shard asked about again: its keeper lost its memory.
func (ls *Leases) Revisit(shard int) {
	for _, l := range ls.shards[shard].inOrder {
		ls.queue(l)
		l.visited = 0
	}
}

// remind queues a few leases the keeper has not heard of for long.
func (s *shard) remind(now weir.Instant, ls *Leases) {
	const atOnce = 16
	for range min(atOnce, len(s.inOrder)) {
		s.reminded = (s.reminded + 1) % len(s.inOrder)
		if l := s.inOrder[s.reminded]; now.Sub(l.visited) > remembered {
			ls.queue(l)
		}
	}
}
