package sim

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"weir/scale"
	"weir/trace"
)

// Search configures Clairvoyant. Zero fields mean their default.
type Search struct {
	Slot       time.Duration // time in which the schedule is constant; 0: 1 min
	Attainment float64       // required over the whole trace; 0: 0.99
	Max        int           // most replicas; 0: the policy's
	Rounds     int           // of improvement; 0: 3
	Seeds      []Schedule    // schedules to start from, such as a policy's; the result is at least as cheap as each one that attains
}

// ErrUnreachable: no schedule tried reaches the attainment.
var ErrUnreachable = errors.New("sim: no schedule reaches the attainment")

// Clairvoyant searches for the cheapest schedule of the first own deployment of
// c that attains the SLO on arrivals. It knows all of them; cold starts always
// take their median, starts never fail, and replicas are requested just early
// enough. The result has been played: the Result is that of a run with the
// schedule as its policy. Sources of c are not read: there are no other
// arrivals.
//
// The search has three steps. First, schedules with several degrees of spare
// capacity are played, and the misses of each slot are noted by its number of
// replicas. The need of a slot is its offered work, or the requests in flight
// divided by a replica's admissions, whichever is more. Second, dynamic
// programming picks for each slot the cheapest number at a price per miss, with
// a cold start paid for each start; the price is bisected until the run just
// attains. Third, the neighbourhood of the best schedule (one replica more or
// less, in every other stretch of slots at a time) is played, and the second
// step repeated with the new data. The result is an upper bound of the cost of
// clairvoyance: a better schedule may exist, none below FluidBound.
func Clairvoyant(ctx context.Context, c Config, arrivals []trace.Arrival, o Search) (Schedule, *Result, error) {
	s, err := newSearch(ctx, c, arrivals, o)
	if err != nil {
		return Schedule{}, nil, err
	}
	if err := s.sow(); err != nil {
		return Schedule{}, nil, err
	}
	if err := s.survey(); err != nil {
		return Schedule{}, nil, err
	}
	price, err := s.choose(-2, 16, 8)
	if err != nil {
		return Schedule{}, nil, err
	}
	for range s.o.Rounds {
		before := s.bestCost
		if err := s.explore(); err != nil {
			return Schedule{}, nil, err
		}
		if price, err = s.choose(price-1, price+1, 5); err != nil {
			return Schedule{}, nil, err
		}
		if before-s.bestCost < before/500 {
			break
		}
	}
	if s.best == nil {
		return Schedule{}, nil, fmt.Errorf("%w of %.4f: with %d replicas it is %.4f", ErrUnreachable, s.o.Attainment, s.o.Max, s.highest)
	}
	return s.schedule, s.best, nil
}

// search is the state of Clairvoyant.
type search struct {
	ctx      context.Context
	c        Config
	own      int // index of the deployment
	arrivals []trace.Arrival
	o        Search
	lead     time.Duration
	load     []float64         // offered work by slot, in replicas
	peak     []float64         // its maximum within the time of a first token
	held     bool              // load includes requests in flight
	zero     bool              // the policy, and thus the schedule, may go to zero
	misses   []map[int]float64 // by slot and number of replicas

	schedule Schedule // the cheapest one that attained
	best     *Result
	bestCost time.Duration
	highest  float64 // highest attainment of any schedule
}

func newSearch(ctx context.Context, c Config, arrivals []trace.Arrival, o Search) (*search, error) {
	c.Deployments = slices.Clone(c.Deployments)
	i := slices.IndexFunc(c.Deployments, func(d Deployment) bool { return d.Own != nil })
	if i < 0 || len(arrivals) == 0 {
		return nil, errors.New("sim: a schedule needs a deployment of own replicas and arrivals")
	}
	own := *c.Deployments[i].Own
	own.Fleet.Sigma, own.Fleet.StartFailure, own.Fleet.SlowStart = 0, 0, 0
	own.Faults = Faults{}
	c.Deployments[i].Own = &own
	c.Journal, c.Decided, c.Progress, c.Scrape, c.Batch = nil, nil, nil, 0, nil
	if o.Slot == 0 {
		o.Slot = time.Minute
	}
	if o.Attainment == 0 {
		o.Attainment = 0.99
	}
	if o.Max == 0 {
		o.Max = max(own.Policy.Max, 1)
	}
	if own.Fleet.Quota > 0 {
		o.Max = min(o.Max, own.Fleet.Quota)
	}
	if o.Rounds == 0 {
		o.Rounds = 3
	}
	s := &search{ctx: ctx, c: c, own: i, arrivals: arrivals, o: o, zero: own.Policy.Min == 0}
	s.lead = own.Fleet.ColdStart + c.withDefaults().Tick // a request may come a tick late
	return s, s.measureLoad()
}

// measureLoad spreads the fluid bound over the slots of the work: prompts at
// their arrival, answers over their duration.
func (s *search) measureLoad() error {
	spec := s.c.Deployments[s.own].Own.Engine
	source := trace.Slice(s.arrivals)
	all, err := FluidBound(spec, &source)
	if err != nil {
		return err
	}
	prefill, decode := s.rates()
	slots := int(s.arrivals[len(s.arrivals)-1].At/s.o.Slot) + 1
	s.load, s.peak, s.misses = make([]float64, slots), make([]float64, slots), make([]map[int]float64, slots)
	for i := range s.misses {
		s.misses[i] = map[int]float64{}
	}
	sum, burst, oldest := 0.0, 0.0, 0
	for i, a := range s.arrivals {
		first := int(a.At / s.o.Slot)
		prompt, answer := float64(a.Prompt)/prefill, float64(a.Output)/decode
		s.load[first] += prompt
		sum += prompt + answer
		last := min(int((a.At+time.Duration(a.Output)*s.c.SLO.TPOT/2)/s.o.Slot), slots-1)
		for k := first; k <= last; k++ {
			s.load[k] += answer / float64(last-first+1)
		}
		for ; oldest < i && s.arrivals[oldest].At < a.At-s.c.SLO.TTFT; oldest++ {
			burst -= float64(s.arrivals[oldest].Prompt) / prefill
		}
		burst += prompt
		s.peak[first] = max(s.peak[first], burst/s.c.SLO.TTFT.Seconds())
	}
	for k := range s.load {
		s.load[k] *= all.Seconds() / sum / s.o.Slot.Seconds()
		s.peak[k] = max(s.peak[k], s.load[k])
	}
	return nil
}

// holds raises the load of each slot to its requests in flight, in replicas by
// their admissions, if an answer takes pace per token.
func (s *search) holds(pace time.Duration) {
	s.held = true
	admits := s.c.withDefaults().Deployments[s.own].MaxRequests
	seats := make([]float64, len(s.load)) // seconds of requests in flight
	for _, a := range s.arrivals {
		end := a.At + time.Duration(a.Output)*pace
		for k := int(a.At / s.o.Slot); k < len(seats) && time.Duration(k)*s.o.Slot < end; k++ {
			from, to := time.Duration(k)*s.o.Slot, time.Duration(k+1)*s.o.Slot
			seats[k] += (min(end, to) - max(a.At, from)).Seconds()
		}
	}
	for k := range s.load {
		s.load[k] = max(s.load[k], seats[k]/s.o.Slot.Seconds()/float64(admits))
		s.peak[k] = max(s.peak[k], s.load[k])
	}
}

// sow plays the given schedules.
func (s *search) sow() error {
	for _, seed := range s.o.Seeds {
		plan := make([]int, len(s.load))
		for k := range plan {
			from := time.Duration(k) * s.o.Slot
			plan[k] = s.bounded(k, seed.Most(from, from+s.o.Slot-1))
		}
		if _, err := s.play(plan); err != nil {
			return err
		}
	}
	return nil
}

// rates returns a replica's tokens per second with requests of mean length.
func (s *search) rates() (prefill, decode float64) {
	var prompt, output int
	for _, a := range s.arrivals {
		prompt += a.Prompt
		output += a.Output
	}
	n := len(s.arrivals)
	prefill, decode = s.c.Deployments[s.own].Own.Engine.Capacity(max(1, prompt/n), max(1, output/n), s.c.SLO.TPOT)
	if prefill <= 0 || decode <= 0 {
		return 1, 1
	}
	return prefill, decode
}

// play runs a schedule and notes the misses of each slot.
func (s *search) play(plan []int) (*Result, error) {
	sched := Schedule{Slot: s.o.Slot, Replicas: plan}
	c := s.c
	c.Deployments = slices.Clone(c.Deployments)
	own := *c.Deployments[s.own].Own
	own.Initial = sched.Most(0, s.lead)
	own.Decide, own.By = sched.Decider(c.withDefaults().Start, s.lead), "clairvoyant"
	own.Policy = scale.Policy{Max: s.o.Max}
	c.Deployments[s.own].Own = &own
	source := trace.Slice(s.arrivals)
	c.Source = &source
	r, slots, err := runBySlot(s.ctx, c, s.o.Slot)
	if err != nil {
		return nil, err
	}
	for k := range slots {
		if k < len(plan) {
			// The last observation replaces earlier ones: its neighbours were
			// the most similar.
			s.misses[k][plan[k]] = float64(slots[k].total - slots[k].attained)
		}
	}
	s.highest = max(s.highest, r.Attainment)
	cost := r.Deployments[s.own].GPU.Allocated
	if r.Attainment >= s.o.Attainment && (s.best == nil || cost < s.bestCost) {
		s.schedule, s.best, s.bestCost = sched, r, cost
	}
	return r, nil
}

// survey plays schedules in proportion to each slot's load, and to its maximum
// within the time of a first token. A slot's need is between the two, nearer to
// the second the burstier its requests.
func (s *search) survey() error {
	for _, f := range []struct {
		of     []float64
		spares []float64
	}{
		{s.load, []float64{1, 1.15, 1.3, 1.5, 1.75, 2, 2.5, 3.2, 4.5, 7, 11, 18, 30}},
		{s.peak, []float64{0.25, 0.4, 0.6, 0.8, 1, 1.3, 1.8, 2.5}},
	} {
		for _, spare := range f.spares {
			plan := make([]int, len(f.of))
			for k, load := range f.of {
				plan[k] = s.bounded(k, int(math.Ceil(load*spare)))
			}
			r, err := s.play(plan)
			if err != nil {
				return err
			}
			if !s.held && r.Attainment > s.o.Attainment/2 {
				s.holds(r.TPOT.Mean)
			}
			if r.Attainment > 1-(1-s.o.Attainment)/10 {
				break // more replicas can hardly do better
			}
		}
	}
	return nil
}

func (s *search) bounded(k, n int) int { return min(max(n, s.least(k)), s.o.Max) }

// least returns the fewest replicas slot k may have: none if the policy may go
// to zero and the slot has no work.
func (s *search) least(k int) int {
	if s.zero && s.load[k] == 0 {
		return 0
	}
	return 1
}

// choose bisects, between two logarithms (base 2) of the price of a miss in
// replica-seconds, for the lowest price at which the planned schedule attains.
func (s *search) choose(low, high float64, steps int) (float64, error) {
	for range steps {
		price := (low + high) / 2
		r, err := s.play(s.plan(math.Exp2(price)))
		if err != nil {
			return 0, err
		}
		if r.Attainment >= s.o.Attainment {
			high = price
		} else {
			low = price
		}
	}
	return high, nil
}

// explore plays the best schedule with one replica more, and with one less, in
// every other stretch of slots: a slot's misses are then not caused by its
// neighbours.
func (s *search) explore() error {
	if s.best == nil {
		return nil
	}
	stretch := max(1, int(10*time.Minute/s.o.Slot))
	base := slices.Clone(s.schedule.Replicas)
	for _, by := range []int{-1, 1} {
		for odd := range 2 {
			plan := slices.Clone(base)
			for k := range plan {
				if k/stretch%2 == odd {
					plan[k] = s.bounded(k, plan[k]+by)
				}
			}
			if _, err := s.play(plan); err != nil {
				return err
			}
		}
	}
	_, err := s.play(base)
	return err
}
