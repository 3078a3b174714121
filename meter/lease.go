package meter

import (
	"math"
	"math/bits"
	"time"

	"weir"
)

// Lease is one gateway's part of a budget that several gateways share: units it
// may use by itself. The keeper of the whole budget (package limits: a Redis)
// grants it more, or takes back unneeded units, but never those that a request
// under way has taken.
//
// There are three forms of budgets. A flow refills, units a minute up to a
// burst. A window is a number of units for a calendar period. A gauge is the
// number that may be in use at once; returned units can be used again.
//
// A lease is never worth more than the rest of the whole budget when it was
// granted. All leases of a budget together therefore never exceed it. Beyond
// its lease a gateway may overdraw by one request between two grants, up to the
// granted credit: the units in no lease. Thus a budget too small to divide,
// such as one request a minute among three gateways, is still used in full.
//
// When its keeper is silent for LostAfter, a lease continues by itself: that of
// a flow refills at its last granted part of the rate; that of a window or a
// gauge lasts until it is used up.
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
	gone   bool // dropped, and confirmed by the keeper
	queued bool // among Leases.busy
	asking bool

	level int64 // units that may be used; below zero overdrawn
	frac  uint64
	at    weir.Instant // time to which level is filled
	total int64        // used since the start, less returned units
	since int64        // total confirmed by the keeper
	inUse int64        // of a gauge

	reported reported
	credit   int64 // 0 after it was used

	// Demand of callers, for the next ask.
	asked   int64 // units since the last visit, refused ones included
	largest int64 // the largest recent request
	missed  int64 // the largest one refused since the last visit
	demand  float64
	visited weir.Instant // start of the last visit
	during  int64        // used during the last visit
	offered int64        // offered back in the current visit, unusable meanwhile
	yields  bool         // gives way to a gateway that is short, at the next visit
	pressed weir.Instant // when a gateway was short of this budget
}

// reported is the keeper's last report of a budget.
type reported struct {
	known   bool // level is known, from the keeper or a ledger
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
	// lookAhead is how long a lease should last at the present demand.
	lookAhead = 400 * time.Millisecond
	// between is the time between visits for one budget; less when its lease
	// runs out.
	between = 100 * time.Millisecond
	// calm is how long leases stay at the bare need after a gateway was short.
	calm = time.Second
	// forgets is the time constant of the demand.
	forgets = 500 * time.Millisecond
	// remembered is how often the keeper is asked about an unused lease, well
	// before it forgets the budget.
	remembered = 10 * time.Minute
	// partMinute is a minute in nanoseconds times a million: parts are in
	// millionths.
	partMinute = uint64(time.Minute) * 1_000_000
)

// Check says whether n units may be used now: 0, or the wait if no other user
// takes from the budget meanwhile. More than the whole burst counts as the
// whole.
func (l *Lease) Check(now weir.Instant, n int64) time.Duration {
	n = min(n, l.burst)
	l.wants(now, n)
	lost := l.lost(now)
	if lost {
		l.goOn(now)
		n = min(n, max(l.alone(), 1)) // a request larger than this gateway's part leaves a debt
	}
	if l.level >= n || l.credit > 0 && l.level >= 0 && l.level+l.credit >= n {
		return 0
	}
	l.missed = max(l.missed, n)
	l.hurry()
	return l.wait(now, n, lost)
}

// Take uses n units; Check has allowed it.
func (l *Lease) Take(n int64) {
	if l.level < n {
		l.credit = 0 // used, until the next grant
		l.hurry()
	}
	l.use(n)
	if l.level < l.reported.hold/2 {
		l.hurry()
	}
}

// More uses n units, even into debt.
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

// wants notes the demand.
func (l *Lease) wants(now weir.Instant, n int64) {
	l.asked = min(l.asked+n, maxLevel)
	l.largest = max(l.largest, n)
	l.of.queue(l)
}

// lost says whether the keeper is silent.
func (l *Lease) lost(now weir.Instant) bool {
	return now.Sub(l.of.shards[l.shard].contact) > LostAfter
}

// goOn refills the lease over time, from the keeper's last contact.
func (l *Lease) goOn(now weir.Instant) {
	if !l.reported.granted {
		left := l.burst
		if l.reported.known {
			left = l.reported.level
		}
		l.reported.granted, l.reported.hold, l.reported.part = true, min(max(left/int64(l.of.gateways), 1), max(left, 0)), 1_000_000/int64(l.of.gateways)
		l.level, l.at = l.level+l.reported.hold, now
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
	hi, lo := bits.Mul64(uint64(l.rate*l.reported.part), uint64(elapsed))
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

// alone returns the most this gateway may hold while the keeper is silent: its
// part of the burst, at least one unit.
func (l *Lease) alone() int64 {
	switch l.form {
	case Flow:
		return max(mulDiv(l.burst, l.reported.part), 1)
	case Gauge:
		return max(l.reported.hold, mulDiv(l.burst, l.reported.part), 1)
	}
	return l.burst
}

// mulDiv returns n times a number of millionths.
func mulDiv(n, millionths int64) int64 {
	hi, lo := bits.Mul64(uint64(n), uint64(millionths))
	q, _ := bits.Div64(hi, lo, 1_000_000)
	return int64(q)
}

// wait estimates the time until n units may be there.
func (l *Lease) wait(now weir.Instant, n int64, lost bool) time.Duration {
	const soon = between // by then gateways have offered their spare units
	if l.form != Flow {
		return soon
	}
	if lost {
		return max(l.refilled(n), soon)
	}
	rate := float64(l.rate)
	missing := float64(n-l.reported.level) - rate*float64(now.Sub(l.reported.at))/float64(time.Minute)
	d := math.Ceil(missing / rate * float64(time.Minute))
	if d >= math.MaxInt64 {
		return math.MaxInt64
	}
	return max(time.Duration(d), soon)
}

// refilled returns when a lease without a keeper has n units, to the
// nanosecond.
func (l *Lease) refilled(n int64) time.Duration {
	hi, lo := bits.Mul64(uint64(max(n-l.level, 0)), partMinute)
	lo, borrow := bits.Sub64(lo, l.frac, 0)
	hi -= borrow
	speed := uint64(l.rate) * uint64(max(l.reported.part, 1))
	if hi >= speed {
		return math.MaxInt64
	}
	d, rest := bits.Div64(hi, lo, speed)
	if rest > 0 {
		d++
	}
	return time.Duration(min(d, math.MaxInt64))
}

// need returns how much this gateway should hold: the likely demand until the
// next visits, and the refused request.
func (l *Lease) need() int64 {
	need := int64(l.demand * lookAhead.Seconds())
	if l.demand >= 0.01 {
		need = max(need, min(l.largest, l.burst))
	}
	most := max(l.reported.level/2, l.largest)
	if l.form == Flow {
		most = max(most, int64(float64(l.rate)*lookAhead.Minutes()))
	}
	need = min(need, most)
	if l.form != Gauge {
		return min(max(need, l.missed), l.burst)
	}
	// Units of a gauge are held long: those in use, and a few more.
	return min(l.inUse+max(min(need, 1+l.inUse/4), l.missed), l.burst)
}

// spare returns how much it may hold while no gateway is short: an even part of
// half of the rest. The start of a burst then needs no visit.
func (l *Lease) spare(now weir.Instant) int64 {
	if l.pressed != 0 && now.Sub(l.pressed) < calm {
		return 0
	}
	left := l.burst
	if l.reported.known {
		left = max(l.reported.level, 0)
	}
	return left / int64(2*l.of.gateways)
}

// left returns the rest of the whole budget at the last report, less this
// gateway's use since; all of it if there was no report.
func (l *Lease) left() int64 {
	if !l.reported.known {
		return l.burst - l.total
	}
	return l.reported.level - (l.total - l.since)
}

// free returns the units that may be used now: the lease and the credit. A
// Check for no more succeeds.
func (l *Lease) free(now weir.Instant) int64 {
	if l.lost(now) {
		l.goOn(now)
	}
	if l.level < 0 {
		return l.level
	}
	return l.level + l.credit
}

// Part is the part of a flow's rate, in millionths, at which this gateway
// continues if the keeper falls silent.
func (l *Lease) Part() int64 { return l.reported.part }
