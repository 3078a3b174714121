package engine

import (
	"fmt"
	"time"

	"weir/fit"
	"weir/price"
)

// GPUOf returns one GPU of a setup, or its part of one, with the link of its
// machine.
func GPUOf(c *price.Catalogue, s fit.Setup, link price.Link) (*GPU, error) {
	known, err := c.GPU(s.GPU.Name)
	if err != nil {
		return nil, err
	}
	g, err := NewGPU(known)
	if err != nil {
		return nil, err
	}
	g = g.Part(s.GPU.Share)
	g.NVLink = g.NVLink && link != price.PCIe && (link != price.NVLinkPairs || s.TP <= 2)
	return g, nil
}

// Steps provides fit.Search with the step times of a roofline.
func Steps(c *price.Catalogue) fit.Speed {
	return func(m fit.Model, s fit.Setup, link price.Link) (func(fit.Step) time.Duration, error) {
		g, err := GPUOf(c, s, link)
		if err != nil {
			return nil, err
		}
		if m.Hidden == 0 || m.Vocab == 0 || m.Heads == 0 {
			return nil, fmt.Errorf("the catalogue does not know enough about %s to compute its speed", m.Name)
		}
		r := NewRoofline(g, NewModel(m.Model), Layout{TP: s.TP}, Precision{Weights: s.Quant.Storage(), KV: s.KV}, s.MaxSeqs)
		return func(w fit.Step) time.Duration {
			b := Batch{Prefill: w.Prefill, Decode: w.Decode}
			if w.Prefill > 0 {
				b.Prompts, b.Ends = 1, 1
				b.Pairs = int64(w.Prefill) * int64(w.Prefill) / 2
			}
			return r.Step(b).Of(w.KV).Duration()
		}, nil
	}
}
