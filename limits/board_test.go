package limits

import (
	"context"
	"io"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"weir"
	"weir/limits/redistest"
	"weir/meter"
)

// teller is a process that sends data and records what it receives.
type teller struct {
	*Shared
	mu     sync.Mutex
	until  map[string]weir.Instant // by deployment and replica
	heard  []meter.Answer
	tells  []meter.Answer
	quota  Quota
	booked Quota
}

func tell(t *testing.T, o Options) *teller {
	t.Helper()
	w := &teller{until: map[string]weir.Instant{}}
	ls := meter.NewLeases(now(), 1)
	locked := func(f func()) { w.mu.Lock(); defer w.mu.Unlock(); f() }
	o.Log = slog.New(slog.NewTextHandler(io.Discard, nil))
	o.Local = Local{
		Now: now, Leases: func(f func(*meter.Leases)) { locked(func() { f(ls) }) },
		Throttle: func(d, r string, until weir.Instant) { locked(func() { w.until[d+" "+r] = until }) },
		Answers:  func() (a []meter.Answer) { locked(func() { a, w.tells = w.tells, nil }); return a },
		Learn:    func(a []meter.Answer) { locked(func() { w.heard = append(w.heard, a...) }) },
		Booked:   func() (q []Quota) { locked(func() { q = append(q, w.quota) }); return q },
		Book: func(q Quota) {
			locked(func() {
				w.booked = Quota{q.Deployment, w.booked.Drain + q.Drain, w.booked.Tokens + q.Tokens, w.booked.Requests + q.Requests}
			})
		},
	}
	var err error
	if w.Shared, err = New(o); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() { defer close(ended); w.Run(ctx) }()
	t.Cleanup(func() { stop(); <-ended })
	return w
}

func (w *teller) is(f func() bool) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return f()
}

func TestGatewaysHearUntilWhenAProviderRefusesAndTheLongestHolds(t *testing.T) {
	o := at(startRedis(t, redistest.Options{}))
	a, b := tell(t, o), tell(t, o)
	long := now().Add(time.Hour)
	a.Throttled("m/ptu", "0", long)
	b.Throttled("m/ptu", "0", now().Add(time.Minute))
	near := func(w *teller) func() bool {
		return func() bool { d := w.until["m/ptu 0"].Sub(long); return d > -time.Second && d < time.Second }
	}
	within(t, "the other to hear the longer time", func() bool { return b.is(near(b)) })
	within(t, "it to be there for one that starts later", func() bool { c := tell(t, o); return wait(c, near(c)) })
	if a.is(func() bool { return len(a.until) > 0 }) {
		t.Error("it heard a shorter time than its own")
	}
}

// wait gives w a few turns.
func wait(w *teller, is func() bool) bool {
	for range 100 {
		if w.is(is) {
			return true
		}
		time.Sleep(20 * time.Millisecond)
	}
	return false
}

func TestGatewaysLearnFromEachOthersAnswersAndNotFromTheirOwn(t *testing.T) {
	o := at(startRedis(t, redistest.Options{}))
	a, b := tell(t, o), tell(t, o)
	said := []meter.Answer{{Tenant: "x", Model: "m", Tokens: 40}, {Tenant: "x", Model: "m", Tokens: 50}, {Tenant: "y", Model: "n", Tokens: 7}}
	a.mu.Lock()
	a.tells = said
	a.mu.Unlock()
	within(t, "the other to learn", func() bool { return b.is(func() bool { return slices.Equal(b.heard, said) }) })
	c := tell(t, o)
	within(t, "one that starts later to learn", func() bool { return c.is(func() bool { return slices.Equal(c.heard, said) }) })
	if a.is(func() bool { return a.heard != nil }) {
		t.Error("it learned from itself")
	}
}

func TestGatewaysBookWhatOthersHaveBooked(t *testing.T) {
	o := at(startRedis(t, redistest.Options{}))
	a, b := tell(t, o), tell(t, o)
	set := func(q Quota) { a.mu.Lock(); a.quota = q; a.mu.Unlock() }
	set(Quota{"m/ptu", time.Second, 100, 1})
	within(t, "the first total to be seen", func() bool {
		// Nothing is booked for the first report: it may be old. A change shows
		// that it was seen.
		set(Quota{"m/ptu", a.quota.Drain + time.Second, a.quota.Tokens + 100, a.quota.Requests + 1})
		time.Sleep(heartbeat)
		return b.is(func() bool { return b.booked.Requests > 0 })
	})
	total := a.quota
	var before Quota
	within(t, "all of it to be booked", func() bool {
		quiet := b.is(func() bool { same := b.booked == before; before = b.booked; return same })
		time.Sleep(2 * heartbeat)
		return quiet
	})
	set(Quota{"m/ptu", total.Drain - 500*time.Millisecond, total.Tokens + 10, total.Requests + 1})
	want := Quota{"m/ptu", before.Drain - 500*time.Millisecond, before.Tokens + 10, before.Requests + 1}
	within(t, "a correction downwards", func() bool { return b.is(func() bool { return b.booked == want }) })
	if a.is(func() bool { return a.booked.Requests != 0 }) {
		t.Error("it booked its own twice")
	}
}
