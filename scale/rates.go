package scale

import (
	"math"
	"time"
)

// rates is what arrives, from the totals.
type rates struct {
	known     bool
	requests  float64 // per second
	work      float64 // replica-seconds of a nominal replica per second
	load      float64 // what forecasts are about, per second, over the long window
	burst     float64 // as work, over the short window
	completed float64 // requests per second, over the short window
	flying    float64 // requests in flight, mean over the short window
	perToken  float64 // replica-seconds of a nominal replica per token of the present mix
	surge     bool    // the short window shows more than chance would
}

// speeds are what a nominal replica does, in tokens per second.
func (p *Policy) speeds() (prefill, decode float64) {
	prefill, decode = p.Capacity.Prefill, p.Capacity.Decode
	switch {
	case prefill == 0 && decode == 0:
		return nominalPrefill, nominalDecode
	case prefill == 0:
		prefill = decode * nominalPrefill / nominalDecode
	case decode == 0:
		decode = prefill * nominalDecode / nominalPrefill
	}
	return prefill, decode
}

// work is the time a nominal replica needs for these tokens, in seconds.
// Prefill and decode share one machine, so their times add.
func (p *Policy) work(prompt, output uint64) float64 {
	prefill, decode := p.speeds()
	return float64(prompt)/prefill + float64(output)/decode
}

// rates works out what arrives now: the mean over the long window, or over the
// short one when that holds more requests than the rate before it explains.
// Arrivals that know nothing of each other vary by the square root of their
// number; three of those, and three requests so that a quiet service is not
// woken by a pair, are not chance. From a surge on, the long window begins
// where the surge did: what was before it says nothing any more.
func (s *State) rates(p *Policy, o *Observation) rates {
	now := sampled(o)
	long, ok := s.since(o.Now, longWindow)
	if s.Surge > long.At && now.At.Sub(s.Surge) >= shortWindow {
		long, _ = s.since(o.Now, now.At.Sub(s.Surge))
	}
	if !ok || now.At <= long.At {
		return rates{flying: float64(now.Flying), perToken: p.perToken(Sample{}, now)}
	}
	r := rates{known: true, perToken: p.perToken(long, now), load: p.load(long, now)}
	r.requests, r.work = p.arrivals(long, now)
	r.flying = s.meanFlying(now)
	short, _ := s.since(o.Now, shortWindow)
	_, r.burst = p.arrivals(short, now)
	r.completed = float64(now.Done-short.Done) / seconds(now.At.Sub(short.At))
	if short.At > long.At {
		r.surge = r.surges(p, long, short, now)
	}
	if s.Surge != 0 && now.At.Sub(s.Surge) > longWindow {
		s.Surge = 0
	}
	if r.surge && s.Surge == 0 {
		s.Surge = short.At
	}
	return r
}

// surges says whether the short window holds more than chance explains, and
// then goes by it.
func (r *rates) surges(p *Policy, long, short, now Sample) bool {
	before, _ := p.arrivals(long, short)
	expected := before * seconds(now.At.Sub(short.At))
	if float64(now.Arrived-short.Arrived) <= expected+3*math.Sqrt(expected)+3 {
		return false
	}
	requests, work := p.arrivals(short, now)
	if requests <= r.requests {
		return false
	}
	r.requests, r.work = requests, max(work, r.work)
	return true
}

// arrivals are requests and work per second between two samples.
func (p *Policy) arrivals(a, b Sample) (requests, work float64) {
	dt := seconds(b.At.Sub(a.At))
	if dt <= 0 {
		return 0, 0
	}
	return float64(b.Arrived-a.Arrived) / dt, p.work(b.Prompt-a.Prompt, b.Output-a.Output) / dt
}

// perToken is the work in one token of what arrived between a and b, or of a
// mix of four prompt tokens to one of output when nothing did.
func (p *Policy) perToken(a, b Sample) float64 {
	prompt, output := b.Prompt-a.Prompt, b.Output-a.Output
	if prompt+output == 0 {
		prompt, output = 4, 1
	}
	return p.work(prompt, output) / float64(prompt+output)
}

// meanFlying is the mean of the level over the short window.
func (s *State) meanFlying(now Sample) float64 {
	sum, n := float64(now.Flying), 1.0
	for i := len(s.Samples) - 1; i >= 0 && now.At.Sub(s.Samples[i].At) < shortWindow; i-- {
		if s.Samples[i].At < now.At {
			sum += float64(s.Samples[i].Flying)
			n++
		}
	}
	return sum / n
}

func seconds(d time.Duration) float64 { return float64(d) / float64(time.Second) }
