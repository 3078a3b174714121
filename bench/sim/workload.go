package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"time"

	"weir"
	"weir/config"
	"weir/control"
	"weir/engine"
	"weir/fleet/mem"
	"weir/price"
	"weir/scale"
	"weir/sim"
	"weir/trace"
	"weir/wire"
)

// workloads of the protocol. All are served by Llama-3.3-70B on 4 x A100 and
// held to 2 s (and 1 ms more per prompt token above 4,096) to the first token
// and 200 ms per token; the long contexts of Mooncake to its own 30 s.
var workloads = []struct {
	name string
	ttft time.Duration
}{
	{"azure24_code_tue", 2 * time.Second},
	{"azure24_conv_tue", 2 * time.Second},
	{"servegen_mlarge_day1", 2 * time.Second},
	{"servegen_r1_day", 2 * time.Second},
	{"azure23_code", 2 * time.Second},
	{"azure23_conv", 2 * time.Second},
	{"mooncake_conv", 30 * time.Second},
	{"mooncake_synthetic", 30 * time.Second},
}

// What every run shares.
const (
	gpus        = 4
	maxReplicas = 64
	admitted    = 64 // requests in flight per replica
	attainment  = 0.99
	spread      = 0.3 // of the logarithm of cold starts, in repeats
	scraped     = 15 * time.Second
	phaseStep   = 1500 * time.Millisecond
)

// workload is a trace at a load, in memory: oracles read it several times.
type workload struct {
	name     string
	load     float64
	slo      sim.SLO
	spec     engine.Spec
	arrivals []trace.Arrival
	capacity scale.Capacity // of a replica, on requests of the mean lengths: what the baselines plan by
	initial  int
}

func open(dir, name string, load float64) (*workload, error) {
	file, err := os.Open(filepath.Join(dir, name+".csv.gz"))
	if err != nil {
		return nil, err
	}
	defer file.Close()
	var src trace.Source
	if src, err = trace.NewReader(file); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if load != 1 {
		src = trace.Scale(src, load, rand.New(rand.NewPCG(1, 0x6c6f6164)))
	}
	w := &workload{name: name, load: load}
	if w.arrivals, err = trace.ReadAll(src); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if w.spec, err = engine.Lookup("A100-80GB", "Llama-3.3-70B", gpus, ""); err != nil {
		return nil, err
	}
	w.slo = sim.SLO{TTFT: 2 * time.Second, PerToken: time.Millisecond, Above: 4096, TPOT: 200 * time.Millisecond}
	for _, known := range workloads {
		if known.name == name && known.ttft != w.slo.TTFT {
			w.slo = sim.SLO{TTFT: known.ttft, TPOT: 200 * time.Millisecond}
		}
	}
	if name == "mooncake_conv" || name == "mooncake_synthetic" {
		w.spec.PrefixTokens = 512
	}
	w.measure()
	return w, nil
}

// measure finds the rate of a replica, and the number to begin with: twice as many
// as the first ten minutes keep busy.
func (w *workload) measure() {
	var prompt, output, early float64
	for _, a := range w.arrivals {
		prompt += float64(a.Prompt)
		output += float64(a.Output)
	}
	n := float64(len(w.arrivals))
	w.capacity.Prefill, w.capacity.Decode = w.spec.Capacity(int(prompt/n), int(output/n), w.slo.TPOT)
	for _, a := range w.arrivals {
		if a.At >= 10*time.Minute {
			break
		}
		early += float64(a.Prompt)/w.capacity.Prefill + float64(a.Output)/w.capacity.Decode
	}
	w.initial = min(max(1, int(2*early/600+0.5)), maxReplicas)
}

// config is a run of it, with Weir's policy.
func (w *workload) config(t trial) (sim.Config, error) {
	policy, err := w.policy(seconds(t.Cold))
	if err != nil {
		return sim.Config{}, err
	}
	own := &sim.Own{
		Engine: w.spec, GPUs: gpus, Initial: w.initial,
		Fleet:  mem.Deployment{ColdStart: seconds(t.Cold)},
		Policy: policy, By: t.Policy,
	}
	if t.Phase+t.Seed > 0 {
		own.Fleet.Sigma = spread
	}
	source := trace.Slice(w.arrivals)
	return sim.Config{
		Seed: uint64(t.Seed) + 1, Phase: time.Duration(t.Phase) * phaseStep,
		Source: &source, SLO: w.slo, Sample: time.Hour,
		Deployments: []sim.Deployment{{Name: "llama-70b", MaxRequests: admitted, Own: own}},
	}, nil
}

// user is Weir's policy as a user gets it from these lines of weir.yaml, the
// same for every trace: it is told nothing of the trace's lengths.
const user = `tenants: [{name: t, keys: [{name: k, hash: "sha256:%064d"}]}]
models:
  - name: llama-70b
    slo: {ttft: %v, tpot: %v}
    deployments:
      - name: llama-70b
        capacity: {max_requests: %d}
        process: {command: [serve, "{port}"], gpus: %d, runs_on: {gpu: A100-80GB, model: Llama-3.3-70B, tp: %d}}
        scaling: {min: 1, max: %d, cold_start: %v}
`

func (w *workload) policy(cold time.Duration) (scale.Policy, error) {
	c, err := config.Parse("weir.yaml", fmt.Appendf(nil, user, 0, w.slo.TTFT, w.slo.TPOT, admitted, gpus, gpus, maxReplicas, cold))
	if err != nil {
		return scale.Policy{}, err
	}
	prices, err := price.Default()
	if err != nil {
		return scale.Policy{}, err
	}
	m := &c.Models[0]
	return wire.Policy(m, &m.Deployments[0], prices)
}

// play runs a trial. fixed is the best constant number, where it is known, for
// the clairvoyant schedule to begin with.
func (w *workload) play(ctx context.Context, t trial, rounds, fixed int) (row, error) {
	switch t.Policy {
	case boundName:
		source := trace.Slice(w.arrivals)
		bound, err := sim.FluidBound(w.spec, &source)
		return row{trial: t, GPUHours: gpus * bound.Hours()}, err
	case oracleName:
		return w.oracle(ctx, t, rounds, fixed)
	}
	for _, c := range contenders(w, seconds(t.Cold)) {
		if c.name == t.Policy {
			config, err := w.config(t)
			if err != nil {
				return row{}, err
			}
			if err := c.enter(&config, t.Knob); err != nil {
				return row{}, err
			}
			r, err := sim.Run(ctx, config)
			if err != nil {
				return row{}, err
			}
			return rowOf(t, r), nil
		}
	}
	return row{}, fmt.Errorf("no policy %q", t.Policy)
}

// oracle is the cheapest clairvoyant schedule of several widths of slot: where
// answers take minutes, a change of every minute is paid for in drains and
// starts that a schedule of long slots does not make. It begins with what Weir
// kept ready and with the best constant number, and so costs no more than them.
func (w *workload) oracle(ctx context.Context, t trial, rounds, fixed int) (best row, err error) {
	best = row{trial: t} // an attainment of zero says that there is none
	kept, err := w.kept(ctx, t)
	if err != nil {
		return row{}, err
	}
	seeds := []sim.Schedule{kept}
	if fixed > 0 {
		seeds = append(seeds, sim.Schedule{Slot: time.Hour, Replicas: []int{fixed}})
	}
	for _, slot := range []time.Duration{time.Minute, 5 * time.Minute, 20 * time.Minute} {
		c, err := w.config(t)
		if err != nil {
			return row{}, err
		}
		_, r, err := sim.Clairvoyant(ctx, c, w.arrivals,
			sim.Search{Slot: slot, Attainment: attainment, Max: maxReplicas, Rounds: rounds, Seeds: seeds})
		if errors.Is(err, sim.ErrUnreachable) {
			continue
		}
		if err != nil {
			return row{}, err
		}
		if found := rowOf(t, r); best.GPUHours == 0 || found.GPUHours < best.GPUHours {
			best = found
		}
	}
	return best, nil
}

// kept is how many replicas Weir had ready, minute by minute.
func (w *workload) kept(ctx context.Context, t trial) (sim.Schedule, error) {
	s := sim.Schedule{Slot: time.Minute}
	c, err := w.config(t)
	if err != nil {
		return s, err
	}
	c.Decided = func(e control.Event) {
		k, ready := int(e.Observation.Now.Sub(sim.DefaultStart)/s.Slot), 0
		for _, r := range e.Observation.Replicas {
			if r.State == weir.Ready {
				ready++
			}
		}
		for len(s.Replicas) <= k {
			s.Replicas = append(s.Replicas, ready)
		}
		s.Replicas[k] = max(s.Replicas[k], ready)
	}
	_, err = sim.Run(ctx, c)
	return s, err
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }
