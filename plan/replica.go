package plan

import (
	"errors"
	"math"
	"math/rand/v2"
	"time"

	"weir"
	"weir/engine"
)

// attain is the share of requests that must meet the SLO at the rate a replica
// is said to sustain.
const attain = 0.95

// sustains is the rate, in requests a second, at which one replica still serves
// attain of its requests within the SLO. Requests are of one size and come at
// random times (Poisson, of a fixed seed); engine says what becomes of each.
// The answer is right to 3 %. It is 0 when not even one request alone meets the
// SLO, and never more than what maxTrial requests can show.
func sustains(spec engine.Spec, input, output int, slo weir.SLO) (float64, error) {
	alone, err := serve(spec, input, output, slo, 0, 1)
	if err != nil || alone.attained < 1 {
		return 0, err
	}
	// Long enough for the batch to fill as it would in the steady state, and for
	// a backlog that grows by a thirtieth to miss the SLO.
	seconds := max(4*alone.last.Seconds(), 30*slo.TTFT.Seconds())
	try := func(rate float64) bool {
		var r trial
		r, err = serve(spec, input, output, slo, rate, max(minTrial, int(rate*seconds)))
		return err == nil && r.attained >= attain
	}
	good, bad := 0.0, min(1/alone.last.Seconds(), maxTrial/seconds)
	for try(bad) {
		if 2*bad*seconds > maxTrial {
			return bad, nil
		}
		good, bad = bad, 2*bad
	}
	for err == nil && bad > good*1.03 && bad > 1e-6 {
		middle := (good + bad) / 2
		if good > 0 {
			middle = math.Sqrt(good * bad)
		}
		if try(middle) {
			good = middle
		} else {
			bad = middle
		}
	}
	return good, err
}

// Requests of one trial.
const (
	minTrial = 200
	maxTrial = 100_000
)

// trial is what became of the requests of one run.
type trial struct {
	attained float64       // share, of those of the second half
	last     time.Duration // until the last one ended
}

// serve plays n requests at a rate to one replica. slo.TTFT must be
// given: without it a queue that grows for ever would pass.
func serve(spec engine.Spec, input, output int, slo weir.SLO, rate float64, n int) (trial, error) {
	spec.PrefixCache = false // the prompts are different ones
	r := engine.New(spec)
	rng := rand.New(rand.NewPCG(1, uint64(n)))
	arrived, first := make([]weir.Instant, n), make([]weir.Instant, n)
	met, judged := 0, 0
	now, end := weir.Instant(0), weir.Instant(0)
	see := func(events []engine.Event) {
		for _, e := range events {
			switch e.Kind {
			case engine.FirstToken:
				first[e.ID] = e.At
			case engine.Finished:
				end = e.At
				if int(e.ID) < n/2 {
					continue // the batch was still filling
				}
				judged++
				if within(arrived[e.ID], first[e.ID], e.At, output, slo) {
					met++
				}
			}
		}
	}
	for i := range n {
		if float64(judged-met) > (1-attain)*float64(n) { // more than attain allows, whatever comes
			return trial{}, nil
		}
		if rate > 0 {
			now = now.Add(time.Duration(rng.ExpFloat64() / rate * float64(time.Second)))
		}
		see(r.Advance(now))
		arrived[i] = now
		if err := r.Arrive(now, engine.Request{ID: uint64(i), Prompt: max(1, input), Output: output}); err != nil {
			return trial{}, err
		}
	}
	for next := r.Next(); next != 0; next = r.Next() {
		see(r.Advance(next))
	}
	if judged == 0 {
		return trial{}, errors.New("plan: a replica never finished")
	}
	return trial{attained: float64(met) / float64(judged), last: end.Sub(0)}, nil
}

// within reports whether one request met the SLO.
func within(arrived, first, finished weir.Instant, output int, slo weir.SLO) bool {
	if output == 0 {
		first = finished
	}
	if slo.TTFT > 0 && first.Sub(arrived) > slo.TTFT {
		return false
	}
	return slo.TPOT == 0 || output < 2 || finished.Sub(first) <= slo.TPOT*time.Duration(output-1)
}
