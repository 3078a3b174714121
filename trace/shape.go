package trace

import (
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"time"
)

// Cut passes on what arrives within [from, to) and makes it begin at zero. A to
// of zero has no end.
func Cut(s Source, from, to time.Duration) Source { return &cut{s, from, to} }

type cut struct {
	s        Source
	from, to time.Duration
}

func (c *cut) Next() (Arrival, error) {
	for {
		a, err := c.s.Next()
		if err != nil {
			return a, err
		}
		if c.to > 0 && a.At >= c.to {
			return Arrival{}, io.EOF
		}
		if a.At >= c.from {
			a.At -= c.from
			return a, nil
		}
	}
}

// Delayed makes every arrival of s that much later.
func Delayed(s Source, by time.Duration) Source { return &delayed{s, by} }

type delayed struct {
	s  Source
	by time.Duration
}

func (d *delayed) Next() (Arrival, error) {
	a, err := d.s.Next()
	a.At += d.by
	return a, err
}

// Faster plays s in 1/x of its time: the same requests, closer together. A
// factor that is not above zero is an error of the first Next.
func Faster(s Source, x float64) Source { return &faster{s, x} }

func sensible(x float64) error {
	if !(x > 0) || math.IsInf(x, 0) {
		return fmt.Errorf("a trace cannot be played %v times: the factor must be above zero", x)
	}
	return nil
}

type faster struct {
	s Source
	x float64
}

func (f *faster) Next() (Arrival, error) {
	if err := sensible(f.x); err != nil {
		return Arrival{}, err
	}
	a, err := f.s.Next()
	a.At = time.Duration(float64(a.At) / f.x)
	return a, err
}

// Scale multiplies the rate of s by x at the same length of time. Below one it
// thins at random; above one it adds, to each request, x-1 on average whose
// lengths are drawn from the last Window requests and whose arrivals are drawn
// from the gap to the next. The rate curve is kept, its noise shrinks as with
// more callers, and no request is a copy of its neighbour. A factor that is not
// above zero is an error of the first Next.
func Scale(s Source, x float64, rng *rand.Rand) Source {
	return &scaled{s: s, x: x, rng: rng}
}

// Window is how many past requests Scale draws lengths from.
const Window = 512

type scaled struct {
	s       Source
	x       float64
	rng     *rand.Rand
	ahead   *Arrival // read from s, not yet passed on
	past    []Arrival
	seen    int
	pending []Arrival // sorted by At, all before ahead
	err     error
}

func (c *scaled) Next() (Arrival, error) {
	if err := sensible(c.x); err != nil {
		return Arrival{}, err
	}
	for len(c.pending) == 0 {
		if c.err != nil {
			return Arrival{}, c.err
		}
		c.step()
	}
	a := c.pending[0]
	c.pending = c.pending[1:]
	return a, nil
}

// step adds the next request of s and its companions to pending.
func (c *scaled) step() {
	if c.ahead == nil {
		c.pull()
		if c.ahead == nil {
			return
		}
	}
	now := *c.ahead
	c.ahead = nil
	c.remember(now)
	c.pull()
	n := int(c.x)
	if c.rng.Float64() < c.x-math.Floor(c.x) {
		n++
	}
	if n == 0 {
		return
	}
	c.pending = append(c.pending[:0], now)
	var gap time.Duration
	if c.ahead != nil {
		gap = c.ahead.At - now.At
	}
	for range n - 1 {
		more := c.past[c.rng.IntN(len(c.past))]
		more.At = now.At
		if gap > 0 {
			more.At += time.Duration(c.rng.Int64N(int64(gap)))
		}
		c.insert(more)
	}
}

func (c *scaled) insert(a Arrival) {
	i := len(c.pending)
	c.pending = append(c.pending, a)
	for ; i > 0 && c.pending[i-1].At > a.At; i-- {
		c.pending[i] = c.pending[i-1]
	}
	c.pending[i] = a
}

func (c *scaled) pull() {
	a, err := c.s.Next()
	if err != nil {
		c.err = err
		return
	}
	c.ahead = &a
}

func (c *scaled) remember(a Arrival) {
	if len(c.past) < Window {
		c.past = append(c.past, a)
	} else {
		c.past[c.seen%Window] = a
	}
	c.seen++
}

// Gamma draws arrivals at a mean of rate per second whose gaps have a
// coefficient of variation of cv (1 is Poisson, above it bursty), for as long
// as length, with the token counts that tokens returns.
func Gamma(rate, cv float64, length time.Duration, rng *rand.Rand, tokens func(*rand.Rand) (prompt, output int)) (Source, error) {
	if !(rate > 0) || !(cv > 0) || math.IsInf(rate, 0) || math.IsInf(cv, 0) {
		return nil, errors.New("a drawn trace needs a rate and a coefficient of variation above zero")
	}
	return &gamma{shape: 1 / (cv * cv), rate: rate, length: length, rng: rng, tokens: tokens}, nil
}

type gamma struct {
	shape, rate float64
	length, at  time.Duration
	rng         *rand.Rand
	tokens      func(*rand.Rand) (int, int)
}

func (g *gamma) Next() (Arrival, error) {
	gap := drawGamma(g.rng, g.shape) / (g.shape * g.rate)
	g.at += time.Duration(gap * 1e9)
	if g.at >= g.length {
		return Arrival{}, io.EOF
	}
	p, o := g.tokens(g.rng)
	return Arrival{At: g.at, Prompt: max(p, 1), Output: max(o, 1)}, nil
}

// drawGamma draws from a Gamma distribution of that shape and scale one.
// Marsaglia and Tsang, "A simple method for generating gamma variables", ACM
// TOMS 26(3), 2000; shapes below one by their section 6.
func drawGamma(rng *rand.Rand, shape float64) float64 {
	if shape < 1 {
		return drawGamma(rng, shape+1) * math.Pow(1-rng.Float64(), 1/shape)
	}
	d := shape - 1.0/3
	c := 1 / math.Sqrt(9*d)
	for {
		x := rng.NormFloat64()
		v := 1 + c*x
		if v <= 0 {
			continue
		}
		v = v * v * v
		if math.Log(1-rng.Float64()) < 0.5*x*x+d-d*v+d*math.Log(v) {
			return d * v
		}
	}
}
