package sim

import (
	"fmt"
	"slices"
	"time"

	"weir"
	"weir/fleet/mem"
)

// ErrNotConserved: a request was lost or counted twice. It is a bug of the
// simulator.
var ErrNotConserved = fmt.Errorf("sim: requests do not add up")

func (w *world) finish() (*Result, error) {
	r, j := w.result, &w.judge
	if !w.billed {
		w.bill()
	}
	w.settle()
	w.unended()
	r.Misses = w.misses()
	r.Waiting = uint64(w.requests.live)
	if r.Arrived != r.Completed+r.Refused+r.Failed+r.Waiting {
		return nil, fmt.Errorf("%w: %d arrived, %d completed, %d refused, %d failed, %d waiting",
			ErrNotConserved, r.Arrived, r.Completed, r.Refused, r.Failed, r.Waiting)
	}
	if err := w.agree(); err != nil {
		return nil, err
	}
	slices.SortFunc(r.Refusals, func(a, b Refusal) int {
		if a.Reason < b.Reason {
			return -1
		}
		return 1
	})
	r.Attainment = j.all.of()
	r.Reachable = share{j.all.total - r.OutOfReach, j.all.attained}.of()
	r.WorstWindow, r.WorstHour = j.worst(1), j.worst(windowsInHour)
	r.Violated = j.violated()
	r.TTFT, r.TPOT, r.EndToEnd = j.ttft.quantiles(), j.tpot.quantiles(), j.whole.quantiles()
	r.Log = w.log.sum()
	r.GoodTokens, r.Changes, r.Reversals = j.tokens, j.changes, j.reversals
	return r, nil
}

// agree compares dispatch's totals with those of the run.
func (w *world) agree() error {
	d := w.core.Demand(w.now)
	inFlight := 0
	for _, here := range d.Deployments {
		inFlight += here.InFlight
	}
	r := w.result
	if d.Arrived != r.Arrived || d.Completed != r.Completed || d.Refused != r.Refused ||
		d.Failed+d.Cancelled != r.Failed || uint64(d.Waiting+inFlight) != r.Waiting {
		return fmt.Errorf("%w: dispatch counts %d arrived, %d completed, %d refused, %d failed, %d cancelled, %d waiting, %d in flight; "+
			"the run %d arrived, %d completed, %d refused, %d failed, %d waiting", ErrNotConserved,
			d.Arrived, d.Completed, d.Refused, d.Failed, d.Cancelled, d.Waiting, inFlight,
			r.Arrived, r.Completed, r.Refused, r.Failed, r.Waiting)
	}
	return nil
}

// unended blames the requests without an end for a missing answer.
func (w *world) unended() {
	for i := range w.requests.slots {
		if q := &w.requests.slots[i]; q.arrived != 0 && q.class != weir.Batch {
			w.blame(q, latency{}, false)
		}
	}
}

// bill notes the GPUs' use and cost at the horizon.
func (w *world) bill() {
	w.billed = true
	w.fleet.Advance(max(w.now, w.horizon))
	w.fullHouse()
	w.result.Length = w.horizon.Sub(w.c.Start)
	for _, p := range w.parts {
		w.result.Deployments = append(w.result.Deployments, w.outcome(p))
	}
}

// settle adds the results of requests that had not ended at the horizon.
func (w *world) settle() {
	for i, p := range w.parts {
		at := &w.result.Deployments[i]
		end := w.outcome(p)
		if p.own != nil {
			end.GPU, end.Cost, end.Asked, end.FailedStarts, end.TakenBack = at.GPU, at.Cost, at.Asked, at.FailedStarts, at.TakenBack
			end.AtMax = at.AtMax
		} else {
			end.Cost = p.remote.cost(w.result.Length)
		}
		*at = end
		w.result.Cost += end.Cost
		w.result.GPU = w.result.GPU.plus(end.GPU)
	}
}

func (g GPUTime) plus(o GPUTime) GPUTime {
	return GPUTime{g.Allocated + o.Allocated, g.ColdStart + o.ColdStart, g.Busy + o.Busy, g.Idle + o.Idle}
}

// outcome returns a deployment's part of the result, up to now.
func (w *world) outcome(p *part) Outcome {
	t := p.tally
	o := Outcome{
		Name: p.Name, Granted: t.granted, Completed: t.completed, Failed: t.failed, Throttled: t.throttled,
		Prompt: t.prompt, Output: t.output,
	}
	if p.remote != nil {
		o.Cost = p.remote.cost(w.since())
		return o
	}
	u := minus(w.fleet.Used(p.Name), p.own.before)
	busy, totals := p.own.busy, p.own.gone
	for _, r := range p.own.replicas {
		l := r.engine.Load()
		busy += l.GPUBusy - r.busyThen
		totals.Preemptions += l.Preemptions
		totals.CachedTokens += l.CachedTokens
	}
	gpus := time.Duration(p.own.GPUs)
	o.GPU = GPUTime{Allocated: gpus * u.Allocated, ColdStart: gpus * u.Starting, Busy: gpus * busy}
	o.GPU.Idle = o.GPU.Allocated - o.GPU.ColdStart - o.GPU.Busy
	o.AtMax = p.own.atMax
	o.Cost = perHour(p.own.Price, u.Allocated)
	o.Asked, o.FailedStarts, o.TakenBack = u.Asked, u.Failed, u.TakenBack
	o.Preemptions, o.CachedPrompt = totals.Preemptions, totals.CachedTokens
	return o
}

func minus(a, b mem.Usage) mem.Usage {
	return mem.Usage{
		Allocated: a.Allocated - b.Allocated, Starting: a.Starting - b.Starting, Draining: a.Draining - b.Draining,
		Asked: a.Asked - b.Asked, Failed: a.Failed - b.Failed, TakenBack: a.TakenBack - b.TakenBack,
	}
}
