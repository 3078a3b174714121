package engine

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"weir/fit"
	"weir/price"
)

// ErrNoRoom: the weights leave no room for a KV cache.
var ErrNoRoom = errors.New("does not fit")

// ErrUnknown: the catalogue has no GPU or model with that name.
var ErrUnknown = price.ErrUnknown

// Lookup returns the Spec of a named model on tp GPUs of a named kind, with
// weights stored as dtype ("" is bf16), at vLLM's default settings, from the
// embedded catalogue. A model is found by its full name
// ("meta-llama/Llama-3.1-8B") or by the part after the slash, also with an
// ending that does not change its shape ("Llama-3.1-8B-Instruct"). Errors wrap
// ErrUnknown and ErrNoRoom.
func Lookup(gpu, model string, tp int, dtype string) (Spec, error) {
	c, err := price.Default()
	if err != nil {
		return Spec{}, err
	}
	return Of(c, gpu, model, Layout{TP: tp}, Precision{Weights: dtype})
}

// Of is Lookup in another catalogue and for any layout.
func Of(c *price.Catalogue, gpu, model string, l Layout, p Precision) (Spec, error) {
	pg, err := c.GPU(gpu)
	if err != nil {
		return Spec{}, err
	}
	g, err := NewGPU(pg)
	if err != nil {
		return Spec{}, fmt.Errorf("GPU %s: %w", gpu, err)
	}
	pm, err := findModel(c, model)
	if err != nil {
		return Spec{}, err
	}
	return Build(g, NewModel(pm), l, p)
}

func findModel(c *price.Catalogue, name string) (price.Model, error) {
	m, err := c.Model(name)
	if err == nil {
		return m, nil
	}
	for _, m := range c.Models() {
		if shapeName(m.Name) == shapeName(name) {
			return m, nil
		}
	}
	return price.Model{}, err
}

// sameShape matches endings of model names that do not change the shape.
var sameShape = regexp.MustCompile(`-(instruct|chat|it|hf|fp8|base|v0\.[0-9]|v1\.[0-9]|2507|0528)$`)

// shapeName returns the part of a model's name that identifies its shape.
func shapeName(name string) string {
	name = strings.ToLower(name[strings.LastIndexByte(name, '/')+1:])
	for {
		short := sameShape.ReplaceAllString(name, "")
		if short == name {
			return strings.TrimPrefix(name, "meta-")
		}
		name = short
	}
}

// Build returns the Spec of a catalogue model spread over GPUs, see Lookup. Its
// KV room is fit's figure for the same setup.
func Build(g *GPU, m *Model, l Layout, p Precision) (Spec, error) {
	l = l.withDefaults()
	if m.Layers == 0 || m.Hidden == 0 || m.Vocab == 0 || m.Heads == 0 {
		return Spec{}, fmt.Errorf("the catalogue does not know the shape of %s", m.Name)
	}
	if m.Heads%l.TP != 0 {
		return Spec{}, fmt.Errorf("tensor parallel %d does not divide the %d attention heads of %s", l.TP, m.Heads, m.Name)
	}
	s := Spec{MaxSeqs: 256, MaxBatchTokens: 2048, BlockTokens: 16, Async: true, PrefixCache: true, Load: loadTime(m, l, p)}
	if g.UsableGiB >= 70 && !strings.Contains(g.Name, "A100") {
		s.MaxSeqs, s.MaxBatchTokens = 1024, 8192
	}
	s.MaxSeqs, s.MaxBatchTokens = s.MaxSeqs*l.DP, s.MaxBatchTokens*l.DP
	s.About = g.About(l.GPUs())
	s.Speed = NewRoofline(g, m, l, p, s.MaxSeqs)
	var err error
	s.KVTokens, err = kvRoom(g, m, l, p, s)
	return s, err
}

func (p Precision) name() string {
	if p.Weights == "" {
		return "bf16"
	}
	return p.Weights
}

// weightBytes returns the size of the weights of all GPUs of a rank together.
// Embedding and output layer stay in 16 bits.
func weightBytes(m *Model, l Layout, p Precision) float64 {
	w := p.widths()
	tables := 2.0
	if m.TiedHead {
		tables = 1
	}
	copies := float64(m.copiedWeights()) * float64(l.TP-1)
	return (float64(m.denseWeights())+copies)*w.weight + float64(m.routedWeights())*w.expert/float64(l.DP) + tables*float64(m.headWeights())*2
}

// loadTime is the time of a start with the image present: engine and compile
// cache, weights streamed by all GPUs, NCCL set-up. Llama-3.1-8B on one H100:
// 41 s (logged: 34 to 55); 70B on two: 111 s (logged: 106 to 184).
func loadTime(m *Model, l Layout, p Precision) time.Duration {
	const (
		start     = 29.0
		nccl      = 30.0
		gibPerSec = 1.25 // per GPU
	)
	s := start + weightBytes(m, l, p)/fit.GiB/gibPerSec/float64(l.TP)
	if l.TP > 1 {
		s += nccl
	}
	return time.Duration(s * float64(time.Second)).Round(time.Second)
}
