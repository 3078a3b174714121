package trace

import (
	"errors"
	"io"
	"math/rand/v2"
	"slices"
	"time"
)

// Count is the arrivals of a stretch of time without their single times: a
// minute of a ledger, the time between two lines of a journal.
type Count struct {
	At       time.Duration // beginning of the stretch, since the trace began
	Over     time.Duration // its length
	Requests int
	Prompt   int // tokens of all of them
	Output   int
}

// Spread makes arrivals of counts, which next yields in order of time until
// io.EOF. The number of requests and of tokens in each stretch are those
// counted. Times within it and the division of its tokens are drawn: times
// uniformly, lengths exponentially, since lengths of real traffic vary about as
// much as their mean. Anything shorter than a stretch is therefore assumed, not
// recorded.
func Spread(next func() (Count, error), rng *rand.Rand) Source {
	return &spread{next: next, rng: rng}
}

type spread struct {
	next    func() (Count, error)
	rng     *rand.Rand
	pending []Arrival
	last    time.Duration
}

func (s *spread) Next() (Arrival, error) {
	for len(s.pending) == 0 {
		c, err := s.next()
		if err != nil {
			return Arrival{}, err
		}
		if err := s.draw(c); err != nil {
			return Arrival{}, err
		}
	}
	a := s.pending[0]
	s.pending = s.pending[1:]
	return a, nil
}

// maxCounted bounds the requests of one stretch, which are held in memory.
const maxCounted = 5_000_000

func (s *spread) draw(c Count) error {
	if c.Requests < 0 || c.Requests > maxCounted || c.Over < 0 || c.At < s.last {
		return errors.New("trace: a count of requests is out of range or out of order")
	}
	s.last = c.At
	if cap(s.pending) < c.Requests {
		s.pending = make([]Arrival, 0, c.Requests)
	}
	s.pending = s.pending[:0]
	prompts, outputs := s.share(c.Prompt, c.Requests), s.share(c.Output, c.Requests)
	times := make([]time.Duration, c.Requests)
	for i := range times {
		times[i] = c.At + time.Duration(s.rng.Float64()*float64(c.Over))
	}
	slices.Sort(times)
	for i := range times {
		s.pending = append(s.pending, Arrival{At: times[i], Prompt: prompts[i], Output: outputs[i]})
	}
	return nil
}

// share divides tokens among n requests at random, at least one for each.
func (s *spread) share(tokens, n int) []int {
	parts, weights, sum := make([]int, n), make([]float64, n), 0.0
	for i := range weights {
		weights[i] = s.rng.ExpFloat64()
		sum += weights[i]
	}
	left := max(0, min(tokens, n*maxTokens)-n)
	before, done := 0.0, 0
	for i := range parts { // by the end of each part, which keeps the sum
		before += weights[i]
		upTo := left
		if i < n-1 && sum > 0 {
			upTo = min(left, int(float64(left)*(before/sum)))
		}
		parts[i] = min(1+upTo-done, maxTokens)
		done = upTo
	}
	return parts
}

// Counts yields the entries of a list, for Spread.
func Counts(list []Count) func() (Count, error) {
	return func() (Count, error) {
		if len(list) == 0 {
			return Count{}, io.EOF
		}
		c := list[0]
		list = list[1:]
		return c, nil
	}
}
