package engine

import (
	"math"
	"math/rand/v2"
	"strings"

	"weir"
)

// closedLoop keeps width requests in flight until total have been sent, and
// returns their clients' timings.
func closedLoop(b benchRow, spec Spec, in, out, width, total int) prediction {
	r := New(spec)
	var all []timing
	lengths := lengthsOf(b, in, out)
	send := func(now weir.Instant) {
		if len(all) == total {
			return
		}
		in, out := lengths()
		if err := r.Arrive(now, Request{ID: uint64(len(all)), Prompt: in, Output: out}); err != nil {
			panic(err)
		}
		all = append(all, timing{arrival: float64(now) / 1e9, output: float64(out)})
	}
	for range width {
		send(0)
	}
	note(r, &all, send)
	return summary(b, all)
}

// lengthsOf draws the lengths of a row's requests: all the same, except for
// ShareGPT, of which only the means are published. Its conversations vary as
// much as their mean (exponential here), cut at the benchmark's limits.
func lengthsOf(b benchRow, in, out int) func() (int, int) {
	if !strings.HasPrefix(b.scenario, "ShareGPT") {
		return func() (int, int) { return in, out }
	}
	rng := rand.New(rand.NewPCG(3, 4))
	draw := func(mean int) int { return max(4, min(1024, int(rng.ExpFloat64()*float64(mean)))) }
	return func() (int, int) { return draw(in), draw(out) }
}

// note plays a replica to its end.
func note(r *Replica, all *[]timing, finished func(weir.Instant)) {
	for r.Next() != 0 {
		now := r.Next()
		for _, e := range append([]Event(nil), r.Advance(now)...) {
			switch at := float64(e.At) / 1e9; e.Kind {
			case FirstToken:
				(*all)[e.ID].first = at
			case Finished:
				(*all)[e.ID].last = at
				finished(e.At)
			}
		}
	}
}

func summary(b benchRow, all []timing) prediction {
	end := 0.0
	tokens := 0.0
	for _, m := range all {
		end = max(end, m.last)
		tokens += m.output
	}
	p := prediction{ttft: mean(all, timing.ttft) * 1e3, itl: math.NaN(), e2e: mean(all, timing.e2e) * 1e3, tokens: tokens / end * float64(b.replicas)}
	if all[0].output > 1 {
		p.itl = mean(all, timing.tpot) * 1e3
	}
	return p
}

// goodput returns the highest rate of random arrivals that keeps both latency
// bounds of MLPerf at the 99th percentile.
func goodput(b benchRow, spec Spec, in, out int) prediction {
	ttft, tpot := mlperfBounds(b)
	lo, hi := 0.0, 400.0
	var best prediction
	for range 9 {
		rate := (lo + hi) / 2
		p, ok := poisson(b, spec, in, out, rate, ttft, tpot)
		if ok {
			lo, best = rate, p
		} else {
			hi = rate
		}
	}
	return best
}

func poisson(b benchRow, spec Spec, in, out int, rate, ttft, tpot float64) (prediction, bool) {
	r := New(spec)
	rng := rand.New(rand.NewPCG(1, 2))
	n := int(max(600, min(3000, rate*60)))
	var all []timing
	record := func(events []Event) {
		for _, e := range events {
			switch at := float64(e.At) / 1e9; e.Kind {
			case FirstToken:
				all[e.ID].first = at
			case Finished:
				all[e.ID].last = at
			}
		}
	}
	at := 0.0
	for i := range n {
		at += rng.ExpFloat64() / rate
		now := weir.Instant(at * 1e9)
		record(r.Advance(now))
		if err := r.Arrive(now, Request{ID: uint64(i), Prompt: in, Output: out}); err != nil {
			panic(err)
		}
		all = append(all, timing{arrival: at, output: float64(out)})
	}
	for r.Next() != 0 {
		record(r.Advance(r.Next()))
	}
	all = all[n/4:] // warm
	p := prediction{mean(all, timing.ttft) * 1e3, mean(all, timing.tpot) * 1e3, mean(all, timing.e2e) * 1e3, rate * float64(out) * float64(b.replicas)}
	return p, quantile(all, timing.ttft, 0.99) <= ttft && quantile(all, timing.tpot, 0.99) <= tpot
}

// mlperfBounds are the p99 bounds, seconds, of MLPerf Inference's rules.
func mlperfBounds(b benchRow) (ttft, tpot float64) {
	interactive := strings.Contains(b.scenario, "Interactive")
	f := func(server, inter [2]float64) (float64, float64) {
		if interactive {
			return inter[0], inter[1]
		}
		return server[0], server[1]
	}
	switch {
	case strings.Contains(b.model, "405B"):
		return f([2]float64{6, .175}, [2]float64{4.5, .08})
	case strings.Contains(b.model, "8B"):
		return f([2]float64{2, .1}, [2]float64{.5, .03})
	}
	return f([2]float64{2, .2}, [2]float64{.45, .04})
}
