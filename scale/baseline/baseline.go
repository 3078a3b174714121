// Package baseline is the autoscalers in common use, each from its published
// source or documents and with its defaults. scale.Decide is compared with them
// on the same traffic. They are as good and as bad as the originals; one that
// reads signals per pod gets equivalent signals. Each has one main knob to be
// swept and its own tick: between ticks it repeats its last decision.
//
// It uses the observations and memory of package scale, and none of Decide's
// rules.
package baseline

import (
	"fmt"
	"strings"
	"time"

	"weir"
	"weir/scale"
)

// Bounds are a baseline's fewest and most replicas.
type Bounds struct {
	Min, Max int
}

// Rule is the reason given by a baseline's own formula.
const Rule scale.Rule = "baseline"

// Make describes a baseline for New.
type Make struct {
	Bounds
	Knob           float64        // its main knob; 0: its default
	Capacity       scale.Capacity // of one replica, for baselines that plan by a profile
	MaxConcurrency int            // requests one replica admits, for baselines that plan by concurrency
	SLO            weir.SLO
}

// makers are the baselines by name, with the meaning of the knob.
var makers = []struct {
	name, knob string
	make       func(Make) scale.Decider
}{
	{"static", "replicas", func(m Make) scale.Decider { return Static{m.Bounds, int(m.Knob)}.Decider() }},
	{"hpa", "GPU utilisation", func(m Make) scale.Decider {
		return HPA{Bounds: m.Bounds, Metric: ByUtilisation, Target: m.Knob}.Decider()
	}},
	{"hpa-queue", "requests queued per replica", func(m Make) scale.Decider { return HPA{Bounds: m.Bounds, Metric: ByQueue, Target: m.Knob}.Decider() }},
	{"hpa-concurrency", "requests in flight and queued per replica", func(m Make) scale.Decider {
		return HPA{Bounds: m.Bounds, Metric: ByConcurrency, Target: m.concurrency()}.Decider()
	}},
	{"keda", "requests queued per replica", func(m Make) scale.Decider { return KEDA{m.Bounds, m.Knob}.Decider() }},
	{"kpa", "concurrency per replica", func(m Make) scale.Decider { return KPA{m.Bounds, m.concurrency()}.Decider() }},
	{"apa", "concurrency per replica", func(m Make) scale.Decider { return APA{m.Bounds, m.concurrency()}.Decider() }},
	{"wva", "spare queue per replica", func(m Make) scale.Decider { return WVA{m.Bounds, m.Knob, m.MaxConcurrency}.Decider() }},
	{"dynamo", "share of the capacity used", func(m Make) scale.Decider { return Dynamo{m.Bounds, m.Knob, m.Capacity, m.SLO}.Decider() }},
	{"ray", "ongoing requests per replica", func(m Make) scale.Decider { return Ray{m.Bounds, m.Knob}.Decider() }},
	{"azure-monitor", "GPU utilisation that adds replicas", func(m Make) scale.Decider { return AzureMonitor{m.Bounds, m.Knob}.Decider() }},
	{"yesterday", "share of the capacity used", func(m Make) scale.Decider { return Yesterday{m.Bounds, m.Knob, m.Capacity}.Decider() }},
}

// concurrency is the knob, or 70 % of a replica's admissions.
func (m Make) concurrency() float64 {
	if m.Knob > 0 {
		return m.Knob
	}
	return (&scale.Policy{MaxConcurrency: m.MaxConcurrency}).UsualConcurrency()
}

// New makes a baseline by its name.
func New(name string, m Make) (scale.Decider, error) {
	if m.Max < 1 || m.Min < 0 || m.Min > m.Max || m.Knob < 0 {
		return nil, fmt.Errorf("baseline %q: min %d, max %d, knob %v: want 0 <= min <= max, max >= 1 and knob >= 0", name, m.Min, m.Max, m.Knob)
	}
	for _, b := range makers {
		if b.name == name {
			return b.make(m), nil
		}
	}
	return nil, fmt.Errorf("no policy %q; there are %s", name, strings.Join(Names(), ", "))
}

// Names are the names New knows.
func Names() []string {
	names := make([]string, len(makers))
	for i, b := range makers {
		names[i] = b.name
	}
	return names
}

// census counts the replicas by state.
type census struct{ starting, ready, draining, have int }

func take(o *scale.Observation) (c census) {
	for i := range o.Replicas {
		switch n := o.Replicas[i].Size(); o.Replicas[i].State {
		case weir.Starting:
			c.starting += n
		case weir.Ready:
			c.ready += n
		case weir.Draining:
			c.draining += n
		}
	}
	c.have = c.starting + c.ready
	return c
}

// formula is a baseline's own part: the number it wants, and why. It may change
// m.
type formula func(m *scale.Memory, o *scale.Observation, c census) (want int, why string)

// decider wraps a formula: it is evaluated at intervals, its result is bounded,
// and the newest replicas are the victims, as in most places that do not look
// at load.
func (b Bounds) decider(every time.Duration, f formula) scale.Decider {
	return func(s scale.State, o scale.Observation) (scale.Decision, scale.State) {
		c := take(&o)
		want, why := s.Want, "holding until the next turn"
		if s.Now == 0 {
			want = c.have
		}
		if o.Now >= s.Memory.Next || s.Now == 0 {
			want, why = f(&s.Memory, &o, c)
			s.Memory.Next = o.Now.Add(every)
		}
		d := scale.Decision{Have: c.have, Wanted: want}
		step := func(rule scale.Rule, from, to int, note string) int {
			if from != to || len(d.Reasons) == 0 {
				d.Reasons = append(d.Reasons, scale.Reason{Rule: rule, From: from, To: to, Note: note})
			}
			return to
		}
		n := step(Rule, c.have, max(want, 0), why)
		n = step(scale.RuleMin, n, max(n, b.Min), fmt.Sprintf("minimum %d", b.Min))
		n = step(scale.RuleMax, n, min(n, b.Max), fmt.Sprintf("maximum %d", b.Max))
		d.Want = n
		if n < c.have {
			d.Victims = newest(&o, c.have-n)
		}
		s.Now, s.Want = o.Now, n
		return d, s
	}
}

// newest returns the n youngest replicas, starting ones first.
func newest(o *scale.Observation, n int) []string {
	ids := make([]string, 0, n)
	for _, state := range []weir.ReplicaState{weir.Starting, weir.Ready} {
		for i := len(o.Replicas) - 1; i >= 0 && n > 0; i-- {
			if r := &o.Replicas[i]; r.State == state && r.Size() <= n {
				ids = append(ids, r.ID)
				n -= r.Size()
			}
		}
	}
	return ids
}

// queued returns the requests at the gateway and, where known, in engines.
func queued(o *scale.Observation) float64 {
	return float64(o.Waiting + max(0, o.EngineWaiting))
}

// ongoing returns all requests that have arrived and are not done.
func ongoing(o *scale.Observation) float64 { return float64(o.InFlight + o.Waiting) }

func orDefault(v, def float64) float64 {
	if v == 0 {
		return def
	}
	return v
}

// Static is a fixed number of replicas.
type Static struct {
	Bounds
	Replicas int // the knob; 0: Max
}

// Decider returns the policy.
func (b Static) Decider() scale.Decider {
	n := b.Replicas
	if n == 0 {
		n = b.Max
	}
	return b.decider(time.Second, func(*scale.Memory, *scale.Observation, census) (int, string) {
		return n, fmt.Sprintf("always %d", n)
	})
}
