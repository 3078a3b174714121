package mem_test

import (
	"context"
	"fmt"
	"reflect"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"weir"
	"weir/fleet/fleettest"
	"weir/fleet/mem"
)

const start = weir.Instant(1_700_000_000_000_000_000)

// place is a mem fleet with an owner: a lock, a clock that jumps from event to
// event, and the set of busy replicas.
type place struct {
	sync.Mutex
	*mem.Fleet
	now  weir.Instant
	busy map[string]bool
}

func (p *place) Status(ctx context.Context, name string) ([]weir.Replica, error) {
	p.Lock()
	defer p.Unlock()
	return p.Fleet.Status(ctx, name)
}

func (p *place) Scale(ctx context.Context, name string, want int, victims []string) error {
	p.Lock()
	defer p.Unlock()
	return p.Fleet.Scale(ctx, name, want, victims)
}

// turn lets one thing happen: idle draining replicas end, else time passes to
// the next event.
func (p *place) turn() {
	p.Lock()
	defer p.Unlock()
	rs, _ := p.Fleet.Status(context.Background(), "m")
	for _, r := range rs {
		if r.State == weir.Draining && !p.busy[r.ID] {
			p.Drained("m", r.ID)
			return
		}
	}
	p.now = max(p.now.Add(time.Second), p.Next())
	p.Advance(p.now)
}

func TestMemIsAnActuator(t *testing.T) { isAnActuator(t, false) }

// A managed endpoint is one address with units behind it.
func TestMemIsAnActuatorOfUnitsBehindOneAddress(t *testing.T) { isAnActuator(t, true) }

func isAnActuator(t *testing.T, oneAddress bool) {
	fleettest.Run(t, func(t *testing.T) fleettest.Harness {
		p := &place{
			Fleet: mem.New(start, 1, mem.Deployment{Name: "m", ColdStart: time.Minute, Sigma: 0.3, Quota: 6, OneAddress: oneAddress}),
			now:   start, busy: map[string]bool{},
		}
		return fleettest.Harness{
			Actuator: p, Deployment: "m", Capacity: 6, OneAddress: oneAddress,
			Settle: func(done func() bool) bool {
				for end := p.now.Add(time.Hour); p.now < end; p.turn() {
					if done() {
						return true
					}
				}
				return false
			},
			Hold: func(id string, busy bool) { p.busy[id] = busy },
			Fail: func(id string) {
				if oneAddress {
					id = "m-1" // one of the units
				}
				p.Fail("m", id, "killed by the test")
			},
		}
	})
}

func status(f *mem.Fleet) []weir.Replica {
	rs, err := f.Status(context.Background(), "m")
	if err != nil {
		panic(err)
	}
	return rs
}

func scale(f *mem.Fleet, want int, victims ...string) error {
	return f.Scale(context.Background(), "m", want, victims)
}

func count(f *mem.Fleet, state weir.ReplicaState) int {
	n := 0
	for _, r := range status(f) {
		if r.State == state {
			n++
		}
	}
	return n
}

func TestColdStartsFollowTheDistribution(t *testing.T) {
	f := mem.New(start, 7, mem.Deployment{Name: "m", ColdStart: 100 * time.Second, Sigma: 0.3})
	const n = 2000
	if err := scale(f, n); err != nil {
		t.Fatal(err)
	}
	f.Advance(start.Add(100 * time.Second))
	if ready := count(f, weir.Ready); ready < n*45/100 || ready > n*55/100 {
		t.Errorf("%d of %d ready at the median", ready, n)
	}
	// One standard deviation of the logarithm above it: 84 %.
	f.Advance(start.Add(135 * time.Second))
	if ready := count(f, weir.Ready); ready < n*81/100 || ready > n*87/100 {
		t.Errorf("%d of %d ready at e^0.3 medians", ready, n)
	}
}

func TestStartFailuresHappenAtTheirRateAndAreNotCounted(t *testing.T) {
	f := mem.New(start, 3, mem.Deployment{Name: "m", ColdStart: time.Minute, StartFailure: 0.2})
	if err := scale(f, 1000); err != nil {
		t.Fatal(err)
	}
	f.Advance(start.Add(time.Minute))
	failed := f.Used("m").Failed
	if failed < 160 || failed > 240 {
		t.Errorf("%d of 1000 starts failed, want about 200", failed)
	}
	if shown := count(f, weir.Failed); shown != 16 {
		t.Errorf("%d failed replicas in status, want the last 16", shown)
	}
	if err := scale(f, 1000); err != nil {
		t.Fatal(err)
	}
	if have := count(f, weir.Ready) + count(f, weir.Starting); have != 1000 {
		t.Errorf("%d start or serve after asking again, want 1000", have)
	}
	f.Advance(start.Add(7 * time.Minute))
	if shown := count(f, weir.Failed); shown != 16 {
		t.Errorf("%d failed replicas shown, want those of the second round", shown)
	}
	f.Advance(start.Add(20 * time.Minute))
	if shown := count(f, weir.Failed); shown != 0 {
		t.Errorf("%d failed replicas are shown for ever", shown)
	}
}

func TestALostNodeTakesItsReplicasWithIt(t *testing.T) {
	f := mem.New(start, 1, mem.Deployment{Name: "m", ColdStart: time.Minute, PerNode: 2})
	if err := scale(f, 5); err != nil {
		t.Fatal(err)
	}
	f.Advance(start.Add(time.Minute))
	f.LoseNode("m", 1)
	var failed []string
	for _, r := range status(f) {
		if r.State == weir.Failed {
			failed = append(failed, r.ID+": "+r.Detail)
		}
	}
	want := []string{"m-3: node 1 was lost", "m-4: node 1 was lost"}
	if !reflect.DeepEqual(failed, want) {
		t.Errorf("failed %q, want %q", failed, want)
	}
}

func TestCostRunsFromAskedForToReleased(t *testing.T) {
	f := mem.New(start, 1, mem.Deployment{Name: "m", ColdStart: time.Minute})
	step := func(minutes int) { f.Advance(start.Add(time.Duration(minutes) * time.Minute)) }
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(scale(f, 2))
	step(1) // both ready
	step(5)
	must(scale(f, 1, "m-2")) // drains from 5
	step(6)
	must(scale(f, 2)) // taken back at 6
	step(8)
	must(scale(f, 1, "m-2"))
	step(10)
	f.Drained("m", "m-2") // gone at 10
	must(scale(f, 2))
	step(10)
	must(scale(f, 1, "m-3")) // given up while starting, at once
	step(20)
	want := mem.Usage{
		Allocated: 30 * time.Minute, Starting: 2 * time.Minute, Draining: 3 * time.Minute,
		Asked: 3, TakenBack: 1,
	}
	if have := f.Used("m"); have != want {
		t.Errorf("used %+v, want %+v", have, want)
	}
}

func TestADrainEndsAtItsDeadline(t *testing.T) {
	f := mem.New(start, 1, mem.Deployment{Name: "m", ColdStart: time.Minute, DrainDeadline: 2 * time.Minute})
	if err := scale(f, 1); err != nil {
		t.Fatal(err)
	}
	f.Advance(start.Add(time.Minute))
	if err := scale(f, 0); err != nil {
		t.Fatal(err)
	}
	if want := start.Add(3 * time.Minute); f.Next() != want {
		t.Fatalf("next is %d, want %d", f.Next(), want)
	}
	f.Advance(f.Next())
	if rs := status(f); len(rs) != 0 || f.Next() != 0 {
		t.Errorf("left %v, next %d", rs, f.Next())
	}
}

func TestAStockOutGivesNothingAndTakesBackWhatDrains(t *testing.T) {
	f := mem.New(start, 1, mem.Deployment{Name: "m", ColdStart: time.Minute})
	if err := scale(f, 2); err != nil {
		t.Fatal(err)
	}
	f.Advance(start.Add(time.Minute))
	f.SetStockOut("m", true)
	if err := scale(f, 1); err != nil {
		t.Fatal(err)
	}
	if err := scale(f, 3); err == nil {
		t.Error("gave more than there is")
	}
	if n := count(f, weir.Ready); n != 2 {
		t.Errorf("%d ready, want the draining one back", n)
	}
}

// TestLaws drives a fleet at random and checks its invariants.
func TestLaws(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := mem.Deployment{
			Name: "m", ColdStart: time.Minute, Sigma: 0.5, StartFailure: 0.1, SlowStart: 0.1, PerNode: 3,
			Quota: rapid.IntRange(0, 8).Draw(t, "quota"),
		}
		seed := rapid.Uint64().Draw(t, "seed")
		a, b := mem.New(start, seed, d), mem.New(start, seed, d)
		now := start
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			now = now.Add(time.Duration(rapid.IntRange(0, 90).Draw(t, "seconds")) * time.Second)
			want := rapid.IntRange(0, 10).Draw(t, "want")
			lose := rapid.IntRange(0, 12).Draw(t, "lose")
			for _, f := range []*mem.Fleet{a, b} {
				version := f.Version("m")
				before := fmt.Sprint(status(f))
				f.Advance(now)
				f.LoseNode("m", lose)
				err := scale(f, want)
				if changed := fmt.Sprint(status(f)) != before; changed && f.Version("m") == version {
					t.Fatal("status changed and the version did not")
				}
				have := count(f, weir.Starting) + count(f, weir.Ready)
				if err == nil && have != want {
					t.Fatalf("asked for %d, have %d, and no error", want, have)
				}
				if all := have + count(f, weir.Draining); d.Quota > 0 && all > d.Quota {
					t.Fatalf("%d replicas beyond the quota of %d", all, d.Quota)
				}
				if next := f.Next(); next != 0 && next <= now {
					t.Fatalf("something was due at %d and did not happen by %d", next, now)
				}
			}
			if !reflect.DeepEqual(status(a), status(b)) || a.Used("m") != b.Used("m") {
				t.Fatal("the same seed and calls gave two histories")
			}
		}
	})
}

// BenchmarkTick is one control tick of a simulation: nothing due, one status.
func BenchmarkTick(b *testing.B) {
	f := mem.New(start, 1, mem.Deployment{Name: "m", ColdStart: time.Minute})
	if err := scale(f, 30); err != nil {
		b.Fatal(err)
	}
	now := start
	b.ReportAllocs()
	for b.Loop() {
		now = now.Add(2 * time.Second)
		f.Advance(now)
		status(f)
	}
}
