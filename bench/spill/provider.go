package main

import (
	"math/rand/v2"
	"time"

	"weir"
	"weir/trace"
)

// request is one request of a trace with what its caller and gateway know.
type request struct {
	at             time.Duration
	prompt, output int
	max            int // max_tokens its caller sends
	guess          int // the prompt as a gateway estimates it from its bytes
}

// outputWeight is how many normalised tokens one of output counts (gpt-4o).
const outputWeight = 4

func (r *request) tokens() float64 { return float64(r.prompt + outputWeight*r.output) }

// demand is a trace, ready to be played.
type demand struct {
	requests []request
	length   time.Duration
	total    float64 // normalised tokens
}

// demandOf decorates arrivals: callers send as max_tokens the next power of two
// from 64 on that holds their answer; a gateway's idea of a prompt is off by up
// to a fifth.
func demandOf(arrivals []trace.Arrival) demand {
	rng := rand.New(rand.NewPCG(1, 2))
	var d demand
	for _, a := range arrivals {
		r := request{at: a.At - arrivals[0].At, prompt: a.Prompt, output: a.Output, max: 64}
		for r.max < r.output {
			r.max *= 2
		}
		r.guess = max(int(float64(r.prompt)*(0.8+0.4*rng.Float64())), 1)
		d.requests = append(d.requests, r)
		d.length = r.at
		d.total += r.tokens()
	}
	return d
}

func (d *demand) perMinute() float64 { return d.total / d.length.Minutes() }

// provisioned is a provisioned deployment as Azure describes it (Microsoft,
// "Provisioned throughput concepts", 2026-02-10): over the brim it refuses and
// says until when; otherwise it books prompt and max_tokens of any size, and
// corrects the booking when the answer is complete.
type provisioned struct {
	drain  float64 // normalised tokens a second
	burst  time.Duration
	others float64 // share of the throughput that callers beside this gateway use

	level   float64
	at      time.Duration
	refused int
}

// usual is what the bucket holds, as the time it takes to drain. Azure does not
// publish it.
const usual = 10 * time.Second

// provision returns a deployment that the demand loads so much.
func provision(d demand, load float64) provisioned {
	return provisioned{drain: d.total / d.length.Seconds() / load, burst: usual}
}

func (p *provisioned) advance(now time.Duration) {
	p.level = max(p.level-p.drain*(1-p.others)*(now-p.at).Seconds(), 0)
	p.at = now
}

// ask lets a request in, or says how long to stay away, in whole milliseconds.
func (p *provisioned) ask(now time.Duration, r *request) (wait time.Duration, ok bool) {
	p.advance(now)
	if over := p.level - p.drain*p.burst.Seconds(); over > 0 {
		p.refused++
		return time.Duration(over/p.drain/(1-p.others)*1000+1) * time.Millisecond, false
	}
	p.level += float64(r.prompt + outputWeight*r.max)
	return 0, true
}

func (p *provisioned) done(now time.Duration, r *request) {
	p.advance(now)
	p.level = max(p.level+outputWeight*float64(r.output-r.max), 0)
}

// Latency of either deployment: it is not what is compared.
func firstToken(r *request) time.Duration {
	return 250*time.Millisecond + time.Duration(r.prompt)*50*time.Microsecond
}

func whole(r *request) time.Duration {
	return firstToken(r) + time.Duration(r.output)*20*time.Millisecond
}

// slo is the promise to callers.
var slo = weir.SLO{TTFT: 2 * time.Second}

// floor is the tokens that must spill under any policy: the overflow of a bucket
// that holds the provider's burst and the requests that may wait, if requests could
// be split. No policy that starts each request within the slack does better.
func floor(d demand, p provisioned) float64 {
	var level, over float64
	at := time.Duration(0)
	drain := p.drain * (1 - p.others)
	for i := range d.requests {
		r := &d.requests[i]
		level = max(level-drain*(r.at-at).Seconds(), 0)
		at = r.at
		brim := p.drain*p.burst.Seconds() + drain*max(slo.TTFT-firstToken(r), 0).Seconds()
		level += r.tokens()
		if level > brim {
			over += level - brim
			level = brim
		}
	}
	return over
}
