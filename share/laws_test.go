package share

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"weir/meter"
	"weir/share/redistest"
)

// walker is a member whose visits the test makes itself, one after the other.
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
		w.k = newKeeper(w.share, shard)
	}
	w.ls = meter.NewLeases(now(), 1) // the one found out by asking is not heard of any more
	w.lease = w.ls.Keep(name, form, 0, burst, time.Hour)
	return w
}

// visitUnheard visits and does not hear the answer.
func (w *walker) visitUnheard(ctx context.Context) error {
	w.k.asks = w.ls.Asks(now(), w.k.shard, w.k.asks[:0], maxAsks, false)
	_, err := w.k.exec(ctx, false)
	for _, a := range w.k.asks {
		w.ls.Unheard(a)
	}
	return err
}

// However gateways use, visit, go unheard, come late, leave and are killed: what
// is used of a budget, or is in use at once, is not more than all of it and one
// request of each gateway; and the last one there can use what is left.
func TestLeasesNeverAddUpToMoreThanTheBudgetAndOneRequestOfEach(t *testing.T) {
	redis := startRedis(t, redistest.Options{})
	round := 0
	rapid.Check(t, func(rt *rapid.T) {
		round++
		const largest = 5
		burst := rapid.Int64Range(1, 120).Draw(rt, "burst")
		form := rapid.SampledFrom([]meter.Form{meter.Window, meter.Gauge}).Draw(rt, "form")
		o := Options{Addrs: []string{redis.Addr}, Prefix: fmt.Sprint("law", round), Lease: time.Minute}
		newOne := func() *walker { return newWalker(t, o, "budget", form, burst) }
		walkers := []*walker{newOne(), newOne(), newOne()}
		defer func() {
			for _, w := range walkers {
				if w.share.client != nil {
					w.share.client.Close()
				}
			}
		}()
		used, gateways := int64(0), len(walkers)
		held := make([]int64, len(walkers))
		check := func() {
			if bound := burst + int64(gateways)*min(largest, burst); used > bound {
				rt.Fatalf("%d used of %d by %d gateways", used, burst, gateways)
			}
		}
		for range rapid.IntRange(1, 60).Draw(rt, "steps") {
			i := rapid.IntRange(0, len(walkers)-1).Draw(rt, "who")
			w := walkers[i]
			switch rapid.SampledFrom([]string{"use", "use", "use", "back", "visit", "visit", "unheard", "late"}).Draw(rt, "does") {
			case "use":
				n := min(rapid.Int64Range(1, largest).Draw(rt, "units"), burst)
				if w.use(w.lease, n) {
					used += n
					held[i] += n
				}
			case "back":
				if n := rapid.Int64Range(0, held[i]).Draw(rt, "back"); n > 0 {
					w.lease.Back(n)
					held[i] -= n
					used -= n
				}
			case "visit":
				w.k.visit(t.Context(), false, false)
			case "unheard":
				if err := w.visitUnheard(t.Context()); err != nil {
					rt.Fatal(err)
				}
			case "late":
				if w.k.number > 0 {
					w.k.number--
					w.k.asks = w.k.asks[:0]
					if _, err := w.k.exec(t.Context(), false); !errors.Is(err, errStale) {
						rt.Fatalf("a visit made again: %v, want %v", err, errStale)
					}
				}
			}
			check()
		}
		for i, w := range walkers[1:] {
			if form == meter.Gauge { // it leaves when nothing is in flight any more
				w.lease.Back(held[i+1])
				used -= held[i+1]
			}
			w.k.leave(t.Context())
		}
		last, tries := walkers[0], 0
		for ; used < burst && tries < 1000; tries++ {
			if last.use(last.lease, 1) {
				used++
			}
			last.k.visit(t.Context(), false, false)
		}
		if used < burst {
			rt.Fatalf("%d used of %d, and the rest is not to be had at the gateway that is left: %+v", used, burst, last.lease)
		}
		check()
	})
}
