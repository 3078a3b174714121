package meter

import (
	"math"
	"math/bits"
	"time"

	"weir"
)

// minute in nanoseconds, the period of rates.
const minute = uint64(time.Minute)

// maxLevel bounds bursts and debts. Their sums stay inside an int64.
const maxLevel = 1 << 60

// maxLows bounds a bucket's memory of its free room.
const maxLows = 64

// bucket is a token bucket with exact arithmetic. It holds whole units and the
// remainder in 1/minute-nanoseconds of a unit: n refills of one nanosecond add
// up to one refill of n.
//
// Units can be given back (a reservation settled below its estimate). A naive
// refund breaks the bucket's promise, never more than burst + rate x time in
// any window: a bucket that has refilled to the brim since the reservation
// would hand out the same units twice. Therefore a refund never raises the
// bucket above its level had the smaller amount been taken in the first place.
// The refund is limited to the smallest free room (burst - level) since the
// taking. lows remembers those minima for all takings at once.
type bucket struct {
	rate  int64 // units per minute; 0: no limit, everything below unused
	burst int64
	level int64  // units that may be taken now; below zero a debt
	frac  uint64 // of a unit, in 1/minute-nanoseconds
	at    weir.Instant

	next  ticket // the next taking
	takes int    // takings not settled
	lows  []low  // ascending in both fields
}

// ticket numbers the takings of one bucket in order.
type ticket uint64

// low says: since the takings from first on (up to the next low's), the free
// room was once as small as room.
type low struct {
	first ticket
	room  int64
}

func (b *bucket) configure(now weir.Instant, rate, burst int64) {
	if rate <= 0 {
		*b = bucket{next: b.next, takes: b.takes}
		return
	}
	if b.rate == 0 {
		*b = bucket{rate: rate, burst: burst, level: burst, at: now, next: b.next, takes: b.takes}
		return
	}
	b.refill(now)
	b.rate, b.burst = rate, burst
	if b.level >= burst {
		b.level, b.frac = burst, 0
	}
	b.lower()
}

// refill advances the level to now.
func (b *bucket) refill(now weir.Instant) {
	elapsed := now - b.at
	if elapsed <= 0 {
		return
	}
	b.at = now
	if b.level >= b.burst {
		return
	}
	hi, lo := bits.Mul64(uint64(b.rate), uint64(elapsed))
	lo, carry := bits.Add64(lo, b.frac, 0)
	hi += carry
	if hi >= minute {
		b.level, b.frac = b.burst, 0
		b.lower()
		return
	}
	units, frac := bits.Div64(hi, lo, minute)
	if units >= uint64(b.burst-b.level) {
		b.level, b.frac = b.burst, 0
	} else {
		b.level, b.frac = b.level+int64(units), frac
	}
	b.lower()
}

// wait returns how long it takes until n units may be taken if no others are
// taken meanwhile; 0 when they may be taken now. n must not exceed the burst.
func (b *bucket) wait(now weir.Instant, n int64) time.Duration {
	b.refill(now)
	if b.level >= n {
		return 0
	}
	hi, lo := bits.Mul64(uint64(n-b.level), minute)
	lo, borrow := bits.Sub64(lo, b.frac, 0)
	hi -= borrow
	if hi >= uint64(b.rate) {
		return math.MaxInt64
	}
	d, rest := bits.Div64(hi, lo, uint64(b.rate))
	if rest > 0 {
		d++
	}
	return time.Duration(min(d, math.MaxInt64))
}

// take takes n units; the caller has checked that wait is 0.
func (b *bucket) take(n int64) ticket {
	t := b.next
	b.next++
	b.takes++
	if b.rate > 0 {
		b.level -= n
		b.remember(t, b.room())
	}
	return t
}

// more takes n units for an open taking, even into debt, and returns the ticket
// for giving them back.
func (b *bucket) more(now weir.Instant, n int64) ticket {
	t := b.next
	b.next++
	if b.rate > 0 {
		b.refill(now)
		b.level = max(b.level-n, -maxLevel)
		b.remember(t, b.room())
	}
	return t
}

// giveBack returns units taken by more.
func (b *bucket) giveBack(now weir.Instant, t ticket, n int64) {
	if b.rate > 0 && n > 0 {
		b.refill(now)
		b.refund(t, n)
	}
}

// settle closes a taking. A positive back is refunded as far as the promise
// allows; a negative one is taken in addition.
func (b *bucket) settle(now weir.Instant, t ticket, back int64) {
	b.takes--
	if b.rate == 0 {
		return
	}
	b.refill(now)
	if back < 0 {
		b.level = max(b.level+back, -maxLevel)
	} else if back > 0 {
		b.refund(t, back)
	}
	if b.takes == 0 {
		b.lows = b.lows[:0]
	}
}

func (b *bucket) refund(t ticket, back int64) {
	i := b.since(t)
	if i < 0 {
		return
	}
	back = min(back, b.lows[i].room)
	b.level += back
	// After the refund less was taken: the bucket has had that much more ever
	// since.
	for j := i; j < len(b.lows); j++ {
		b.lows[j].room -= back
	}
	for i > 0 && b.lows[i-1].room >= b.lows[i].room {
		b.lows[i-1].room = b.lows[i].room
		b.lows = append(b.lows[:i], b.lows[i+1:]...)
		i--
	}
	b.lower()
}

// room returns the whole units missing to the burst.
func (b *bucket) room() int64 {
	room := b.burst - b.level
	if b.frac > 0 {
		room--
	}
	return room
}

// since returns the index of the low for a taking, -1 if the taking is older
// than all.
func (b *bucket) since(t ticket) int {
	from, to := 0, len(b.lows)
	for from < to {
		mid := int(uint(from+to) >> 1)
		if b.lows[mid].first <= t {
			from = mid + 1
		} else {
			to = mid
		}
	}
	return from - 1
}

// remember starts a low for the taking t, which left that much room.
func (b *bucket) remember(t ticket, room int64) {
	if n := len(b.lows); n > 0 && b.lows[n-1].room >= room {
		return
	}
	if len(b.lows) == maxLows {
		// Forget every second one: its takings fall to the smaller room before
		// it, which gives back less, never more.
		for i := 0; i < maxLows/2; i++ {
			b.lows[i] = b.lows[2*i]
		}
		b.lows = b.lows[:maxLows/2]
	}
	b.lows = append(b.lows, low{t, room})
}

// lower notes the present room if it is a new minimum.
func (b *bucket) lower() {
	room := b.room()
	n := len(b.lows)
	if n == 0 || b.lows[n-1].room <= room {
		return
	}
	for n > 1 && b.lows[n-2].room >= room {
		n--
	}
	b.lows = b.lows[:n]
	b.lows[n-1].room = room
}
