package files

import (
	"cmp"
	"errors"
	"fmt"

	"weir/config"
	"weir/fit"
	"weir/price"
)

// packFile is a file of models that share GPUs.
type packFile struct {
	Models []packed `yaml:"models" need:"true"`
}

type packed struct {
	Name        string `yaml:"name"`
	Model       string `yaml:"model" need:"true" example:"BAAI/bge-m3"`
	Replicas    *int   `yaml:"replicas" min:"0" max:"4096"`
	Quant       string `yaml:"quant" example:"fp8"`
	KV          string `yaml:"kv" example:"fp8"`
	Engine      string `yaml:"engine" example:"vllm@0.21"`
	Context     string `yaml:"context" example:"8k"`
	Concurrency *int   `yaml:"concurrency" min:"1" max:"1048576"`
	TP          *int   `yaml:"tp" min:"1" max:"1024"`
	MaxSeqs     *int   `yaml:"max_seqs" min:"1" max:"1048576"`
}

// MaxPack bounds a file of models that share GPUs, in bytes.
const MaxPack = 1 << 20

// Pack reads a file of models that share GPUs. The error is a config.Faults if
// the text has faults.
func Pack(name string, src []byte, c *price.Catalogue) ([]fit.Item, error) {
	var file packFile
	if err := config.Decode(name, src, &file); err != nil {
		return nil, err
	}
	var items []fit.Item
	for _, one := range file.Models {
		it, err := one.item(c)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		items = append(items, it)
	}
	return items, nil
}

// item reads one entry. The default batch is the concurrency: a shared GPU has
// nothing to reserve for more.
func (e packed) item(c *price.Catalogue) (fit.Item, error) {
	m, q, err := fit.Named(c, e.Model)
	if err != nil {
		return fit.Item{}, err
	}
	s, err := e.setup(q)
	if err != nil {
		return fit.Item{}, fmt.Errorf("%s: %w", e.Model, err)
	}
	s.MaxSeqs = value(e.MaxSeqs, s.Concurrency)
	s.BatchTokens = max(2048, s.MaxSeqs)
	return fit.Item{Name: cmp.Or(e.Name, e.Model), Model: m, Setup: s, Replicas: value(e.Replicas, 1)}, nil
}

// setup is the entry's setup, as flags of `weir fit` would give it.
func (e packed) setup(q fit.Quant) (s fit.Setup, err error) {
	s = fit.Setup{Quant: q, KV: e.KV, TP: value(e.TP, 1), Engine: fit.DefaultEngine, Concurrency: value(e.Concurrency, 1)}
	var wrong error
	if e.Quant != "" {
		s.Quant, wrong = fit.ParseQuant(e.Quant)
	}
	if e.Engine != "" {
		if s.Engine, err = fit.ParseEngine(e.Engine); err != nil {
			return s, errors.Join(wrong, err)
		}
	}
	s.Context, err = fit.ParseTokens(e.Context)
	return s, errors.Join(wrong, err)
}

func value(p *int, otherwise int) int {
	if p == nil {
		return otherwise
	}
	return *p
}
