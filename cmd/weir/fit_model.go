package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"weir/fit"
	"weir/internal/whole"
	"weir/price"
)

// modelFlags say where a model's shape comes from, when not from its name.
type modelFlags struct {
	weights []string
	shape   price.Model
}

func (f *modelFlags) add(cmd *cobra.Command) {
	fs := cmd.Flags()
	fs.StringArrayVar(&f.weights, "weights", nil, "safetensors `file` or index of the model, for its exact size; may be repeated")
	for _, c := range []struct {
		to         *int
		name, what string
	}{
		{&f.shape.Layers, "layers", "layers"}, {&f.shape.Hidden, "hidden", "hidden size"}, {&f.shape.Heads, "heads", "attention heads"},
		{&f.shape.KVHeads, "kv-heads", "heads of keys and values"}, {&f.shape.HeadDim, "head-dim", "size of a head"},
		{&f.shape.Intermediate, "intermediate", "width of the MLP"}, {&f.shape.Vocab, "vocab", "vocabulary"},
	} {
		fs.IntVar(c.to, c.name, 0, c.what+" of a model that is described by flags")
	}
}

// maxHeader is how much of a weight file's start is read.
const maxHeader = 64 << 20

// model finds the model and the format its weights are published in.
func (f *modelFlags) model(c *price.Catalogue, name string) (fit.Model, fit.Quant, error) {
	var m fit.Model
	var q fit.Quant
	var err error
	switch {
	case f.shape.Layers > 0:
		m = f.described(name)
		q = m.Native()
	case isFolder(name):
		if m, err = readModel(filepath.Join(name, "config.json")); err == nil && len(f.weights) == 0 {
			f.weights, err = weightsIn(name)
		}
		q = m.Native()
	case isFile(name):
		m, err = readModel(name)
		q = m.Native()
	default:
		m, q, err = fit.Named(c, name)
		err = meant(err, name, c)
	}
	if err == nil {
		err = f.measure(&m)
	}
	return m, q, err
}

func (f *modelFlags) described(name string) fit.Model {
	p := f.shape
	p.Name, p.DType, p.Attention = name, "bf16", price.GQA
	if p.KVHeads == 0 {
		p.KVHeads = p.Heads
	}
	if p.HeadDim == 0 && p.Heads > 0 {
		p.HeadDim = p.Hidden / p.Heads
	}
	return fit.FromCatalogue(p)
}

// isFolder: a folder as the Hub's clients write one; a name of the catalogue is
// none, unless such a folder is there.
func isFolder(name string) bool {
	_, err := os.Stat(filepath.Join(name, "config.json"))
	return err == nil
}

// weightsIn lists the files that say how many bytes the weights in a folder are:
// the index, or each safetensors file; none where there are none.
func weightsIn(folder string) ([]string, error) {
	index := filepath.Join(folder, "model.safetensors.index.json")
	if _, err := os.Stat(index); err == nil {
		return []string{index}, nil
	}
	return filepath.Glob(filepath.Join(folder, "*.safetensors"))
}

// isFile: a name that ends like a model file, or one that is there.
func isFile(name string) bool {
	switch strings.ToLower(filepath.Ext(name)) {
	case ".json", ".gguf", ".safetensors":
		return true
	}
	return false
}

func readModel(path string) (_ fit.Model, err error) {
	if strings.EqualFold(filepath.Ext(path), ".safetensors") {
		return fit.Model{}, fmt.Errorf("%s holds weights and no shape: give the model's config.json, and this file with --weights", path)
	}
	if strings.EqualFold(filepath.Ext(path), ".gguf") {
		file, err := os.Open(path)
		if err != nil {
			return fit.Model{}, missingFile(path, err)
		}
		defer func() { err = errors.Join(err, file.Close()) }()
		return fit.ParseGGUF(filepath.Base(path), file)
	}
	text, err := whole.Read(path, fit.MaxConfig)
	if err != nil {
		return fit.Model{}, missingFile(path, err)
	}
	m, err := fit.ParseConfig(filepath.Base(filepath.Dir(absolute(path))), text)
	if err != nil {
		return m, err
	}
	beside := filepath.Join(filepath.Dir(path), "hf_quant_config.json")
	if text, err = whole.Read(beside, fit.MaxConfig); errors.Is(err, fs.ErrNotExist) {
		return m, nil
	}
	if err == nil {
		err = m.Quantised(text)
	}
	return m, err
}

func absolute(path string) string {
	if full, err := filepath.Abs(path); err == nil {
		return full
	}
	return path
}

func missingFile(path string, err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s does not exist: give a model's name, or the path of its config.json or GGUF file", path)
	}
	return err
}

// measure replaces the weights the shape gives by those in the files.
func (f *modelFlags) measure(m *fit.Model) error {
	var stored fit.Stored
	for _, path := range f.weights {
		text, err := readStart(path)
		if err != nil {
			return missingFile(path, err)
		}
		if strings.HasSuffix(path, ".json") {
			total, err := fit.ParseIndex(text)
			if err == nil {
				err = m.Measured(total)
			}
			if err != nil {
				return fmt.Errorf("%s: %w", path, err)
			}
			continue
		}
		one, err := fit.ParseSafetensors(text)
		if err == nil {
			stored, err = stored.Add(one)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
	}
	if stored.Total() > 0 {
		m.Stored = &stored
	}
	return nil
}

// readStart reads as much of a file as a header may take.
func readStart(path string) (_ []byte, err error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	var b bytes.Buffer
	if _, err := b.ReadFrom(io.LimitReader(file, maxHeader)); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}
