package engine

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"weir"
)

// linear is a speed with odd figures: rounding errors would show.
type linear struct{ step, token, pair, seq, kv Picoseconds }

func (l linear) Step(b Batch) Cost {
	return Cost{
		Fixed: l.step + Picoseconds(b.Prefill)*l.token + Picoseconds(b.Pairs)*l.pair + Picoseconds(b.Decode)*l.seq,
		PerKV: l.kv,
	}
}

type arrival struct {
	at     weir.Instant
	req    Request
	cancel weir.Instant // 0: not
}

func drawSpec(t *rapid.T) Spec {
	block := rapid.SampledFrom([]int{1, 4, 16}).Draw(t, "block")
	s := Spec{
		Speed: linear{
			step:  Picoseconds(rapid.IntRange(1, 30_000_000).Draw(t, "step")),
			token: Picoseconds(rapid.IntRange(0, 90_001).Draw(t, "token")),
			pair:  Picoseconds(rapid.IntRange(0, 11).Draw(t, "pair")),
			seq:   Picoseconds(rapid.IntRange(0, 210_003).Draw(t, "seq")),
			kv:    Picoseconds(rapid.IntRange(0, 173).Draw(t, "kv")),
		},
		MaxSeqs:        rapid.IntRange(1, 12).Draw(t, "seqs"),
		MaxBatchTokens: rapid.IntRange(1, 80).Draw(t, "budget"),
		KVTokens:       rapid.IntRange(160, 700).Draw(t, "kv tokens"),
		BlockTokens:    block,
		Async:          rapid.Bool().Draw(t, "async"),
		PrefixCache:    rapid.Bool().Draw(t, "prefix cache"),
		PrefillFirst:   rapid.Bool().Draw(t, "prefill first"),
		SeqHost:        time.Duration(rapid.IntRange(0, 20).Draw(t, "seq host")),
		PrefixTokens:   block * rapid.IntRange(1, 3).Draw(t, "prefix tokens"),
	}
	return s
}

func drawArrivals(t *rapid.T) []arrival {
	n := rapid.IntRange(1, 25).Draw(t, "requests")
	var list []arrival
	at := weir.Instant(rapid.Int64Range(0, 1_000_000).Draw(t, "start"))
	for i := range n {
		at += weir.Instant(rapid.Int64Range(0, 300_000).Draw(t, "gap"))
		a := arrival{at: at, req: Request{
			ID:     uint64(i + 1),
			Prompt: rapid.IntRange(1, 90).Draw(t, "prompt"),
			Output: rapid.IntRange(0, 60).Draw(t, "output"),
		}}
		family := rapid.Uint64Range(0, 2).Draw(t, "family")
		for k := range uint64(rapid.IntRange(0, 8).Draw(t, "prefix")) {
			a.req.Prefix = append(a.req.Prefix, family*100+k)
		}
		if rapid.IntRange(0, 5).Draw(t, "cancels") == 0 {
			a.cancel = a.at + weir.Instant(rapid.Int64Range(0, 2_000_000).Draw(t, "after"))
		}
		list = append(list, a)
	}
	return list
}

const farAway = weir.Instant(1) << 55

// play gives a Replica the arrivals, in time steps chosen by pace, and returns
// the events.
func play(s Spec, list []arrival, load weir.Instant, pace func(now, next weir.Instant) weir.Instant) ([]Event, Load) {
	r := New(s)
	r.ready = load
	var events []Event
	advance := func(to weir.Instant) {
		for r.now < to {
			at := pace(r.now, r.Next())
			if at <= r.now || at > to {
				at = to
			}
			events = append(events, r.Advance(at)...)
		}
	}
	for _, m := range moments(list) {
		advance(m.at)
		if m.cancel {
			r.Cancel(m.at, m.req.ID)
		} else if err := r.Arrive(m.at, m.req); err != nil {
			panic(err)
		}
	}
	for r.Next() != 0 {
		advance(r.Next())
	}
	return append(events, r.Advance(farAway)...), r.Load()
}

type moment struct {
	at     weir.Instant
	cancel bool
	req    Request
}

// moments are arrivals and cancellations in order of time.
func moments(list []arrival) []moment {
	var all []moment
	for _, a := range list {
		all = append(all, moment{a.at, false, a.req})
	}
	for _, a := range list {
		if a.cancel == 0 {
			continue
		}
		i := len(all)
		for i > 0 && all[i-1].at > a.cancel {
			i--
		}
		all = append(all[:i], append([]moment{{a.cancel, true, a.req}}, all[i:]...)...)
	}
	return all
}

// A replica that jumps from event to event behaves exactly like one that
// computes every step.
func TestJumpingEqualsStepping(t *testing.T) { rapid.Check(t, jumpingEqualsStepping) }
func FuzzJumpingEqualsStepping(f *testing.F) { f.Fuzz(rapid.MakeFuzz(jumpingEqualsStepping)) }

func jumpingEqualsStepping(t *rapid.T) {
	spec, list := drawSpec(t), drawArrivals(t)
	load := weir.Instant(rapid.Int64Range(0, 2_000_000).Draw(t, "load"))
	have, _ := play(spec, list, load, func(_, next weir.Instant) weir.Instant { return next })
	want := stepThrough(spec, list, load)
	if !slices.Equal(have, want) {
		t.Fatalf("jumping and stepping differ:\n have %v\n want %v", have, want)
	}
}

// The number of the owner's calls changes nothing.
func TestLookingOftenerChangesNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		spec, list := drawSpec(t), drawArrivals(t)
		stride := weir.Instant(rapid.Int64Range(1_000, 400_000).Draw(t, "stride"))
		have, haveLoad := play(spec, list, 0, func(now, _ weir.Instant) weir.Instant { return now + stride })
		want, wantLoad := play(spec, list, 0, func(_, next weir.Instant) weir.Instant { return next })
		if !slices.Equal(have, want) {
			t.Fatalf("events differ:\n have %v\n want %v", have, want)
		}
		if haveLoad != wantLoad {
			t.Fatalf("loads differ:\n have %+v\n want %+v", haveLoad, wantLoad)
		}
	})
}

func stepThrough(s Spec, list []arrival, load weir.Instant) []Event {
	r := newStepper(s)
	r.ready = load
	for _, m := range moments(list) {
		r.playUntil(m.at)
		if m.cancel {
			r.cancel(m.at, m.req.ID)
		} else {
			r.waiting = append(r.waiting, &stepSeq{req: m.req, arrived: m.at, target: m.req.Prompt})
		}
	}
	r.playUntil(farAway)
	return r.events
}

// Every request that is not cancelled has its first token once, before it
// finishes once; and an idle replica holds nothing.
func TestEveryRequestEndsOnceAndLeavesNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		spec, list := drawSpec(t), drawArrivals(t)
		events, load := play(spec, list, 0, func(_, next weir.Instant) weir.Instant { return next })
		first, finished := map[uint64]int{}, map[uint64]int{}
		last := weir.Instant(0)
		for _, e := range events {
			if e.At < last {
				t.Fatalf("events out of order: %v", events)
			}
			last = e.At
			switch e.Kind {
			case FirstToken:
				first[e.ID]++
			case Finished:
				finished[e.ID]++
			}
		}
		for _, a := range list {
			want := 1
			if a.cancel != 0 {
				want = finished[a.req.ID] // either way, but not twice
			}
			if finished[a.req.ID] != want || want > 1 || first[a.req.ID] > 1 ||
				a.req.Output > 0 && first[a.req.ID] < want {
				t.Fatalf("request %d: %d first tokens, finished %d times", a.req.ID, first[a.req.ID], finished[a.req.ID])
			}
		}
		if load.Running+load.Waiting+load.KVUsedTokens+load.WaitingTokens != 0 {
			t.Fatalf("an idle replica holds something: %+v", load)
		}
	})
}

// A replica that runs for days in the simulator must not allocate.
func TestAWarmReplicaAllocatesNothing(t *testing.T) {
	r := New(Spec{Speed: tick, KVTokens: 1600})
	at := weir.Instant(0)
	n := testing.AllocsPerRun(1000, func() {
		at += ms(100)
		r.Advance(at)
		if err := r.Arrive(at, Request{ID: uint64(at), Prompt: 20, Output: 20}); err != nil {
			t.Fatal(err)
		}
	})
	if n > 0 {
		t.Errorf("%v allocations per request", n)
	}
}
