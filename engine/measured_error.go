package engine

import (
	"cmp"
	"fmt"
	"strings"

	"weir/fit"
	"weir/price"
)

// Measured is how far predictions were from published measurements of one kind
// of replica: a GPU, a number of them, an engine.
type Measured struct {
	GPU    string `json:"gpu,omitempty"`    // "": of all GPUs
	TP     int    `json:"tp,omitempty"`     // 0: of all sizes
	Engine string `json:"engine,omitempty"` // "": of all engines
	TTFT   Spread `json:"ttft"`
	TPOT   Spread `json:"tpot"`
	Rate   Spread `json:"tokens_per_s"`
}

// Spread is the absolute errors of some rows, as parts of the measurement.
type Spread struct {
	Rows   int     `json:"rows"`
	Median float64 `json:"median"` // half of the rows are within it
	P90    float64 `json:"p90"`    // nine of ten are
}

// fewRows is how many measurements of a kind make its error worth stating.
const fewRows = 5

// MeasuredError is the error of the narrowest kind with enough rows that a
// replica of n such GPUs under a current vLLM belongs to: the GPU and number
// under vLLM, the same under any engine, the GPU, another board of that chip, or everything
// measured.
func MeasuredError(gpu string, n int) Measured {
	for _, kind := range []Measured{{GPU: gpu, TP: n, Engine: "vLLM"}, {GPU: gpu, TP: n}, {GPU: gpu}} {
		for _, m := range measuredErrors {
			if m.GPU == kind.GPU && m.TP == kind.TP && m.Engine == kind.Engine && max(m.TPOT.Rows, m.Rate.Rows) >= fewRows {
				return m
			}
		}
	}
	family, _, _ := strings.Cut(gpu, "-")
	for _, m := range measuredErrors {
		if m.TP == 0 && strings.HasPrefix(m.GPU, family+"-") {
			return m // another board of it
		}
	}
	return measuredErrors[0]
}

// For is String, with a word about a kind that is not the one asked for.
func (m Measured) For(gpu string) string {
	if m.GPU == "" || m.GPU == gpu {
		return m.String()
	}
	return strings.Replace(m.String(), "for this kind, ", "for the nearest kind, ", 1)
}

// String is a clause: "measured error for 1 x A100-SXM-80GB under vLLM: TPOT ±8 %
// (9 of 10 within 40 %), 24 rows; …".
func (m Measured) String() string {
	kind := "of every kind measured, of which none is this one"
	if m.GPU != "" {
		kind = "for this kind, " + m.GPU
		if m.TP > 0 {
			kind = fmt.Sprintf("for this kind, %d x %s", m.TP, m.GPU)
		}
		kind += " under " + cmp.Or(m.Engine, "any engine")
	}
	var parts []string
	for _, p := range []struct {
		name string
		of   Spread
	}{{"TPOT", m.TPOT}, {"TTFT", m.TTFT}, {"tokens/s", m.Rate}} {
		if p.of.Rows > 0 {
			parts = append(parts, fmt.Sprintf("%s ±%.0f %% (9 of 10 within %.0f %%), %s", p.name, 100*p.of.Median, 100*p.of.P90, rowsOf(p.of.Rows)))
		}
	}
	return "measured error " + kind + ": " + strings.Join(parts, "; ")
}

func rowsOf(n int) string {
	if n == 1 {
		return "1 row"
	}
	return fmt.Sprintf("%d rows", n)
}

// Tell says of each option of a search what a reader of its times should know.
func Tell(c *price.Catalogue, options []fit.Option) {
	for i := range options {
		o := &options[i]
		v, err := c.VM(o.VM)
		if err != nil {
			continue
		}
		if g, err := GPUOf(c, fit.Setup{GPU: fit.GPU{Name: o.GPU}, TP: o.TP}, v.Interconnect); err == nil {
			o.About = g.About(o.TP)
		}
	}
}

// About is what a reader of predictions for n such GPUs should know: how far
// they were from measurements, and what in them is inferred.
func (g *GPU) About(n int) []string {
	about := []string{MeasuredError(g.Name, n).For(g.Name)}
	if inferred := g.inferred(n); inferred != "" {
		about = append(about, inferred)
	}
	return about
}
