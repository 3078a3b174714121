package baseline

import (
	"fmt"
	"math"
	"time"

	"weir/scale"
)

// HPA is the Kubernetes Horizontal Pod Autoscaler (v1.32) with its defaults:
// sync every 15 s, tolerance 10 %, never under the highest recommendation of
// 300 s, up to twice the pods or to 4 at a sync.
type HPA struct {
	Bounds
	Metric HPAMetric
	Target float64 // the knob; 0: 0.7 of utilisation, 5 queued, 22.4 in flight

	// Behavior emulates an object with spec.behavior and its defaults: up by 4
	// pods or 100 % in 15 s, whichever is more, and the highest recommendation
	// is held on the way down only. Most objects have no spec.behavior. For
	// them the controller takes its older path, without those defaults.
	Behavior bool
}

// HPAMetric is the metric of an HPA.
type HPAMetric uint8

const (
	ByUtilisation HPAMetric = iota // a Pods metric, AverageValue: GPU utilisation; a pod that starts is Pending
	ByQueue                        // an external metric, AverageValue: requests queued
	ByConcurrency                  // an external metric, AverageValue: requests in flight and queued
)

const (
	hpaSync      = 15 * time.Second
	hpaTolerance = 0.1
	hpaDown      = 300 * time.Second
)

// Decider returns the policy.
func (b HPA) Decider() scale.Decider {
	b.Target = orDefault(b.Target, [...]float64{0.7, 5, 0.7 * 32}[b.Metric])
	return b.decider(hpaSync, b.advise)
}

func (b HPA) advise(m *scale.Memory, o *scale.Observation, c census) (int, string) {
	if len(m.Advised) == 0 {
		m.Stabilised(o.Now, c.have, hpaDown) // the present number is the first recommendation
	}
	switch {
	case c.have == 0:
		return 0, "disabled: there are no replicas" // the HPA does not wake from zero
	case c.have < b.Min || c.have > b.Max:
		return c.have, "outside of the bounds"
	}
	n, why := b.recommend(o, c)
	switch {
	case n < 0:
		return c.have, why
	case !b.Behavior:
		return min(m.Stabilised(o.Now, n, hpaDown), max(2*c.have, 4)), why
	}
	stable := m.Stabilised(o.Now, n, hpaDown-1) // here a 300 s old recommendation is too old
	switch {
	case n > c.have:
		n = min(n, max(c.have+4, 2*c.have))
	case n < c.have:
		n = min(stable, c.have)
	}
	return n, why
}

// recommend is the replica calculator; negative: unknown.
func (b HPA) recommend(o *scale.Observation, c census) (int, string) {
	if b.Metric == ByUtilisation {
		return b.byUtilisation(o, c)
	}
	total, what := queued(o), "queued"
	if b.Metric == ByConcurrency {
		total, what = ongoing(o), "in flight and queued"
	}
	why := fmt.Sprintf("%.3g requests %s, target %.3g each", total, what, b.Target)
	total, target := milli(total), milli(b.Target)
	if math.Abs(1-total/(target*float64(c.have))) <= hpaTolerance {
		return c.have, why
	}
	return scale.Whole(total / target), why
}

// byUtilisation counts pods that are not ready as idle when scaling up, and
// leaves them out when scaling down.
func (b HPA) byUtilisation(o *scale.Observation, c census) (int, string) {
	use := o.GPUUtilisation
	if use < 0 || c.ready == 0 {
		return -1, "utilisation is not known"
	}
	why := fmt.Sprintf("utilisation %.0f %%, target %.0f %%", 100*use, 100*b.Target)
	use, target := milli(100*use), milli(100*b.Target)
	ratio, pods := use/target, c.ready
	if ratio > 1 && c.starting > 0 {
		pods = c.have
		ratio = math.Floor(use*float64(c.ready)/float64(pods)) / target
		if ratio < 1 {
			return c.have, why
		}
	}
	if math.Abs(1-ratio) <= hpaTolerance {
		return c.have, why
	}
	n := scale.Whole(ratio * float64(pods))
	if ratio < 1 && n > c.have || ratio > 1 && n < c.have {
		return c.have, why
	}
	return n, why
}

// milli returns v in whole thousandths, as metrics reach the controller: 44 %
// against 40 % is 1.1 there, just beyond the tolerance.
func milli(v float64) float64 { return math.Round(1000 * v) }

// KEDA is KEDA on queued requests, as in vLLM's production stack. It polls
// every 30 s, wakes from zero, goes to zero when no request was queued or in
// flight for 300 s, and leaves the rest to an HPA.
type KEDA struct {
	Bounds
	Target float64 // the knob: requests queued per replica; 0: 5
}

// Decider returns the policy.
func (b KEDA) Decider() scale.Decider {
	hpa := HPA{Bounds: b.Bounds, Metric: ByQueue, Target: orDefault(b.Target, 5)}
	return b.decider(hpaSync, func(m *scale.Memory, o *scale.Observation, c census) (int, string) {
		if o.Now >= m.Until { // polled
			m.Until = o.Now.Add(30 * time.Second)
			if ongoing(o) > 0 || m.Since == 0 {
				m.Since = o.Now
			}
			if c.have == 0 && ongoing(o) > 0 {
				return 1, "requests are queued: active"
			}
		}
		if b.Min == 0 && o.Now.Sub(m.Since) >= 300*time.Second {
			return 0, "nothing queued or in flight for 300 s"
		}
		n, why := hpa.advise(m, o, c)
		if c.have > 0 {
			n = max(n, 1)
		}
		return n, why
	})
}
