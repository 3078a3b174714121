package load

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"weir/trace"
)

// Search says how to look for the rate at which a server stops keeping its
// promise. The zero value of a field means its default.
type Search struct {
	Options // Source is not used; SLO is the promise

	// Tokens draws the lengths of one request.
	Tokens func(*rand.Rand) (prompt, output int)

	From      float64       // requests per second to begin with; 0: 1
	To        float64       // not beyond this; 0: 10,000
	Length    time.Duration // how long each rate is played; 0: 30 s
	Attain    float64       // share of requests that must meet the SLO; 0: 0.99
	Precision float64       // of the rate, relative; 0: 0.05
	Seed      uint64        // of arrivals and lengths

	// Step, if set, is told of each rate as it ends.
	Step func(Point)
}

// Point is one rate that was played.
type Point struct {
	Rate   float64 // requests per second asked for, Poisson
	Kept   bool    // the promise was kept
	Result *Result
}

// ErrTooSlow says that not even the lowest rate was kept.
var ErrTooSlow = errors.New("the promise is not kept at the lowest rate")

// FindSaturation raises the rate twofold until attainment falls below what is
// asked for, then halves the interval until it is as precise as asked for. It
// returns the highest rate that was kept and all that were played, in order.
// When To was kept, that is the answer. Between two rates it waits for every
// answer, so that one does not suffer from the other. With ErrTooSlow, when ctx
// ends, or when a play fails, the points played so far are returned as well.
func FindSaturation(ctx context.Context, s Search) (best float64, points []Point, err error) {
	if s.Tokens == nil {
		return 0, nil, errors.New("load: a search needs the lengths of requests (Tokens)")
	}
	s = s.withDefaults()
	if s.From > s.To || s.Precision <= 0 || s.Attain > 1 {
		return 0, nil, fmt.Errorf("load: a search from %v to %v requests per second, precise to %v, attaining %v, makes no sense", s.From, s.To, s.Precision, s.Attain)
	}
	low, high := 0.0, 0.0 // kept; not kept
	for rate := s.From; ; {
		p, err := s.play(ctx, rate)
		if p.Result != nil {
			points = append(points, p)
		}
		if err != nil {
			return low, points, err
		}
		if s.Step != nil {
			s.Step(p)
		}
		if p.Kept {
			low = rate
		} else {
			high = rate
		}
		switch {
		case low == 0:
			return 0, points, fmt.Errorf("%w: %.3g requests per second, attained %.2f %%; begin lower", ErrTooSlow, rate, 100*p.Result.Attainment())
		case high == 0 && low >= s.To:
			return low, points, nil
		case high == 0:
			rate = min(2*rate, s.To)
		case high <= low*(1+s.Precision):
			return low, points, nil
		default:
			rate = (low + high) / 2
		}
	}
}

func (s Search) withDefaults() Search {
	or := func(v, otherwise float64) float64 {
		if v == 0 {
			return otherwise
		}
		return v
	}
	s.From, s.To = or(s.From, 1), or(s.To, 10_000)
	s.Attain, s.Precision = or(s.Attain, 0.99), or(s.Precision, 0.05)
	if s.Length == 0 {
		s.Length = 30 * time.Second
	}
	return s
}

// play plays one rate. Every rate draws from the same seed: the requests are
// the same, only closer together.
func (s Search) play(ctx context.Context, rate float64) (Point, error) {
	source, err := trace.Gamma(rate, 1, s.Length, rand.New(rand.NewPCG(s.Seed, 0x6c6f6164)), s.Tokens)
	if err != nil {
		return Point{}, err
	}
	o := s.Options
	o.Source = source
	r, err := Play(ctx, o)
	if err != nil {
		return Point{Rate: rate, Result: r}, err
	}
	// A play so short that nothing arrived has shown nothing against the rate.
	return Point{Rate: rate, Kept: r.Arrived == 0 || r.Attainment() >= s.Attain, Result: r}, nil
}
