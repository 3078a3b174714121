package sim

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"weir/fleet/mem"
	"weir/scale"
	"weir/trace"
)

func TestEveryMissHasOneCause(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r, err := Run(t.Context(), drawConfig(t))
		if err != nil {
			t.Fatal(err)
		}
		var missed uint64
		for _, m := range r.Misses {
			var within uint64
			for i, s := range m.Spans {
				within += s.Count
				if s.From >= s.To || i > 0 && s.From < m.Spans[i-1].To {
					t.Fatalf("%s: spans %v", m.Cause, m.Spans)
				}
			}
			if within > m.Count || m.Count == 0 || len(m.Spans) < maxSpans && within != m.Count {
				t.Fatalf("%s: %d of %d in spans", m.Cause, within, m.Count)
			}
			missed += m.Count
		}
		asked := r.Arrived - r.Batch.Arrived
		if attained := uint64(r.Attainment*float64(asked) + 0.5); missed != asked-attained {
			t.Fatalf("%d of %d attained, %d missed by cause: %+v", attained, asked, missed, r.Misses)
		}
	})
}

// Each row is one cause of a miss.
func TestTheCauseOfAMiss(t *testing.T) {
	f := func(want Cause, deployment string, c Config) {
		t.Helper()
		r := run(t, c)
		if len(r.Misses) == 0 || r.Misses[0].Cause != want || r.Misses[0].Deployment != deployment {
			t.Errorf("want %s of %s, have %+v", want, deployment, r.Misses)
		}
	}
	cold := ownFleet(1)
	cold.Own.Initial = 0
	f(ColdStart, "own", config(every(3, time.Second, 100, 5), cold))

	full := ownFleet(1) // at its maximum
	full.MaxRequests = 1
	f(AtMax, "own", config(every(200, 50*time.Millisecond, 100, 50), full))

	few := ownFleet(1)
	few.MaxRequests, few.Own.Policy.Max = 1, 4 // the decider wants one
	f(TooFew, "own", config(every(200, 50*time.Millisecond, 100, 50), few))

	quota := ownFleet(1)
	quota.MaxRequests, quota.Own.Decide = 1, fixed(3)
	quota.Own.Policy, quota.Own.Fleet.Quota = scale.Policy{Min: 1, Max: 4}, 1
	f(NoRoom, "own", config(every(200, 50*time.Millisecond, 100, 50), quota))

	f(Never, "own", config(every(1, 0, 15_000, 5), ownFleet(1)))  // 1.51 s of prefill
	f(Never, "own", config(every(1, 0, 16_000, 50), ownFleet(1))) // fits no replica

	prompts := ownFleet(1) // each 0.81 s of prefill, ten at once
	prompts.Own.Engine.KVTokens = 1_000_000
	f(SlowPrefill, "own", config(every(8, time.Millisecond, 8000, 2), prompts))

	slow := config(every(1, 0, 100, 5), ownFleet(1))
	slow.SLO.TPOT = 5 * time.Millisecond
	f(Never, "own", slow)

	mixed := ownFleet(1) // new prompts take the steps of decoding requests
	src := trace.Slice{{Prompt: 100, Output: 100}}
	for i := range 40 {
		src = append(src, trace.Arrival{At: time.Duration(i+1) * 100 * time.Millisecond, Prompt: 500, Output: 1})
	}
	crowded := config(&src, mixed)
	crowded.SLO.TPOT = 15 * time.Millisecond // alone it is 10
	f(SlowDecode, "own", crowded)

	ptu := provisioned()
	ptu.Remote.TokensPerMinute, ptu.Remote.Burst = 1000, time.Second
	f(OutOfQuota, ptu.Name, config(every(100, 10*time.Millisecond, 500, 5), ptu))

	lost := ownFleet(1)
	lost.Own.Faults.NodeLoss = 20 * time.Second
	lost.Own.Fleet = mem.Deployment{ColdStart: time.Millisecond}
	f(Lost, "own", config(every(40, 500*time.Millisecond, 100, 2000), lost))
}

func TestTimeAtTheMaximumIsCounted(t *testing.T) {
	c := config(every(10, time.Second, 100, 5), ownFleet(2))
	c.Length = time.Hour
	if r := run(t, c); r.Deployments[0].AtMax != time.Hour {
		t.Errorf("two of two replicas: %v of an hour", r.Deployments[0].AtMax)
	}
	d := ownFleet(2)
	d.Own.Policy.Max = 3
	c = config(every(10, time.Second, 100, 5), d)
	if r := run(t, c); r.Deployments[0].AtMax != 0 {
		t.Errorf("two of three replicas: %v", r.Deployments[0].AtMax)
	}
}

func TestMissesNearEachOtherAreOneSpan(t *testing.T) {
	var b blamed
	at := func(n int) time.Duration { return time.Duration(n) * spanSlot }
	for _, slot := range []int{3, 4, 4, 9, 30} {
		b.add(AtMax, 0, at(slot))
	}
	have := b.all[0].spans()
	want := []Span{{at(3), at(10), 4}, {at(30), at(31), 1}}
	if len(have) != 2 || have[0] != want[0] || have[1] != want[1] {
		t.Errorf("have %v", have)
	}
}
