package limits

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"testing"
	"time"

	"weir"
	"weir/limits/redistest"
	"weir/meter"
)

// patient bounds waits that would hang; it measures nothing.
const patient = 20 * time.Second

func startRedis(t testing.TB, o redistest.Options) *redistest.Server {
	t.Helper()
	o.Dir = t.TempDir()
	s, err := redistest.Start(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Kill)
	return s
}

// member is one process that shares limits: its leases behind a lock, as in a
// gateway.
type member struct {
	shared *Shared
	mu     sync.Mutex
	ls     *meter.Leases
	stop   context.CancelFunc
	ended  chan struct{}
}

func now() weir.Instant { return weir.At(time.Now()) }

// newMember makes a member without visits of its own.
func newMember(t testing.TB, o Options) *member {
	t.Helper()
	m := &member{ls: meter.NewLeases(now(), 3)}
	o.Local = Local{Now: now, Leases: func(f func(*meter.Leases)) { m.mu.Lock(); defer m.mu.Unlock(); f(m.ls) }}
	o.Log = slog.New(slog.NewTextHandler(io.Discard, nil))
	var err error
	if m.shared, err = New(o); err != nil {
		t.Fatal(err)
	}
	return m
}

// join makes a member that runs until the test ends or leave or die is called.
func join(t testing.TB, o Options, keep func(*meter.Leases)) *member {
	t.Helper()
	m := newMember(t, o)
	keep(m.ls)
	ctx, cancel := context.WithCancel(context.Background())
	m.stop, m.ended = cancel, make(chan struct{})
	go func() { defer close(m.ended); m.shared.Run(ctx) }()
	t.Cleanup(m.leave)
	arrive, cancel := context.WithTimeout(t.Context(), patient)
	defer cancel()
	m.shared.Join(arrive)
	if arrive.Err() != nil {
		t.Fatalf("never joined: %+v", m.shared.Status())
	}
	return m
}

func (m *member) leave() { m.stop(); <-m.ended }

// use takes n units of a budget if they may be used.
func (m *member) use(l *meter.Lease, n int64) bool {
	m.mu.Lock()
	may := l.Check(now(), n) == 0
	if may {
		l.Take(n)
	}
	hungry := m.ls.Hungry()
	m.mu.Unlock()
	if hungry != 0 {
		m.shared.Wake(hungry)
	}
	return may
}

// outstanding sums the members' units of a budget.
func outstanding(name string, members ...*member) (sum int64) {
	for _, m := range members {
		m.mu.Lock()
		m.ls.Each(func(n string, held, _ int64) {
			if n == name {
				sum += held
			}
		})
		m.mu.Unlock()
	}
	return sum
}

// within polls until is holds: another process cannot signal us.
func within(t testing.TB, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patient); !is(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited %v in vain for %s", patient, what)
		}
	}
}

// window returns a budget of n units for a period that outlasts the test.
func window(n int64) func(*meter.Leases) *meter.Lease {
	return func(ls *meter.Leases) *meter.Lease {
		return ls.Keep("tenant=demo|tokens_per_day", meter.Window, 0, n, time.Hour)
	}
}

// three members share one budget.
func three(t testing.TB, o Options, keep func(*meter.Leases) *meter.Lease) (members []*member, leases []*meter.Lease) {
	t.Helper()
	for range 3 {
		var l *meter.Lease
		m := join(t, o, func(ls *meter.Leases) { l = keep(ls) })
		members, leases = append(members, m), append(leases, l)
	}
	within(t, "three gateways to know of each other", func() bool {
		for _, m := range members {
			if s := m.shared.Status(); s.Gateways != 3 || !s.Connected {
				return false
			}
		}
		return true
	})
	return members, leases
}

func describe(members []*member) string {
	s := ""
	for _, m := range members {
		s += fmt.Sprintf("%+v\n", m.shared.Status())
	}
	return s
}
