package gateway

import (
	"testing"
	"time"

	"weir"
	"weir/dispatch"
)

// What idle replicas were measured to take decides whether a request that missed
// could have met its SLO at all.
func TestAMissIsOutOfReachIfAnIdleReplicaWouldMissToo(t *testing.T) {
	c := config("")
	c.Models[0].SLO = weir.SLO{TTFT: time.Second, TPOT: 21 * time.Millisecond}
	inBubble(t, c, func(b *bubble) {
		s, now := b.state.Load().models["m"], b.now()
		s.core.Replicas(now, "d0", []weir.Replica{{ID: "r", State: weir.Ready}})
		for i := range uint64(8) { // a second for 1,000 tokens, then 20 ms each
			const gap = 20 * time.Millisecond
			prompt := 900
			if i >= 4 {
				prompt = 1000
			}
			s.core.Arrive(now, dispatch.Request{ID: 1<<40 + i, Tenant: "t", Prompt: prompt, Streams: true})
			now = now.Add(time.Duration(prompt) * time.Millisecond)
			s.core.FirstToken(now, 1<<40+i)
			now = now.Add(9 * gap)
			s.core.Done(now, 1<<40+i, dispatch.OK, weir.Usage{Prompt: int64(prompt), Completion: 10})
		}
		f := func(want verdict, prompt, cached int64, stream bool, ttft, tpot time.Duration) {
			t.Helper()
			r := weir.Record{Outcome: weir.Completed, Deployment: "d0", Stream: stream, TTFT: ttft, TPOT: tpot,
				Usage: weir.Usage{Prompt: prompt, Cached: cached, Completion: 10}}
			if !stream {
				r.Ended = weir.Instant(ttft + 9*tpot)
			}
			if have := s.verdict(&r); have != want {
				t.Errorf("%d tokens, %d cached, in %v and %v: %v, want %v", prompt, cached, ttft, tpot, have, want)
			}
		}
		const ms = time.Millisecond
		f(inTime, 900, 0, true, 950*ms, 20*ms)
		f(late, 900, 0, true, 1500*ms, 25*ms)        // an idle replica takes 0.9 s
		f(outOfReach, 1020, 0, true, 1500*ms, 25*ms) // 1.02 s
		f(late, 1920, 1000, true, 1500*ms, 25*ms)
		f(late, 1020, 0, true, 950*ms, 40*ms) // its first token was in time, its tokens could have been
		f(late, 900, 0, false, 1500*ms, 25*ms)
		f(outOfReach, 1020, 0, false, 1500*ms, 25*ms) // 1.2 s in all, 1.189 s are allowed
		b.slo.add(&weir.Record{Deployment: "d0", TPOT: 30 * ms, Usage: weir.Usage{Completion: 11}}, late)
		b.slo.add(&weir.Record{Deployment: "d0", Usage: weir.Usage{Completion: 11}}, outOfReach) // not streamed
		if d, err := b.Demand("d0"); err != nil || d.Gaps != 10 || d.GapTime != 300*ms || d.Missed != 2 || d.OutOfReach != 1 {
			t.Errorf("have %+v, %v", d, err)
		}
		if have := s.verdict(&weir.Record{Outcome: weir.Failure, Deployment: "d0", Usage: weir.Usage{Prompt: 1020}}); have != late {
			t.Errorf("a failure is %v", have)
		}
	})
}
