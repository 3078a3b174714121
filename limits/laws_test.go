package limits

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"weir/limits/redistest"
	"weir/meter"
)

// walker is a member whose visits are made by the test, one after the other.
type walker struct {
	*member
	k     *keeper
	lease *meter.Lease
}

func newWalker(t *testing.T, o Options, name string, form meter.Form, burst int64) *walker {
	w := &walker{member: newMember(t, o)}
	w.lease = w.ls.Keep(name, form, 0, burst, time.Hour)
	asks := 0
	for shard := 0; asks == 0; shard++ {
		asks = len(w.ls.Asks(now(), shard, nil, 1, false))
		w.k = newKeeper(w.shared, shard)
	}
	w.ls = meter.NewLeases(now(), 1) // the first visit's member is never heard of again
	w.lease = w.ls.Keep(name, form, 0, burst, time.Hour)
	return w
}

// visitUnheard visits and loses the answer.
func (w *walker) visitUnheard(ctx context.Context) error {
	w.k.asks = w.ls.Asks(now(), w.k.shard, w.k.asks[:0], maxAsks, false)
	_, err := w.k.exec(ctx, false)
	for _, a := range w.k.asks {
		w.ls.Unheard(a)
	}
	return err
}

// law is a budget, its gateways and their use.
type law struct {
	form    meter.Form
	burst   int64
	walkers []*walker
	held    []int64 // by walker, of what was used
	used    int64
}

const largest = 5 // units of one request

// step lets one of them act.
func (l *law) step(t *testing.T, rt *rapid.T) {
	i := rapid.IntRange(0, len(l.walkers)-1).Draw(rt, "who")
	w := l.walkers[i]
	switch rapid.SampledFrom([]string{"use", "use", "use", "back", "visit", "visit", "unheard", "late"}).Draw(rt, "does") {
	case "use":
		n := min(rapid.Int64Range(1, largest).Draw(rt, "units"), l.burst)
		if w.use(w.lease, n) {
			l.used += n
			l.held[i] += n
		}
	case "back":
		if n := rapid.Int64Range(0, l.held[i]).Draw(rt, "back"); n > 0 {
			l.back(i, n)
		}
	case "visit":
		w.k.visit(t.Context(), false, false)
	case "unheard":
		if err := w.visitUnheard(t.Context()); err != nil {
			rt.Fatal(err)
		}
	case "late":
		if w.k.number == 0 {
			return
		}
		w.k.number--
		w.k.asks = w.k.asks[:0]
		if _, err := w.k.exec(t.Context(), false); !errors.Is(err, errStale) {
			rt.Fatalf("a visit made again: %v, want %v", err, errStale)
		}
	}
}

func (l *law) back(i int, n int64) {
	l.walkers[i].lease.Back(n)
	l.held[i] -= n
	l.used -= n
}

func (l *law) check(rt *rapid.T) {
	if bound := l.burst + int64(len(l.walkers))*min(largest, l.burst); l.used > bound {
		rt.Fatalf("%d used of %d by %d gateways", l.used, l.burst, len(l.walkers))
	}
}

// useUp lets all except the first leave, and the first use the rest.
func (l *law) useUp(t *testing.T, rt *rapid.T) {
	for i, w := range l.walkers[1:] {
		if l.form == meter.Gauge { // it leaves when no request is in flight
			l.back(i+1, l.held[i+1])
		}
		w.k.leave(t.Context())
	}
	last := l.walkers[0]
	for range 1000 {
		if l.used >= l.burst {
			return
		}
		if last.use(last.lease, 1) {
			l.used++
		}
		last.k.visit(t.Context(), false, false)
	}
	rt.Fatalf("%d used of %d, and the rest is not to be had at the gateway that is left: %+v", l.used, l.burst, last.lease)
}

// Gateways use, give back, visit, lose answers, come late and leave in any
// order. The use of a budget, total or at once, is never more than all of it
// plus one request of each gateway, and the last gateway can use the rest.
func TestLeasesNeverAddUpToMoreThanTheBudgetAndOneRequestOfEach(t *testing.T) {
	redis := startRedis(t, redistest.Options{})
	round := 0
	rapid.Check(t, func(rt *rapid.T) {
		round++
		l := &law{
			burst: rapid.Int64Range(1, 120).Draw(rt, "burst"),
			form:  rapid.SampledFrom([]meter.Form{meter.Window, meter.Gauge}).Draw(rt, "form"),
			held:  make([]int64, 3),
		}
		o := Options{Addrs: []string{redis.Addr}, Prefix: fmt.Sprint("law", round), Lease: time.Minute}
		for range 3 {
			w := newWalker(t, o, "budget", l.form, l.burst)
			l.walkers = append(l.walkers, w)
			defer func() {
				if w.shared.client != nil {
					w.shared.client.Close()
				}
			}()
		}
		for range rapid.IntRange(1, 60).Draw(rt, "steps") {
			l.step(t, rt)
			l.check(rt)
		}
		l.useUp(t, rt)
		l.check(rt)
	})
}
