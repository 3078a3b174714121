package scale

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"weir"
)

// The baselines are the autoscalers people run today, each from its published
// source or documents and with its defaults, so that Decide can be compared
// with them on the same traffic. They are as good and as bad as the originals;
// where one reads signals per pod, it gets what those signals would have been.
// Each has one main knob to be swept, and its own notion of a tick: called more
// often, it repeats its last word.

// Bounds are a baseline's fewest and most replicas.
type Bounds struct {
	Min, Max int
}

// RuleBaseline is what a baseline's own formula came to.
const RuleBaseline Rule = "baseline"

// Memory is what baselines remember.
type Memory struct {
	Next    weir.Instant `json:"next,omitempty"`    // decide anew from then on
	Levels  []Level      `json:"levels,omitempty"`  // of the metric; at most maxLevels
	Advised []Peak       `json:"advised,omitempty"` // recommendations within a stabilisation window
	Since   weir.Instant `json:"since,omitempty"`   // panic, cooldown or delay began
	Until   weir.Instant `json:"until,omitempty"`
	Most    int          `json:"most,omitempty"`  // while in panic
	Way     int          `json:"way,omitempty"`   // of a change being delayed: 1 up, -1 down
	Value   float64      `json:"value,omitempty"` // a smoothed level
	Trend   float64      `json:"trend,omitempty"`
	From    Sample       `json:"from,omitzero"`
	Answers Answers      `json:"answers,omitzero"` // how long they are, for those that plan by work
	Days    []float32    `json:"days,omitempty"`   // load by time of day
}

// Level is a metric at a moment.
type Level struct {
	At weir.Instant `json:"at"`
	V  float64      `json:"v"`
}

const maxLevels = 360

// Make describes a baseline to be made by name.
type Make struct {
	Bounds
	Knob           float64  // its main knob; 0: its default
	Capacity       Capacity // of one replica, for those that plan by a profile
	MaxConcurrency int      // requests one replica admits, for those that plan by concurrency
	SLO            weir.SLO
}

// makers are the baselines by name, with what the knob is.
var makers = []struct {
	name, knob string
	make       func(Make) Decider
}{
	{"static", "replicas", func(m Make) Decider { return Static{m.Bounds, int(m.Knob)}.Decider() }},
	{"hpa", "GPU utilisation", func(m Make) Decider { return HPA{Bounds: m.Bounds, Metric: ByUtilisation, Target: m.Knob}.Decider() }},
	{"hpa-queue", "requests queued per replica", func(m Make) Decider { return HPA{Bounds: m.Bounds, Metric: ByQueue, Target: m.Knob}.Decider() }},
	{"hpa-concurrency", "requests in flight and queued per replica", func(m Make) Decider {
		return HPA{Bounds: m.Bounds, Metric: ByConcurrency, Target: m.concurrency()}.Decider()
	}},
	{"keda", "requests queued per replica", func(m Make) Decider { return KEDA{m.Bounds, m.Knob}.Decider() }},
	{"kpa", "concurrency per replica", func(m Make) Decider { return KPA{m.Bounds, m.concurrency()}.Decider() }},
	{"apa", "concurrency per replica", func(m Make) Decider { return APA{m.Bounds, m.concurrency()}.Decider() }},
	{"wva", "spare queue per replica", func(m Make) Decider { return WVA{m.Bounds, m.Knob, m.MaxConcurrency}.Decider() }},
	{"dynamo", "share of the capacity used", func(m Make) Decider { return Dynamo{m.Bounds, m.Knob, m.Capacity, m.SLO}.Decider() }},
	{"ray", "ongoing requests per replica", func(m Make) Decider { return Ray{m.Bounds, m.Knob}.Decider() }},
	{"azure-monitor", "GPU utilisation that adds replicas", func(m Make) Decider { return AzureMonitor{m.Bounds, m.Knob}.Decider() }},
	{"yesterday", "share of the capacity used", func(m Make) Decider { return Yesterday{m.Bounds, m.Knob, m.Capacity}.Decider() }},
}

// concurrency is the knob, or 70 % of what a replica admits.
func (m Make) concurrency() float64 {
	if m.Knob > 0 {
		return m.Knob
	}
	return (&Policy{MaxConcurrency: m.MaxConcurrency}).usualConcurrency()
}

// Baseline makes a baseline by its name.
func Baseline(name string, m Make) (Decider, error) {
	if m.Max < 1 || m.Min < 0 || m.Min > m.Max || m.Knob < 0 {
		return nil, fmt.Errorf("baseline %q: min %d, max %d, knob %v: want 0 <= min <= max, max >= 1 and knob >= 0", name, m.Min, m.Max, m.Knob)
	}
	for _, b := range makers {
		if b.name == name {
			return b.make(m), nil
		}
	}
	return nil, fmt.Errorf("no policy %q; there are %s", name, strings.Join(Baselines(), ", "))
}

// Baselines are the names Baseline knows.
func Baselines() []string {
	names := make([]string, len(makers))
	for i, b := range makers {
		names[i] = b.name
	}
	return names
}

// Knob says what the main knob of a baseline is, "" for one there is not.
func Knob(name string) string {
	for _, b := range makers {
		if b.name == name {
			return b.knob
		}
	}
	return ""
}

// census is what baselines know of replicas.
type census struct{ starting, ready, draining, have int }

func take(o *Observation) (c census) {
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

// formula is a baseline's own part: what it wants, and why. It may change m.
type formula func(m *Memory, o *Observation, c census) (want int, why string)

// decider wraps a formula: every so often it is asked, its answer is bounded,
// and the newest replicas are the victims, as of most places that choose
// without looking.
func (b Bounds) decider(every time.Duration, f formula) Decider {
	return func(s State, o Observation) (Decision, State) {
		c := take(&o)
		want, why := s.Want, "holding until the next turn"
		if s.Now == 0 {
			want = c.have
		}
		if o.Now >= s.Memory.Next || s.Now == 0 {
			want, why = f(&s.Memory, &o, c)
			s.Memory.Next = o.Now.Add(every)
		}
		d := Decision{Have: c.have, Wanted: want}
		step := func(rule Rule, from, to int, note string) int {
			if from != to || len(d.Reasons) == 0 {
				d.Reasons = append(d.Reasons, Reason{Rule: rule, From: from, To: to, Note: note})
			}
			return to
		}
		n := step(RuleBaseline, c.have, max(want, 0), why)
		n = step(RuleMin, n, max(n, b.Min), fmt.Sprintf("minimum %d", b.Min))
		n = step(RuleMax, n, min(n, b.Max), fmt.Sprintf("maximum %d", b.Max))
		d.Want = n
		if n < c.have {
			d.Victims = newest(&o, c.have-n)
		}
		s.Now, s.Want = o.Now, n
		return d, s
	}
}

// newest are the n youngest replicas, those that start first.
func newest(o *Observation, n int) []string {
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

// level adds the metric and forgets what is older than window.
func (m *Memory) level(now weir.Instant, v float64, window time.Duration) {
	levels := m.Levels
	for len(levels) > 0 && now.Sub(levels[0].At) >= window {
		levels = levels[1:]
	}
	m.Levels = push(levels, Level{now, v}, maxLevels)
}

// mean is that of the levels of the last d.
func (m *Memory) mean(now weir.Instant, d time.Duration) float64 {
	sum, n := 0.0, 0
	for i := len(m.Levels) - 1; i >= 0 && now.Sub(m.Levels[i].At) < d; i-- {
		sum += m.Levels[i].V
		n++
	}
	return sum / float64(max(n, 1))
}

// stabilised is the highest recommendation within d, this one included.
func (m *Memory) stabilised(now weir.Instant, n int, d time.Duration) int {
	m.Advised = needed(within(m.Advised, now, d), Peak{At: now, N: n})
	return m.Advised[0].N
}

// lowest is the lowest recommendation within d, this one included.
func (m *Memory) lowest(now weir.Instant, n int, d time.Duration) int {
	m.Advised = push(within(m.Advised, now, d), Peak{At: now, N: n}, maxPeaks)
	return slices.MinFunc(m.Advised, func(a, b Peak) int { return a.N - b.N }).N
}

// queuedRequests are those at the gateway and, where told, in engines.
func (o *Observation) queuedRequests() float64 {
	return float64(o.Waiting + max(0, o.EngineWaiting))
}

// ongoing is every request that has come and is not done.
func (o *Observation) ongoing() float64 { return float64(o.InFlight + o.Waiting) }

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
func (b Static) Decider() Decider {
	n := b.Replicas
	if n == 0 {
		n = b.Max
	}
	return b.decider(time.Second, func(*Memory, *Observation, census) (int, string) {
		return n, fmt.Sprintf("always %d", n)
	})
}
