package scale

import (
	"math"
	"time"
)

// rates is the arriving load, computed from the totals.
type rates struct {
	known     bool
	requests  float64 // per second
	work      float64 // replica-seconds of a nominal replica per second
	mean      float64 // of work, over the level window
	last      float64 // of work, over the long window
	load      float64 // the unit of forecasts, per second, over the long window
	burst     float64 // like work, over the short window
	coming    float64 // requests arrived per second, over the long window
	finished  float64 // requests completed per second, over the long window
	completed float64 // requests completed per second, over the short window
	prefill   float64 // the prefill part of work
	flying    float64 // requests in flight, mean over the short window
	held      float64 // the same, over the long window
	perToken  float64 // replica-seconds of a nominal replica per token of the present mix
	surge     bool    // the short window shows more than chance explains
}

// speeds returns a nominal replica's tokens per second.
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

// work returns the time a nominal replica needs for these tokens, in seconds,
// with outputs scaled by ratio. Prefill and decode share one machine, and their
// times add.
func (p *Policy) work(prompt, output uint64, ratio float64) float64 {
	prefill, decode := p.speeds()
	return float64(prompt)/prefill + ratio*float64(output)/decode
}

const (
	riseSure  = 1.5 // standard deviations by which the long window must exceed the rate
	surgeSure = 3.0 // the same for a surge
	surgeLast = 3   // divides the cold start: a surge counts when it has lasted that long
)

// rateNow returns the arriving load: the mean over the level window, or the
// statistically certain part of a rise in a shorter window. A surge that ends
// before a replica could be ready is left to the queue.
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
	r.mean = r.work
	r.coming, r.last = p.arrivals(long, now, ratio)
	_, r.burst = p.arrivals(short, now, ratio)
	t.rises(&r, long, now, riseSure)
	fast, _ := s.since(o.Now, min(max(t.cold/surgeLast, shortWindow), longWindow))
	if fast.At > long.At && t.surges(long, fast, now) {
		r.surge = t.rises(&r, fast, now, surgeSure)
	}
	return r
}

// rises raises the rates to the certain part of those since from: what remains
// after subtracting sure standard deviations.
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
// The number of independent arrivals varies by its square root. An excess of
// three times that, plus three requests, is not chance. The three requests keep
// a quiet service from reacting to a pair.
func (t *turn) surges(base, from, now Sample) bool {
	before, _ := t.p.arrivals(base, from, 1)
	expected := before * seconds(now.At.Sub(from.At))
	return float64(now.Arrived-from.Arrived) > expected+3*math.Sqrt(expected)+3
}

// arrivals returns requests and work per second between two samples.
func (p *Policy) arrivals(a, b Sample, ratio float64) (requests, work float64) {
	dt := seconds(b.At.Sub(a.At))
	if dt <= 0 {
		return 0, 0
	}
	return float64(b.Arrived-a.Arrived) / dt, p.work(b.Prompt-a.Prompt, b.Output-a.Output, ratio) / dt
}

// perToken returns the work per token that arrived between a and b, or of a mix
// of four prompt tokens to one output token if none arrived.
func (p *Policy) perToken(a, b Sample, ratio float64) float64 {
	prompt, output := b.Prompt-a.Prompt, b.Output-a.Output
	if prompt+output == 0 {
		prompt, output = 4, 1
	}
	return p.work(prompt, output, ratio) / float64(prompt+output)
}

// meanFlying returns the mean number of requests in flight over a window.
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
