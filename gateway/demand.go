package gateway

import (
	"fmt"
	"sync"
	"time"

	"weir"
	"weir/dispatch"
)

// Demand is what a scaler gets for one deployment: counters and current levels, never
// divided by a number of replicas.
type Demand struct {
	Model dispatch.Demand           // of the whole model, including its queue
	Here  dispatch.DeploymentDemand // of the deployment alone

	// Ended requests, by whether they met the model's SLO. Failures of callers (bad
	// requests, callers gone, tenant limits) are in neither; requests that found no
	// capacity count as missed.
	Attained, Missed uint64

	// Of Missed: requests that even an idle replica of the deployment would not have
	// served within the SLO, by what idle replicas were measured to take.
	OutOfReach uint64

	Gaps    uint64        // between tokens of streams that came to their end
	GapTime time.Duration // their sum
}

// Demand reads the demand on a deployment.
func (g *Gateway) Demand(deployment string) (Demand, error) {
	t := g.state.Load().targets[deployment]
	if t == nil {
		return Demand{}, fmt.Errorf("deployment %q is not configured", deployment)
	}
	d := Demand{Model: t.model.demand(g.now())}
	for _, here := range d.Model.Deployments {
		if here.Name == deployment {
			d.Here = here
		}
	}
	k := g.slo.of(deployment)
	d.Attained, d.Missed, d.OutOfReach, d.Gaps, d.GapTime = k.attained, k.missed, k.outOfReach, k.gaps, k.gapTime
	d.Missed += t.model.missed.Load()
	return d, nil
}

// tally counts requests by deployment and by SLO result. Only configured deployments
// get requests, so its size is bounded.
type tally struct {
	mu sync.Mutex
	by map[string]*kept
}

type kept struct {
	attained, missed, outOfReach uint64
	gaps                         uint64
	gapTime                      time.Duration
}

func (t *tally) add(r *weir.Record, v verdict) {
	t.mu.Lock()
	defer t.mu.Unlock()
	k := t.by[r.Deployment]
	if k == nil {
		if t.by == nil {
			t.by = map[string]*kept{}
		}
		k = &kept{}
		t.by[r.Deployment] = k
	}
	if n := r.Usage.Completion - 1; n > 0 && r.TPOT > 0 {
		k.gaps, k.gapTime = k.gaps+uint64(n), k.gapTime+r.TPOT*time.Duration(n)
	}
	switch v {
	case inTime:
		k.attained++
	case outOfReach:
		k.outOfReach++
		fallthrough
	default:
		k.missed++
	}
}

// verdict is how a request stands to its model's SLO.
type verdict uint8

const (
	late verdict = iota // or without an answer
	inTime
	outOfReach // late, and an idle replica would have been late too
)

func (t *tally) of(deployment string) kept {
	t.mu.Lock()
	defer t.mu.Unlock()
	if k := t.by[deployment]; k != nil {
		return *k
	}
	return kept{}
}

// judge counts an ended request for or against its model's SLO.
func (g *Gateway) judge(b *booking) {
	r := &b.rec
	switch {
	case b.served == nil || r.Fault == weir.CallerFault:
	case r.Outcome == weir.Refused && r.Fault == weir.PolicyFault && b.id == 0: // a limit of the tenant, not a lack of capacity
	case r.Deployment == "" && r.Outcome == weir.Completed: // a stored answer says nothing about capacity
	case r.Deployment == "":
		b.served.missed.Add(1)
	default:
		g.slo.add(r, b.served.verdict(r))
	}
}

// verdict judges an ended request. Only an answer can be out of reach: what was refused
// or failed shows nothing of its speed.
func (s *served) verdict(r *weir.Record) verdict {
	if attained(r, s.slo) {
		return inTime
	}
	if r.Outcome != weir.Completed {
		return late
	}
	first, gap := s.alone(r.Deployment, int(r.Usage.Prompt), int(r.Usage.Cached))
	whole := first + gap*time.Duration(max(r.Usage.Completion-1, 0))
	switch {
	case r.Stream && (r.TTFT > s.slo.TTFT && first > s.slo.TTFT && s.slo.TTFT > 0 || r.TPOT > s.slo.TPOT && gap > s.slo.TPOT && s.slo.TPOT > 0):
		return outOfReach
	case !r.Stream && !attained(&weir.Record{Outcome: r.Outcome, Usage: r.Usage, Ended: weir.Instant(whole)}, s.slo):
		return outOfReach
	}
	return late
}

// attained says whether a request met its model's SLO. An answer that is not streamed
// has no visible first token, so it gets the time that its tokens would have taken in a
// stream.
func attained(r *weir.Record, slo weir.SLO) bool {
	if r.Outcome != weir.Completed {
		return false
	}
	if r.Stream {
		return (slo.TTFT == 0 || r.TTFT <= slo.TTFT) && (slo.TPOT == 0 || r.TPOT <= slo.TPOT)
	}
	if slo.TTFT == 0 || slo.TPOT == 0 && r.Usage.Completion > 1 {
		return true
	}
	whole := slo.TTFT
	if n := r.Usage.Completion; n > 1 {
		whole += slo.TPOT * time.Duration(n-1)
	}
	return r.Ended.Sub(r.Arrived) <= whole
}
