package meter

import (
	"math"
	"math/bits"
	"time"

	"weir"
)

// Lease is one gateway's part of a budget that several gateways share: units it
// may use without asking anybody. Who keeps the whole budget (package share: a
// Redis) grants it more, or takes back what it does not need, in the time
// between requests and never during one.
//
// There are three forms of budgets. A flow refills, units a minute up to a
// burst. A window is a number of units for a stretch of the calendar. A gauge is
// how many may be in use at once; what is given back can be used again.
//
// A lease is not worth more than what the whole budget has left when it was
// granted, so that all leases of a budget together never exceed it. Beyond its
// lease a gateway may overdraw by one request between two grants, up to the
// credit it was told: what nobody held. So a budget that is too small to be
// divided, one request a minute among three gateways, is still used in full.
//
// When its keeper is silent for LostAfter, a lease goes on by itself: that of a
// flow refills at the part of the rate it was told last, that of a window or a
// gauge lasts as long as there is some.
//
// It is passive: its owner serialises the calls.
type Lease struct {
	of     *Leases
	name   string
	form   Form
	rate   int64 // of the whole budget, units a minute; 0: not a flow
	burst  int64 // of the whole budget
	shard  int
	keep   time.Duration
	dead   bool // dropped
	gone   bool // dropped, and the keeper knows
	queued bool // among Leases.busy
	asking bool

	level int64 // units that may be used; below zero overdrawn
	frac  uint64
	at    weir.Instant // up to when level is filled
	total int64        // used since the beginning, less what was given back
	since int64        // total that the keeper has confirmed
	inUse int64        // of a gauge

	told   told
	credit int64 // 0 once it was drawn on

	// What callers ask for, to say how much is wanted.
	asked   int64 // units since the last visit, refused ones included
	largest int64 // the largest request of late
	missed  int64 // the largest refused since the last visit
	demand  float64
	visited weir.Instant // when the last visit began
	during  int64        // used while the last visit was under way
	offered int64        // offered back in the visit under way, not to be used meanwhile
	yields  bool         // to a gateway that is short, at the next visit
	pressed weir.Instant // when others needed more than was to be had
}

// told is what the keeper said of a budget last.
type told struct {
	known   bool // what level is, by the keeper or by somebody who remembers
	granted bool // there has been a grant
	level   int64
	keeps   int64  // the keeper's time, ms
	era     string // of the keeper's memory
	at      weir.Instant
	hold    int64
	part    int64 // of a flow's rate, in millionths
}

// Form is how a budget refills.
type Form uint8

const (
	Flow Form = iota
	Window
	Gauge
)

const (
	// LostAfter is how long the keeper of shared budgets may be silent before
	// gateways go on by themselves.
	LostAfter = 600 * time.Millisecond
	// lookAhead is the time a lease is to last at the present demand.
	lookAhead = 400 * time.Millisecond
	// between visits for one budget; sooner when its lease runs out.
	between = 100 * time.Millisecond
	// calm is how long after somebody was short leases are what is needed only.
	calm = time.Second
	// forgets is how fast demand is forgotten.
	forgets = 500 * time.Millisecond
	// remembered is how often the keeper hears of a lease that is not used, well
	// before it forgets the budget.
	remembered = 10 * time.Minute
	// millionth of a minute, in nanoseconds times millionths.
	partMinute = uint64(time.Minute) * 1_000_000
)

// Check says whether n units may be used now: 0, or how long to wait if nobody
// else uses the budget meanwhile. More than the whole burst is taken for the
// whole.
func (l *Lease) Check(now weir.Instant, n int64) time.Duration {
	n = min(n, l.burst)
	l.wants(now, n)
	lost := l.lost(now)
	if lost {
		l.goOn(now)
		n = min(n, max(l.alone(), 1)) // one that exceeds what this gateway can ever have leaves a debt
	}
	if l.level >= n || l.credit > 0 && l.level >= 0 && l.level+l.credit >= n {
		return 0
	}
	l.missed = max(l.missed, n)
	l.hurry()
	return l.wait(now, n, lost)
}

// Take uses n units; Check has said that it may.
func (l *Lease) Take(n int64) {
	if l.level < n {
		l.credit = 0 // drawn on, until the next grant
		l.hurry()
	}
	l.use(n)
	if l.level < l.told.hold/2 {
		l.hurry()
	}
}

// More uses n units even where that leaves a debt.
func (l *Lease) More(n int64) { l.use(n) }

// Back gives n units back; below zero it uses them.
func (l *Lease) Back(n int64) { l.use(-n) }

func (l *Lease) use(n int64) {
	l.level = min(max(l.level-n, -maxLevel), maxLevel)
	l.during += n
	if l.form == Gauge {
		l.inUse += n
	} else {
		l.total += n
	}
	l.of.queue(l)
}

// wants notes what is asked for.
func (l *Lease) wants(now weir.Instant, n int64) {
	l.asked = min(l.asked+n, maxLevel)
	l.largest = max(l.largest, n)
	l.of.queue(l)
}

// lost says whether the keeper is silent.
func (l *Lease) lost(now weir.Instant) bool {
	return now.Sub(l.of.shards[l.shard].contact) > LostAfter
}

// goOn fills the lease by time, from when the keeper was last heard.
func (l *Lease) goOn(now weir.Instant) {
	if !l.told.granted {
		left := l.burst
		if l.told.known {
			left = l.told.level
		}
		l.told.granted, l.told.hold, l.told.part = true, min(max(left/int64(l.of.gateways), 1), max(left, 0)), 1_000_000/int64(l.of.gateways)
		l.level, l.at = l.level+l.told.hold, now
	}
	if l.form == Gauge {
		l.level = max(l.level, l.alone()-l.inUse)
	}
	elapsed := now.Sub(l.at)
	if l.form != Flow || elapsed <= 0 {
		return
	}
	l.at = now
	most := l.alone()
	if l.level >= most {
		return
	}
	hi, lo := bits.Mul64(uint64(l.rate*l.told.part), uint64(elapsed))
	lo, carry := bits.Add64(lo, l.frac, 0)
	hi += carry
	if hi >= partMinute {
		l.level, l.frac = most, 0
		return
	}
	units, frac := bits.Div64(hi, lo, partMinute)
	if units >= uint64(most-l.level) {
		l.level, l.frac = most, 0
		return
	}
	l.level, l.frac = l.level+int64(units), frac
}

// alone is the most this gateway may hold while the keeper is silent: its part
// of the burst, of which one unit at least.
func (l *Lease) alone() int64 {
	switch l.form {
	case Flow:
		return max(mulDiv(l.burst, l.told.part), 1)
	case Gauge:
		return max(l.told.hold, mulDiv(l.burst, l.told.part), 1)
	}
	return l.burst
}

// mulDiv is n times a number of millionths.
func mulDiv(n, millionths int64) int64 {
	hi, lo := bits.Mul64(uint64(n), uint64(millionths))
	q, _ := bits.Div64(hi, lo, 1_000_000)
	return int64(q)
}

// wait is when n units may be there.
func (l *Lease) wait(now weir.Instant, n int64, lost bool) time.Duration {
	const soon = between // when gateways will have said what they can spare
	if l.form != Flow {
		return soon
	}
	if lost {
		return max(l.refilled(n), soon)
	}
	rate := float64(l.rate)
	missing := float64(n-l.told.level) - rate*float64(now.Sub(l.told.at))/float64(time.Minute)
	d := math.Ceil(missing / rate * float64(time.Minute))
	if d >= math.MaxInt64 {
		return math.MaxInt64
	}
	return max(time.Duration(d), soon)
}

// refilled is when n units are there of a lease that goes on by itself, to the
// nanosecond.
func (l *Lease) refilled(n int64) time.Duration {
	hi, lo := bits.Mul64(uint64(max(n-l.level, 0)), partMinute)
	lo, borrow := bits.Sub64(lo, l.frac, 0)
	hi -= borrow
	speed := uint64(l.rate) * uint64(max(l.told.part, 1))
	if hi >= speed {
		return math.MaxInt64
	}
	d, rest := bits.Div64(hi, lo, speed)
	if rest > 0 {
		d++
	}
	return time.Duration(min(d, math.MaxInt64))
}

// need is how much this gateway should hold: what is likely to be asked for until
// the next visits, and the request that was refused.
func (l *Lease) need() int64 {
	need := int64(l.demand * lookAhead.Seconds())
	if l.demand >= 0.01 {
		need = max(need, min(l.largest, l.burst))
	}
	most := max(l.told.level/2, l.largest)
	if l.form == Flow {
		most = max(most, int64(float64(l.rate)*lookAhead.Minutes()))
	}
	need = min(need, most)
	if l.form != Gauge {
		return min(max(need, l.missed), l.burst)
	}
	// Held long: what is in use, and a few more.
	return min(l.inUse+max(min(need, 1+l.inUse/4), l.missed), l.burst)
}

// spare is how much it may hold as long as no gateway is short: an even part of half
// of what is left, so that the beginning of a burst need not ask.
func (l *Lease) spare(now weir.Instant) int64 {
	if l.pressed != 0 && now.Sub(l.pressed) < calm {
		return 0
	}
	left := l.burst
	if l.told.known {
		left = max(l.told.level, 0)
	}
	return left / int64(2*l.of.gateways)
}

// left is what the whole budget had left when last told, less what this gateway
// has used since; all of it where nobody has said.
func (l *Lease) left() int64 {
	if !l.told.known {
		return l.burst - l.total
	}
	return l.told.level - (l.total - l.since)
}

// free is what may be used now: what it holds, and the credit it was told. A
// Check for no more is let in.
func (l *Lease) free(now weir.Instant) int64 {
	if l.lost(now) {
		l.goOn(now)
	}
	if l.level < 0 {
		return l.level
	}
	return l.level + l.credit
}

// Part is the part of a flow's rate, in millionths, that this gateway goes on
// with should the keeper fall silent.
func (l *Lease) Part() int64 { return l.told.part }
