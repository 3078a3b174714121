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
	coming    float64 // requests per second, over the long window
	finished  float64 // requests completed per second, over the long window
	completed float64 // requests per second, over the short window
	prefill   float64 // of work, what is prefill
	flying    float64 // requests in flight, mean over the short window
	held      float64 // the same over the long window
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

// work is the time a nominal replica needs for these tokens, in seconds, when
// answers are ratio times as long as they are said to be. Prefill and decode
// share one machine, so their times add.
func (p *Policy) work(prompt, output uint64, ratio float64) float64 {
	prefill, decode := p.speeds()
	return float64(prompt)/prefill + ratio*float64(output)/decode
}

const (
	riseSure  = 1.5 // standard deviations beyond which the long window is believed
	surgeSure = 3.0 // and the one in which a surge shows
	surgeLast = 3   // a surge counts when it has lasted for a cold start divided by this
)

// rateNow works out what arrives: the mean over the level window, or what is
// certain of a rise that shows in a shorter one. A surge that is over before a
// replica could be ready is left to the queue.
func (t *turn) rateNow() rates {
	s, p, o := t.s, t.p, t.o
	now, ratio := sampled(o), s.Answers.ratio()
	level, ok := s.since(o.Now, levelWindow)
	over := now.At.Sub(level.At)
	if !ok || over < shortWindow {
		return rates{flying: float64(now.Flying), perToken: p.perToken(Sample{}, now, ratio)}
	}
	long, _ := s.since(o.Now, longWindow)
	short, _ := s.since(o.Now, shortWindow)
	r := rates{
		known: true, perToken: p.perToken(level, now, ratio), load: p.load(long, now, ratio),
		prefill: p.work(now.Prompt-level.Prompt, 0, ratio) / seconds(over),
		flying:  s.meanFlying(now, shortWindow), held: s.meanFlying(now, longWindow),
		completed: float64(now.Done-short.Done) / seconds(now.At.Sub(short.At)),
		finished:  float64(now.Done-long.Done) / seconds(now.At.Sub(long.At)),
	}
	r.requests, r.work = p.arrivals(level, now, ratio)
	r.coming, _ = p.arrivals(long, now, ratio)
	_, r.burst = p.arrivals(short, now, ratio)
	t.rises(&r, long, now, riseSure)
	fast, _ := s.since(o.Now, min(max(t.cold/surgeLast, shortWindow), longWindow))
	if fast.At > long.At && t.surges(long, fast, now) {
		r.surge = t.rises(&r, fast, now, surgeSure)
	}
	return r
}

// rises raises the rates to what is certain of those since from: what is more
// than so many standard deviations below them.
func (t *turn) rises(r *rates, from, now Sample, sure float64) bool {
	over := now.At.Sub(from.At)
	if over < shortWindow {
		return false
	}
	requests, work := t.p.arrivals(from, now, t.s.Answers.ratio())
	work -= sure * t.s.Chance.deviation(r.work, over)
	requests -= sure * math.Sqrt(r.requests/seconds(over))
	rose := work > r.work || requests > r.requests
	r.work, r.requests = max(r.work, work), max(r.requests, requests)
	return rose
}

// surges says whether more arrived since from than the rate before it explains.
// Arrivals that know nothing of each other vary by the square root of their
// number; three of those, and three requests so that a quiet service is not
// woken by a pair, are not chance.
func (t *turn) surges(base, from, now Sample) bool {
	before, _ := t.p.arrivals(base, from, 1)
	expected := before * seconds(now.At.Sub(from.At))
	return float64(now.Arrived-from.Arrived) > expected+3*math.Sqrt(expected)+3
}

// arrivals are requests and work per second between two samples.
func (p *Policy) arrivals(a, b Sample, ratio float64) (requests, work float64) {
	dt := seconds(b.At.Sub(a.At))
	if dt <= 0 {
		return 0, 0
	}
	return float64(b.Arrived-a.Arrived) / dt, p.work(b.Prompt-a.Prompt, b.Output-a.Output, ratio) / dt
}

// perToken is the work in one token of what arrived between a and b, or of a
// mix of four prompt tokens to one of output when nothing did.
func (p *Policy) perToken(a, b Sample, ratio float64) float64 {
	prompt, output := b.Prompt-a.Prompt, b.Output-a.Output
	if prompt+output == 0 {
		prompt, output = 4, 1
	}
	return p.work(prompt, output, ratio) / float64(prompt+output)
}

// meanFlying is the mean of the level over a window.
func (s *State) meanFlying(now Sample, over time.Duration) float64 {
	sum, n := float64(now.Flying), 1.0
	for i := len(s.Samples) - 1; i >= 0 && now.At.Sub(s.Samples[i].At) < over; i-- {
		if s.Samples[i].At < now.At {
			sum += float64(s.Samples[i].Flying)
			n++
		}
	}
	return sum / n
}

func seconds(d time.Duration) float64 { return float64(d) / float64(time.Second) }
