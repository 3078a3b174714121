package baseline

import (
	"fmt"
	"time"

	"weir"
	"weir/scale"
)

// WVA is the saturation policy of llm-d's Workload Variant Autoscaler (V1):
// every 15 s, one more when the spare KV cache or the spare queue of a replica
// runs low, one less when neither would run low with one less, and no change
// while a replica is starting. It reads the engines. For an engine that does
// not report KV use, the share of its admissions in flight is used instead.
type WVA struct {
	Bounds
	SpareQueue     float64 // the knob: least spare queue of a replica in requests, below 5; 0: 3
	MaxConcurrency int     // requests a replica admits; 0: unknown
}

const (
	wvaKV      = 0.8
	wvaQueue   = 5.0
	wvaSpareKV = 0.1
)

// Decider returns the policy.
func (b WVA) Decider() scale.Decider {
	b.SpareQueue = orDefault(b.SpareQueue, 3)
	return b.decider(15*time.Second, func(_ *scale.Memory, o *scale.Observation, c census) (int, string) {
		switch {
		case c.have == 0 && o.Waiting > 0:
			return 1, "requests are queued"
		case c.starting > 0:
			return c.have, "a replica is starting: blocked"
		case c.ready == 0:
			return c.have, "no replica is ready"
		}
		kv, queue := b.kv(o, c), queued(o)/float64(c.ready)
		tight := func(of float64) bool {
			f := float64(c.ready) / of
			return wvaKV-kv*f < wvaSpareKV || wvaQueue-queue*f < b.SpareQueue
		}
		why := fmt.Sprintf("KV %.0f %%, %.3g queued per replica", 100*kv, queue)
		switch {
		case tight(float64(c.ready)):
			return c.have + 1, why
		case c.ready >= 2 && !tight(float64(c.ready-1)):
			return c.have - 1, why
		}
		return c.have, why
	})
}

func (b WVA) kv(o *scale.Observation, c census) float64 {
	if o.KVUse >= 0 {
		return o.KVUse
	}
	if b.MaxConcurrency > 0 {
		return float64(o.InFlight) / float64(b.MaxConcurrency*c.ready)
	}
	return 0
}

// Dynamo is like NVIDIA Dynamo's planner. Every 180 s a forecast of one
// interval gives a lower bound from the profiled capacity. Every 5 s one more
// is added when latency is beyond the SLA, or one removed when it would stay
// below 80 % of it; neither while replicas start or drain. The forecast is a
// local linear trend, one of its predictors. Latency is inferred from the
// queue.
type Dynamo struct {
	Bounds
	Use      float64 // the knob: share of the capacity to plan for; 0: 1
	Capacity scale.Capacity
	SLO      weir.SLO
}

const (
	dynamoPlan = 180 * time.Second
	dynamoLoad = 5 * time.Second
)

// Decider returns the policy.
func (b Dynamo) Decider() scale.Decider {
	b.Use = orDefault(b.Use, 1)
	return b.decider(dynamoLoad, func(m *scale.Memory, o *scale.Observation, c census) (int, string) {
		b.plan(m, o)
		floor := max(m.Most, b.Min)
		if c.starting > 0 || c.draining > 0 {
			return max(c.have, floor), "scaling is in progress"
		}
		n := c.have
		use := m.Value / (b.Use * float64(max(c.ready, 1)))
		switch {
		case o.HeadAge > b.SLO.TTFT/2 && o.Waiting > 0:
			n++
		case c.ready > 1 && o.Waiting == 0 && use*float64(c.ready)/float64(c.ready-1) < 0.8:
			n--
		}
		return max(n, floor), fmt.Sprintf("load of %.3g replicas, %.3g in %v, at least %d", m.Value, m.Value+m.Trend, dynamoPlan, floor)
	})
}

// plan makes the forecast and derives the lower bound.
func (b Dynamo) plan(m *scale.Memory, o *scale.Observation) {
	load, over, ok := m.Load(b.Capacity, o)
	if !ok || over < dynamoPlan {
		return
	}
	m.Count(o)
	before := m.Value
	m.Value = load
	if m.Most > 0 { // from the second interval on
		m.Trend += 0.5 * ((load - before) - m.Trend)
	}
	m.Most = scale.Whole((load + m.Trend) / b.Use)
}

// Ray is Ray Serve's default: ongoing requests over a look-back of 30 s against
// a target, up after 30 s above it, down after 600 s below it.
type Ray struct {
	Bounds
	Target float64 // the knob: ongoing requests per replica; 0: 2
}

const (
	rayLookBack = 30 * time.Second
	rayUp       = 30 * time.Second
	rayDown     = 600 * time.Second
)

// Decider returns the policy.
func (b Ray) Decider() scale.Decider {
	b.Target = orDefault(b.Target, 2)
	return b.decider(time.Second, func(m *scale.Memory, o *scale.Observation, c census) (int, string) {
		m.Level(o.Now, ongoing(o), rayLookBack)
		mean := m.Mean(o.Now, rayLookBack)
		n := min(max(scale.Whole(mean/b.Target), b.Min), b.Max)
		why := fmt.Sprintf("%.3g ongoing over %v, target %.3g each", mean, rayLookBack, b.Target)
		way, delay := 0, time.Duration(0)
		switch {
		case n > c.have:
			way, delay = 1, rayUp
		case n < c.have:
			way, delay = -1, rayDown
		}
		if way != m.Way {
			m.Way, m.Since = way, o.Now
		}
		if way == 0 || o.Now.Sub(m.Since) >= delay || c.have == 0 && o.Waiting > 0 {
			m.Way = 0
			return n, why
		}
		return c.have, why + ", not for long enough"
	})
}
