package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"weir/config"
	"weir/fit"
	"weir/internal/whole"
	"weir/price"
	"weir/report"
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

// maxPackFile bounds the file that is read, in bytes.
const maxPackFile = 1 << 20

func (f *fitFlags) runPack(cmd *cobra.Command, c *price.Catalogue) error {
	gpu, err := f.device(c)
	if err != nil {
		return err
	}
	src, err := whole.Read(f.pack, maxPackFile)
	if err != nil {
		return configError{err}
	}
	var file packFile
	if err := config.Decode(f.pack, src, &file); err != nil {
		return configError{err}
	}
	var items []fit.Item
	for _, one := range file.Models {
		it, err := one.item(c)
		if err != nil {
			return fmt.Errorf("%s: %w", f.pack, err)
		}
		items = append(items, it)
	}
	p, err := fit.Pack(gpu, items, f.headroom, f.mig)
	if err != nil {
		return err
	}
	if f.json {
		return report.JSON(cmd.OutOrStdout(), p, "  ")
	}
	return report.Packing(cmd.OutOrStdout(), p, gpu)
}

// item reads one entry. A batch that is not stated is as wide as the
// concurrency: a shared GPU has nothing to reserve for more.
func (e packed) item(c *price.Catalogue) (fit.Item, error) {
	m, q, err := fit.Named(c, e.Model)
	if err != nil {
		return fit.Item{}, err
	}
	f := fitFlags{quant: e.Quant, kv: e.KV, engine: e.Engine, context: e.Context, tp: value(e.TP, 1), concurrency: value(e.Concurrency, 1)}
	if f.engine == "" {
		f.engine = fit.DefaultEngine.String()
	}
	s, err := f.setup(q)
	if err != nil {
		return fit.Item{}, fmt.Errorf("%s: %w", e.Model, err)
	}
	s.MaxSeqs = value(e.MaxSeqs, s.Concurrency)
	s.BatchTokens = max(2048, s.MaxSeqs)
	name := e.Name
	if name == "" {
		name = e.Model
	}
	return fit.Item{Name: name, Model: m, Setup: s, Replicas: value(e.Replicas, 1)}, nil
}

func value(p *int, otherwise int) int {
	if p == nil {
		return otherwise
	}
	return *p
}
