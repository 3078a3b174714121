package check

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"weir"
	"weir/config"
	"weir/price"
	"weir/report/words"
	"weir/saturate"
	"weir/sim"
	"weir/trace"
	"weir/whatif"
	"weir/wire"
)

// Bounds of check's simulations. Within them a deployment takes some tenths of
// a second.
const (
	probeRequests   = 2000 // of one run
	maxProbed       = 16   // deployments
	probeAfterPause = 10 * time.Minute
	probePause      = 10 * time.Minute
	probeSeed       = 1
)

// probe is one deployment that check tries in virtual time.
type probe struct {
	c       *config.Config
	m       *config.Model // with that deployment alone
	d       *config.Deployment
	path    string // of its scaling
	prices  *price.Catalogue
	lengths config.Profile // of the requests in its runs
	goal    float64        // share of requests that must meet the SLO
	backed  bool           // another deployment of the model answers while this one starts

	most saturate.Most
}

// unworkable are warnings of settings that cannot work, found by simulation of
// each deployment with known hardware and SLO; findings describe those
// deployments, a line each.
func unworkable(ctx context.Context, c *config.Config, prices *price.Catalogue) (warnings config.Faults, findings []string, err error) {
	probed := 0
	for i := range c.Models {
		for k := range c.Models[i].Deployments {
			m, d := c.Models[i], c.Models[i].Deployments[k]
			_, known := wire.EngineOf(&d, prices)
			if !known || d.Scaling == nil || m.SLO.TTFT == 0 || m.SLO.TPOT == 0 {
				continue
			}
			if probed++; probed > maxProbed {
				return warnings, append(findings, fmt.Sprintf("simulated: only the first %d deployments", maxProbed)), nil
			}
			m.Deployments = []config.Deployment{d}
			p := newProbe(c, &m, fmt.Sprintf("models[%d].deployments[%d].scaling", i, k), prices)
			p.backed = c.Models[i].AnswersMeanwhile()
			found, line, err := p.run(ctx)
			if err != nil {
				return nil, nil, fmt.Errorf("simulation of %s: %w", d.Name, err)
			}
			warnings, findings = append(warnings, found...), append(findings, line)
		}
	}
	return warnings, findings, nil
}

func newProbe(c *config.Config, m *config.Model, path string, prices *price.Catalogue) *probe {
	p := &probe{c: c, m: m, d: &m.Deployments[0], path: path, prices: prices, goal: 0.99,
		lengths: config.Profile{PromptTokens: wire.UsualPrompt, OutputTokens: wire.UsualOutput}}
	if given := p.d.Scaling.Profile; given != nil {
		p.lengths = *given
	}
	if a := p.d.Scaling.Attainment; a > 0 {
		p.goal = a.Fraction()
	}
	return p
}

func (p *probe) run(ctx context.Context) (config.Faults, string, error) {
	if err := p.saturate(); err != nil {
		return nil, "", err
	}
	what := fmt.Sprintf("%s, simulated with requests of %d and %d tokens that arrive at random: ", p.d.Name, p.lengths.PromptTokens, p.lengths.OutputTokens)
	if p.most.Rate == 0 {
		w := p.c.Fault(p.path, fmt.Sprintf("not even an idle replica meets ttft %v and tpot %v for %s of such requests", p.m.SLO.TTFT, p.m.SLO.TPOT, words.Percent(p.goal, 3)),
			"use a faster GPU, more GPUs, or another slo; see weir simulate")
		return config.Faults{w}, what + "no replica meets the slo", nil
	}
	warnings, err := p.targets(ctx)
	if err != nil {
		return nil, "", err
	}
	if out := p.most.OutOfReach; out > 1-p.goal {
		warnings = append(warnings, p.c.Fault(p.path, fmt.Sprintf("about %s of such requests cannot meet ttft %v on this replica at any count: their prompt alone takes longer", words.Percent(out, 2), p.m.SLO.TTFT),
			"raise slo.ttft or use a faster GPU; scaling adds no replicas for these requests"))
	}
	zero, err := p.pause(ctx)
	return append(warnings, zero...), fmt.Sprintf("%sone replica meets the slo up to %.3g/s, with %.0f in flight and its GPU %s busy",
		what, p.most.Rate, p.most.InFlight, words.Percent(p.most.Busy, 3)), err
}

// play simulates the deployment under a load that begins after a pause.
func (p *probe) play(ctx context.Context, rate float64, length, idle time.Duration, change func(*sim.Config)) (*sim.Result, error) {
	s := whatif.Setting{Model: p.m, Prices: p.prices, Blocks: 512}
	c, err := s.Config()
	if err != nil {
		return nil, err
	}
	rng := rand.New(rand.NewPCG(probeSeed, 0x70726f6265))
	arrivals, err := trace.Gamma(rate, 1, length, rng, func(rng *rand.Rand) (int, int) {
		return int(rng.ExpFloat64() * float64(p.lengths.PromptTokens)), int(rng.ExpFloat64() * float64(p.lengths.OutputTokens))
	})
	if err != nil {
		return nil, err
	}
	c.Seed, c.Source = probeSeed, trace.Delayed(arrivals, idle)
	c.Sample = max((length+idle)/100, time.Second)
	change(&c)
	return sim.Run(ctx, c)
}

// asked is the load on one replica.
func (p *probe) asked() saturate.Load {
	return saturate.Load{Prompt: p.lengths.PromptTokens, Output: p.lengths.OutputTokens, SLO: weir.SLO(p.m.SLO), Goal: p.goal}
}

// saturate finds one replica's highest rate within the SLO; none if not even
// one such request meets it.
func (p *probe) saturate() (err error) {
	spec, _ := wire.EngineOf(p.d, p.prices)
	if prefill, _ := spec.Capacity(p.lengths.PromptTokens, p.lengths.OutputTokens, p.m.SLO.TPOT); prefill <= 0 {
		return nil
	}
	p.most, err = saturate.Of(spec, p.asked())
	return err
}

// targets warns of targets above a replica's capacity.
func (p *probe) targets(ctx context.Context) (config.Faults, error) {
	s, most := p.d.Scaling, p.most
	var warnings config.Faults
	warn := func(key, problem, remedy string) {
		warnings = append(warnings, p.c.Fault(p.path+"."+key, problem, remedy))
	}
	safe := 0.8 // of a replica's capacity: what policies plan for
	if rate := s.TargetRequests.PerSecond(); rate > most.Rate {
		spec, _ := wire.EngineOf(p.d, p.prices)
		attained, err := saturate.Attained(spec, p.asked(), rate)
		if err != nil {
			return nil, err
		}
		warn("target_requests", fmt.Sprintf("at %.3g/s a replica meets the slo for %s of requests; it can do about %.3g/s", rate, words.Percent(attained, 3), most.Rate),
			fmt.Sprintf("give at most %.2g/s", safe*most.Rate))
	}
	if n := float64(s.TargetConcurrency); n > most.InFlight {
		warn("target_concurrency", fmt.Sprintf("a replica that just meets the slo has %.0f requests in flight: %d are reached too late", most.InFlight, s.TargetConcurrency),
			fmt.Sprintf("give at most %.0f", max(1, safe*most.InFlight)))
	}
	if limit := p.d.Capacity.MaxRequests; limit > 0 && s.TargetConcurrency > limit {
		warn("target_concurrency", fmt.Sprintf("%d are more than capacity.max_requests, which is %d", s.TargetConcurrency, limit), "give at most 70% of it")
	}
	if wait := float64(s.TargetQueue) / most.Rate; wait > p.m.SLO.TTFT.Seconds() {
		warn("target_queue", fmt.Sprintf("%d requests that wait for a replica take it %.1f s: more than slo.ttft of %v", s.TargetQueue, wait, p.m.SLO.TTFT),
			fmt.Sprintf("give at most %.0f", max(1, p.m.SLO.TTFT.Seconds()*most.Rate/2)))
	}
	if g := s.GPUUtilisation; g != nil && g.High.Fraction() > most.Busy {
		warn("gpu_utilisation.high", fmt.Sprintf("the GPU of a replica that just meets the slo is %s busy: %v is reached too late", words.Percent(most.Busy, 3), g.High),
			fmt.Sprintf("give at most %.0f%%", 100*safe*most.Busy))
	}
	p.overstated(warn)
	p.wasteful(warn)
	return warnings, nil
}

// overstated warns of a profile above a replica's capacity.
func (p *probe) overstated(warn func(key, problem, remedy string)) {
	c, l := wire.Capacity(p.m, p.d, p.prices), p.lengths
	use := 0.8
	if u := p.d.Scaling.TargetUse; u > 0 {
		use = u.Fraction()
	}
	said := p.d.Scaling.Profile != nil && (l.Requests > 0 || l.Prefill > 0 || l.Decode > 0)
	if !said || c.Prefill == 0 || c.Decode == 0 {
		return // computed, and then learned
	}
	planned := use / (float64(l.PromptTokens)/c.Prefill + float64(l.OutputTokens)/c.Decode)
	if planned > p.most.Rate {
		warn("profile", fmt.Sprintf("at %s of it a replica must serve %.3g/s, but it meets the slo only up to %.3g/s", words.Percent(use, 3), planned, p.most.Rate),
			"measure it again, remove it to have it computed, or lower target_use")
	}
}

// pause looks for the least minimum with which requests after a pause meet the
// SLO. It applies if no minimum is configured, a cold start is longer than the
// SLO allows, and no other deployment of the model answers meanwhile.
func (p *probe) pause(ctx context.Context) (config.Faults, error) {
	s := p.d.Scaling
	if s.Min > 0 || s.ColdStart <= p.m.SLO.TTFT || p.backed {
		return nil, nil
	}
	rate := p.most.Rate / 2
	length := min(probeAfterPause, time.Duration(probeRequests/rate*float64(time.Second))).Round(time.Second)
	with := func(least int) (float64, error) {
		r, err := p.play(ctx, rate, length, probePause+time.Minute, func(c *sim.Config) {
			own := c.Deployments[0].Own
			own.Policy.Min, own.Initial = least, least
			own.Policy.ZeroAfter, own.Policy.ScaleInAfter = min(own.Policy.ZeroAfter, probePause), min(own.Policy.ScaleInAfter, probePause)
		})
		if err != nil {
			return 0, err
		}
		return r.Attainment, nil
	}
	cold, err := with(0)
	if err != nil || cold >= p.goal {
		return nil, err
	}
	remedy := "no minimum up to max is enough"
	for least := 1; least <= min(s.Max, 8); least++ {
		warm, err := with(least)
		if err != nil {
			return nil, err
		}
		if warm >= p.goal {
			remedy = fmt.Sprintf("min: %d would do (%s), or accept this after a pause", least, words.Percent(warm, 3))
			break
		}
	}
	return config.Faults{p.c.Fault(p.path+".min", fmt.Sprintf(
		"with 0 replicas a cold start of %v breaks slo.ttft of %v: when %.2g/s arrive after a pause, %s of requests meet the slo in the first %v",
		s.ColdStart, p.m.SLO.TTFT, rate, words.Percent(cold, 3), length), remedy)}, nil
}

// instead are the warnings, with the simulation's in place of those for the
// same key.
func instead(warnings, simulated config.Faults) config.Faults {
	kept := slices.DeleteFunc(slices.Clone(warnings), func(w config.Fault) bool {
		return strings.HasSuffix(w.Path, ".scaling.min") && slices.ContainsFunc(simulated, func(s config.Fault) bool { return s.Path == w.Path })
	})
	return append(kept, simulated...)
}
