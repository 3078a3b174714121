package plan

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"weir"
	"weir/engine"
	"weir/price"
)

// Simulated is what became of the busiest minute, played again and again to
// the replicas of an option.
type Simulated struct {
	Option   string        `json:"option"`
	Replicas int           `json:"replicas"`
	Played   time.Duration `json:"played_ns"` // how long the busiest minute went on
	Requests int           `json:"requests"`
	Attained float64       `json:"attained_share"` // within the SLO
	SLO      weir.SLO      `json:"slo"`
	TTFT     time.Duration `json:"ttft_p95_ns"`
	TPOT     time.Duration `json:"tpot_p95_ns"`
}

// Bounds of a simulation.
const (
	playLongest  = 10 * time.Minute
	playRequests = 100_000
	playReplicas = 1000
)

// Simulate plays the busiest minute of the demand, at random times from a
// seed, to the replicas of an own option: the recommended one, or the cheapest
// there is. Requests go to the replica that holds the fewest. An error wraps
// ErrNoReplicas when the answer has no such option.
func Simulate(c *price.Catalogue, d Demand, a Answer, seed uint64) (Simulated, error) {
	o, share := a.ownOption()
	if o.ID == "" {
		return Simulated{}, ErrNoReplicas
	}
	if o.Replicas > playReplicas {
		return Simulated{}, fmt.Errorf("plan: %d replicas are more than the %d that are simulated", o.Replicas, playReplicas)
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
	p := play{shape: s, rate: rate, rng: rand.New(rand.NewPCG(seed, 2))}
	p.until = weir.Instant(time.Duration(min(playLongest.Seconds(), playRequests/rate) * float64(time.Second)))
	for range o.Replicas {
		p.replicas = append(p.replicas, engine.New(spec))
	}
	if err := p.run(); err != nil {
		return Simulated{}, fmt.Errorf("plan: %w", err)
	}
	return Simulated{Option: o.Title(), Replicas: o.Replicas, Played: p.until.Sub(0), Requests: len(p.ttft), SLO: s.slo,
		Attained: p.attained(), TTFT: p95(p.ttft), TPOT: p95(p.tpot)}, nil
}

// ErrNoReplicas: no alternative with replicas of one's own can be had at a
// known price.
var ErrNoReplicas = errors.New("plan: there are no replicas to simulate: name an open model that fits a size whose price is known")

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

// play is a simulation under way.
type play struct {
	shape    shape
	rate     float64 // requests a second
	until    weir.Instant
	rng      *rand.Rand
	replicas []*engine.Replica

	arrived, first []weir.Instant // by request
	ttft, tpot     []time.Duration
	met            int
}

func (p *play) run() error {
	for now := p.gap(0); now < p.until; now = p.gap(now) {
		id := uint64(len(p.arrived))
		p.arrived, p.first = append(p.arrived, now), append(p.first, 0)
		least, fewest := p.replicas[0], -1
		for _, r := range p.replicas {
			p.see(r.Advance(now))
			l := r.Load()
			if n := l.Running + l.Waiting; fewest < 0 || n < fewest {
				least, fewest = r, n
			}
		}
		if err := least.Arrive(now, engine.Request{ID: id, Prompt: p.shape.input, Output: p.shape.output}); err != nil {
			return err
		}
	}
	for _, r := range p.replicas {
		for next := r.Next(); next != 0; next = r.Next() {
			p.see(r.Advance(next))
		}
	}
	return nil
}

// gap is when the next request comes.
func (p *play) gap(now weir.Instant) weir.Instant {
	return now.Add(1 + time.Duration(p.rng.ExpFloat64()/p.rate*float64(time.Second)))
}

func (p *play) see(events []engine.Event) {
	for _, e := range events {
		switch e.Kind {
		case engine.FirstToken:
			p.first[e.ID] = e.At
		case engine.Finished:
			first := p.first[e.ID]
			if p.shape.output == 0 {
				first = e.At
			}
			p.ttft = append(p.ttft, first.Sub(p.arrived[e.ID]))
			if p.shape.output > 1 {
				p.tpot = append(p.tpot, e.At.Sub(first)/time.Duration(p.shape.output-1))
			}
			if within(p.arrived[e.ID], first, e.At, p.shape.output, p.shape.slo) {
				p.met++
			}
		}
	}
}

func (p *play) attained() float64 {
	if len(p.ttft) == 0 {
		return 1
	}
	return float64(p.met) / float64(len(p.ttft))
}

// p95 is what 95 of 100 stay below or at.
func p95(all []time.Duration) time.Duration {
	if len(all) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(all))
	return sorted[(len(sorted)*95+99)/100-1].Round(100 * time.Microsecond)
}
