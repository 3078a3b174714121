package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"weir"
	"weir/engine"
	"weir/fleet/mem"
	"weir/scale"
	"weir/sim"
	"weir/trace"
)

const (
	gpu      = "A100-80GB"
	gpus     = 4
	model    = "Llama-3.3-70B"
	admitted = 64
)

// simulated plays a trace on fixed numbers of replicas in virtual time.
func simulated(ctx context.Context, report *strings.Builder, w struct {
	name string
	slo  sim.SLO
}, as []trace.Arrival) error {
	spec, err := engine.Lookup(gpu, model, gpus, "")
	if err != nil {
		return err
	}
	spec.PrefixTokens = block
	fmt.Fprintf(report, "\n## %s, simulated\n\n%d requests, reuse possible %.1f %%.\n\n", w.name, len(as), 100*ideal(as))
	report.WriteString("| replicas | chosen by | reuse | TTFT mean | p50 | p90 | p99 | attained |\n|---|---|---|---|---|---|---|---|\n")
	prompt := 0
	for _, a := range as {
		prompt += a.Prompt
	}
	for _, n := range []int{12, 16, 20, 24} {
		for _, c := range contenders {
			source := trace.Slice(as)
			r, err := sim.Run(ctx, sim.Config{
				Source: &source, SLO: w.slo, Sample: time.Hour, Affinity: c.by,
				Deployments: []sim.Deployment{{Name: "llama-70b", MaxRequests: admitted, Own: &sim.Own{
					Engine: spec, GPUs: gpus, Initial: n, Fleet: mem.Deployment{ColdStart: time.Minute},
					Policy: scale.Policy{Min: n, Max: n, MaxConcurrency: admitted, ColdStart: time.Minute, SLO: weir.SLO{TTFT: w.slo.TTFT, TPOT: w.slo.TPOT}},
				}}},
			})
			if err != nil {
				return err
			}
			fmt.Fprintf(report, "| %d | %s | %.1f %% | %v | %v | %v | %v | %.2f %% |\n", n, c.name,
				100*float64(r.Deployments[0].CachedPrompt)/float64(prompt),
				round(r.TTFT.Mean), round(r.TTFT.P50), round(r.TTFT.P90), round(r.TTFT.P99), 100*r.Attainment)
		}
	}
	return nil
}

func round(d time.Duration) time.Duration { return d.Round(10 * time.Millisecond) }
