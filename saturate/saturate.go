// Package saturate answers one question: the highest rate of one replica within
// its SLO. plan sizes replicas by it, fit ranks GPUs by it, check compares
// targets with it: the same replica, requests and SLO give the same figure
// everywhere.
//
// Requests come at random times (Poisson) with drawn lengths (exponential
// around the means, of a fixed seed); package engine serves them. One that not
// even an idle replica would serve in time counts for nothing: no rate helps
// it. It knows neither queues before a replica nor routing: package sim
// simulates those. engine.Spec.Capacity is a faster estimate, of tokens, for
// policies that learn the rest.
package saturate

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"sort"
	"time"

	"weir"
	"weir/engine"
)

// DefaultGoal is the share of requests that must meet the SLO by default.
const DefaultGoal = 0.99

// Load is the load on a replica.
type Load struct {
	Prompt, Output int      // tokens of a request, mean
	SLO            weir.SLO // TTFT must be given; without TPOT the tokens after the first count no time
	Goal           float64  // share of requests that must meet it; 0: DefaultGoal
}

// Most is the highest load at which a replica meets the SLO.
type Most struct {
	Rate     float64 // requests a second; 0: not even one request alone meets the SLO
	InFlight float64 // requests it holds at that rate, on average
	Busy     float64 // share of the time its GPU works

	// OutOfReach is the share of requests that an idle replica does not serve
	// in time. They are not among those that meet the SLO or miss it.
	OutOfReach float64
}

// Bounds of one probe, in requests, and how near the answer comes.
const (
	minProbe  = 800
	maxProbe  = 100_000
	precision = 1.01
	seed      = 0x736174
)

// ErrLoad: the load is invalid.
var ErrLoad = errors.New("saturate: bad load")

func (l Load) withDefaults() (Load, error) {
	if l.Goal == 0 {
		l.Goal = DefaultGoal
	}
	if l.SLO.TTFT <= 0 || l.SLO.TPOT < 0 || l.Prompt < 0 || l.Output < 0 || !(l.Goal > 0 && l.Goal <= 1) {
		return l, fmt.Errorf("%w: %d tokens in, %d out, TTFT %v, TPOT %v, goal %v: a TTFT above 0 is needed, and a goal from 0 to 1", ErrLoad,
			l.Prompt, l.Output, l.SLO.TTFT, l.SLO.TPOT, l.Goal)
	}
	l.Prompt = max(1, l.Prompt)
	return l, nil
}

// Of finds the highest rate at which one replica meets the SLO, to 1 %. It is
// never more than maxProbe requests can show. The error is the Load's, or
// engine's, for a request that fits no replica.
func Of(spec engine.Spec, l Load) (Most, error) {
	l, err := l.withDefaults()
	if err != nil {
		return Most{}, err
	}
	alone, err := mean(spec, l)
	if err != nil || alone.attained < 1 {
		return Most{}, err
	}
	spec.PrefixCache = false // the prompts are different ones
	longest := l.longest(spec)
	seconds := l.seconds(alone)
	var good probe
	try := func(rate float64) bool {
		var r probe
		if r, err = serve(spec, l, longest, rate, requests(rate, seconds)); err != nil || r.attained < l.Goal {
			return false
		}
		good = r
		return true
	}
	low, high := 0.0, min(1/alone.last.Seconds(), maxProbe/seconds)
	for try(high) {
		if low = high; 2*high*seconds > maxProbe {
			return good.most(low), nil
		}
		high *= 2
	}
	for err == nil && high > low*precision && high > 1e-6 {
		middle := (low + high) / 2
		if low > 0 {
			middle = math.Sqrt(low * high)
		}
		if try(middle) {
			low = middle
		} else {
			high = middle
		}
	}
	return good.most(low), err
}

// Attained is the share of requests one replica serves within the SLO at a
// rate, in requests a second.
func Attained(spec engine.Spec, l Load, rate float64) (float64, error) {
	l, err := l.withDefaults()
	if err != nil {
		return 0, err
	}
	alone, err := mean(spec, l)
	if err != nil {
		return 0, err
	}
	spec.PrefixCache = false
	l.Goal = 0 // to the end, however many miss
	r, err := serve(spec, l, l.longest(spec), rate, requests(rate, l.seconds(alone)))
	return r.attained, err
}

// seconds is the duration of a probe: long enough for the batch to fill as in
// the steady state, and for a backlog that grows by a thirtieth to miss the
// SLO.
func (l Load) seconds(alone probe) float64 {
	return max(4*alone.last.Seconds(), 30*l.SLO.TTFT.Seconds())
}

func requests(rate, seconds float64) int {
	return min(maxProbe, max(minProbe, int(rate*seconds)))
}

// probe is the result of one run.
type probe struct {
	attained float64       // share, of those of the second half
	last     time.Duration // until the last one ended
	held     time.Duration // mean time a request of the second half stayed
	busy     time.Duration // of the GPU
	beyond   float64       // share of requests out of reach
}

func (t probe) most(rate float64) Most {
	if rate == 0 {
		return Most{}
	}
	return Most{Rate: rate, InFlight: rate * t.held.Seconds(), Busy: min(1, float64(t.busy)/float64(max(t.last, 1))), OutOfReach: t.beyond}
}

// mean plays one request of the mean lengths to an idle replica.
func mean(spec engine.Spec, l Load) (probe, error) {
	p := player{Load: l, sent: []request{{prompt: l.Prompt, output: l.Output, counts: true}}}
	return p.play(engine.New(spec), 0)
}

// longest is the longest prompt whose first token an idle replica returns in
// time.
func (l Load) longest(spec engine.Spec) int {
	return sort.Search(max(spec.KVTokens, 2), func(n int) bool {
		p := player{Load: Load{SLO: weir.SLO{TTFT: l.SLO.TTFT}}, sent: []request{{prompt: max(1, n), output: 1, counts: true}}}
		r, err := p.play(engine.New(spec), 0)
		return err != nil || r.attained < 1
	}) - 1
}

// serve plays n requests at a rate to one replica.
func serve(spec engine.Spec, l Load, longest int, rate float64, n int) (probe, error) {
	p := player{Load: l, sent: l.draw(longest, rate, n, spec.KVTokens)}
	r, err := p.play(engine.New(spec), n/2) // the batch fills during the first half
	r.beyond = p.beyond()
	return r, err
}

// beyond is the share of requests that do not count.
func (p *player) beyond() float64 {
	n := 0
	for i := range p.sent {
		if !p.sent[i].counts {
			n++
		}
	}
	return float64(n) / float64(max(len(p.sent), 1))
}

// request is one request of a run.
type request struct {
	at, first      weir.Instant
	prompt, output int
	counts         bool // an idle replica would serve it in time
}

// draw makes n requests, cut to the length a replica can hold.
func (l Load) draw(longest int, rate float64, n, room int) []request {
	rng := rand.New(rand.NewPCG(seed, 1))
	all := make([]request, n)
	now := weir.Instant(0)
	for i := range all {
		now = now.Add(time.Duration(rng.ExpFloat64() / rate * float64(time.Second)))
		prompt, output := int(rng.ExpFloat64()*float64(l.Prompt)), int(rng.ExpFloat64()*float64(l.Output))
		q := request{at: now, prompt: max(1, prompt), output: min(max(min(1, l.Output), output), room/2)}
		q.prompt = min(q.prompt, max(1, room-q.output))
		q.counts = q.prompt <= longest
		all[i] = q
	}
	return all
}

// player plays requests to one replica and judges them.
type player struct {
	Load
	sent        []request
	met, judged int
	held        time.Duration
	end         weir.Instant
}

// play judges the requests from the first one judged on. It stops early, with
// nothing attained, once more have missed than the goal allows.
func (p *player) play(r *engine.Replica, first int) (probe, error) {
	for i := range p.sent {
		q := &p.sent[i]
		if p.Goal > 0 && float64(p.judged-p.met) > (1-p.Goal)*float64(len(p.sent)) {
			return probe{}, nil
		}
		p.see(r.Advance(q.at), first)
		if err := r.Arrive(q.at, engine.Request{ID: uint64(i), Prompt: q.prompt, Output: q.output}); err != nil {
			return probe{}, fmt.Errorf("saturate: %w", err)
		}
	}
	for next := r.Next(); next != 0; next = r.Next() {
		p.see(r.Advance(next), first)
	}
	if p.judged == 0 {
		return probe{}, errors.New("saturate: no request was served that counts")
	}
	return probe{attained: float64(p.met) / float64(p.judged), last: p.end.Sub(0), held: p.held / time.Duration(p.judged), busy: r.Load().GPUBusy}, nil
}

func (p *player) see(events []engine.Event, first int) {
	for _, e := range events {
		q := &p.sent[e.ID]
		switch e.Kind {
		case engine.FirstToken:
			q.first = e.At
		case engine.Finished:
			p.end = e.At
			if int(e.ID) < first || !q.counts {
				continue
			}
			p.judged++
			p.held += e.At.Sub(q.at)
			if p.within(q, e.At) {
				p.met++
			}
		}
	}
}

// within reports whether one request met the SLO.
func (l Load) within(q *request, finished weir.Instant) bool {
	first := q.first
	if q.output == 0 {
		first = finished
	}
	if first.Sub(q.at) > l.SLO.TTFT {
		return false
	}
	return l.SLO.TPOT == 0 || q.output < 2 || finished.Sub(first) <= l.SLO.TPOT*time.Duration(q.output-1)
}
