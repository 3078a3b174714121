package plan

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"weir/engine"
	"weir/fleet/mem"
	"weir/price"
	"weir/scale"
	"weir/scale/baseline"
	"weir/sim"
	"weir/trace"
)

// Simulated is the result of the busiest minute, repeated at the replicas of an
// option.
type Simulated struct {
	Option   string        `json:"option"`
	Replicas int           `json:"replicas"`
	Played   time.Duration `json:"played_ns"` // total duration of the repeated minute
	Requests int           `json:"requests"`
	Attained float64       `json:"attained_share"` // within the SLO
	SLO      sim.SLO       `json:"slo"`
	TTFT     time.Duration `json:"ttft_p99_ns"`
	TPOT     time.Duration `json:"tpot_p99_ns"`
	About    []string      `json:"about,omitempty"` // of the times: their measured error, and what is inferred
}

// Bounds of a simulation.
const (
	playLongest  = 10 * time.Minute
	playRequests = 100_000
	playReplicas = 1000
)

// Simulate plays the busiest minute of the demand, at random times from a seed,
// to the replicas of an own option: the recommended one, or the cheapest. It is
// a run of package sim: dispatch as in production, with the option's replicas
// all the time. An error wraps ErrNoReplicas if the answer has no such option.
func Simulate(ctx context.Context, c *price.Catalogue, d Demand, a Answer, seed uint64) (Simulated, error) {
	o, share := a.ownOption()
	if o.ID == "" {
		return Simulated{}, ErrNoReplicas
	}
	if o.Replicas > playReplicas {
		return Simulated{}, fmt.Errorf("plan: %d replicas are more than the %d a simulation takes", o.Replicas, playReplicas)
	}
	m := &market{c: c, d: d, total: d.Total(), book: &book{}}
	m.by = m.hours()
	s, err := m.shape()
	if err != nil {
		return Simulated{}, err
	}
	v, err := c.VM(o.SKU)
	if err != nil {
		return Simulated{}, fmt.Errorf("plan: %w", err)
	}
	spec, _, err := m.replica(v, s, o.TP)
	if err != nil {
		return Simulated{}, fmt.Errorf("plan: %w", err)
	}
	rate := m.by.peak * share / 60
	played := time.Duration(min(playLongest.Seconds(), playRequests/rate) * float64(time.Second))
	r, err := s.play(ctx, spec, o, rate, played, seed)
	if err != nil {
		return Simulated{}, fmt.Errorf("plan: %w", err)
	}
	return Simulated{Option: o.Title(), Replicas: o.Replicas, Played: played, Requests: int(r.Arrived), SLO: r.SLO,
		Attained: r.Attainment, TTFT: r.TTFT.P99.Round(100 * time.Microsecond), TPOT: r.TPOT.P99.Round(100 * time.Microsecond), About: spec.About}, nil
}

// play runs requests of drawn lengths, as saturate does, at a rate through the simulator.
func (s shape) play(ctx context.Context, spec engine.Spec, o Option, rate float64, played time.Duration, seed uint64) (*sim.Result, error) {
	arrivals, err := trace.Gamma(rate, 1, played, rand.New(rand.NewPCG(seed, 2)), func(rng *rand.Rand) (int, int) {
		return int(rng.ExpFloat64() * float64(s.input)), int(rng.ExpFloat64() * float64(s.output))
	})
	if err != nil {
		return nil, err
	}
	fixed := baseline.Static{Bounds: baseline.Bounds{Min: o.Replicas, Max: o.Replicas}, Replicas: o.Replicas}
	return sim.Run(ctx, sim.Config{
		Seed: seed, Source: arrivals, Model: "open", SLO: sim.SLO{TTFT: s.slo.TTFT, TPOT: s.slo.TPOT},
		Tick: played + time.Second, // no scaling decision
		Deployments: []sim.Deployment{{Name: "own", Own: &sim.Own{
			Engine: spec, GPUs: o.TP, Initial: o.Replicas, Fleet: mem.Deployment{ColdStart: time.Second},
			Policy: scale.Policy{Min: o.Replicas, Max: o.Replicas}, Decide: fixed.Decider(), By: "plan",
		}}},
	})
}

// ErrNoReplicas: no alternative with own replicas is available at a known
// price.
var ErrNoReplicas = errors.New("plan: there are no replicas to simulate: name an open model that fits a VM size with a known price")

// ownOption is the option to simulate, and the share of the demand it serves.
func (a Answer) ownOption() (Option, float64) {
	if o := a.Advice.Option; o != nil && o.Kind == Own {
		return *o, a.Advice.Rest
	}
	for _, o := range a.Options {
		if o.Kind == Own && o.Available() {
			return o, 1
		}
	}
	return Option{}, 0
}
