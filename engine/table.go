package engine

import (
	"cmp"
	"errors"
	"slices"
	"time"
)

// Measurement is one row of a measured engine: a batch of prompts of equal
// length, prefilled together and then decoded together.
type Measurement struct {
	Prompt  int           // tokens of each
	Batch   int           // prompts
	Output  int           // tokens produced of each
	Prefill time.Duration // of the whole batch
	Decode  time.Duration // of one step, mean over the output
}

// Table is a Speed that interpolates measurements. A prefill takes as long as
// was measured for as many tokens, whatever prompts they are of; a decode step
// what was measured for as many sequences, and in proportion to the KV tokens
// beyond; a step that does both takes as long as a prefill of all its tokens.
// Beyond the measured range it goes on with the slope of the last two points.
type Table struct {
	prefill curve // by tokens
	decode  curve // by sequences, at no KV
	perKV   Picoseconds
}

// ErrFewMeasurements: a Table needs prefills of two sizes at least, and one
// decode step.
var ErrFewMeasurements = errors.New("too few measurements for a table")

// NewTable makes a Table of measurements. The time per KV token is the
// least-squares slope over the rows of each batch size.
func NewTable(rows []Measurement) (*Table, error) {
	t := &Table{}
	for _, r := range rows {
		t.prefill = append(t.prefill, point{float64(r.Prompt * r.Batch), picos(r.Prefill)})
	}
	t.prefill = t.prefill.averaged()
	slope := kvSlope(rows)
	t.perKV = Picoseconds(max(0, slope))
	for _, r := range rows {
		t.decode = append(t.decode, point{float64(r.Batch), picos(r.Decode) - max(0, slope)*r.held()})
	}
	t.decode = t.decode.averaged()
	if len(t.prefill) < 2 || len(t.decode) < 1 {
		return nil, ErrFewMeasurements
	}
	return t, nil
}

func picos(d time.Duration) float64 { return float64(d) * picosPerNano }

// held is the KV tokens a row's decode steps held, on average.
func (m Measurement) held() float64 {
	return float64(m.Batch) * (float64(m.Prompt) + float64(m.Output)/2)
}

// kvSlope is the picoseconds a decode step takes per KV token held: the common
// slope of one line per batch size.
func kvSlope(rows []Measurement) float64 {
	means := map[int][3]float64{} // by batch: count, sum of held, sum of decode
	for _, r := range rows {
		m := means[r.Batch]
		means[r.Batch] = [3]float64{m[0] + 1, m[1] + r.held(), m[2] + picos(r.Decode)}
	}
	var xy, xx float64
	for _, r := range rows {
		m := means[r.Batch]
		x, y := r.held()-m[1]/m[0], picos(r.Decode)-m[2]/m[0]
		xy, xx = xy+x*y, xx+x*x
	}
	if xx == 0 {
		return 0
	}
	return xy / xx
}

// Step implements Speed.
func (t *Table) Step(b Batch) Cost {
	if b.Prefill > 0 {
		return Cost{Picoseconds(max(0, t.prefill.at(float64(b.Prefill+b.Decode)))), t.perKV}
	}
	return Cost{Picoseconds(max(0, t.decode.at(float64(b.Decode)))), t.perKV}
}

type point struct{ x, y float64 }

// curve is points by rising x, joined by lines.
type curve []point

// averaged sorts the points and joins those of equal x.
func (c curve) averaged() curve {
	slices.SortStableFunc(c, func(a, b point) int { return cmp.Compare(a.x, b.x) })
	var out curve
	for i := 0; i < len(c); {
		sum, n := 0.0, 0
		for j := i; j < len(c) && c[j].x == c[i].x; j++ {
			sum, n = sum+c[j].y, n+1
		}
		out = append(out, point{c[i].x, sum / float64(n)})
		i += n
	}
	return out
}

// at is the curve's value; below the first point, the first one's.
func (c curve) at(x float64) float64 {
	if x <= c[0].x || len(c) == 1 {
		return c[0].y
	}
	i := 1
	for i < len(c)-1 && x > c[i].x {
		i++
	}
	return lerp(x, c[i-1].x, c[i].x, c[i-1].y, c[i].y)
}
