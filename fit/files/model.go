// Package files reads the inputs of package fit from files: the shape of a
// model from its published files, its exact size from its weights, and models
// that share GPUs from their own file. It decides nothing.
package files

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"weir/fit"
	"weir/internal/whole"
)

// maxHeader is how much of a weight file's start is read.
const maxHeader = 64 << 20

// Is says whether a name is a file or folder that describes a model, rather
// than a name of the catalogue.
func Is(name string) bool { return isFolder(name) || isFile(name) }

// Model reads the shape of a model from a folder, a config.json or a GGUF file.
// For a folder, weights are the files that state the size of its weights.
func Model(name string) (m fit.Model, weights []string, err error) {
	if !isFolder(name) {
		m, err = read(name)
		return m, nil, err
	}
	if m, err = read(filepath.Join(name, "config.json")); err == nil {
		weights, err = weightsIn(name)
	}
	return m, weights, err
}

// isFolder: a folder as the Hub's clients write one. A name of the catalogue
// counts only if such a folder exists.
func isFolder(name string) bool {
	_, err := os.Stat(filepath.Join(name, "config.json"))
	return err == nil
}

// weightsIn lists the files that state the size of a folder's weights: the
// index, or each safetensors file; none if there are none.
func weightsIn(folder string) ([]string, error) {
	index := filepath.Join(folder, "model.safetensors.index.json")
	if _, err := os.Stat(index); err == nil {
		return []string{index}, nil
	}
	return filepath.Glob(filepath.Join(folder, "*.safetensors"))
}

// isFile: a name that ends like a model file, or an existing file.
func isFile(name string) bool {
	switch strings.ToLower(filepath.Ext(name)) {
	case ".json", ".gguf", ".safetensors":
		return true
	}
	return false
}

func read(path string) (_ fit.Model, err error) {
	if strings.EqualFold(filepath.Ext(path), ".safetensors") {
		return fit.Model{}, fmt.Errorf("%s has weights but no shape: give the model's config.json, and this file with --weights", path)
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
	if text, err = whole.Read(beside, fit.MaxConfig); errors.Is(err, os.ErrNotExist) {
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
	if errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("%s does not exist: give a model's name, or the path of its config.json or GGUF file", path)
	}
	return err
}

// Measure replaces the weights computed from the shape by those in the files,
// which are safetensors files or an index of them; no files change nothing.
func Measure(m *fit.Model, weights []string) error {
	var stored fit.Stored
	for _, path := range weights {
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

// readStart reads enough of a file for any header.
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
