package files

import (
	"errors"
	"fmt"
	"strings"

	"weir/config"
	"weir/fit"
	"weir/price"
)

// Unclear is the error of a question that names no GPU, or names several.
type Unclear string

func (u Unclear) Error() string { return string(u) }

// Device is a GPU by name, of that many GiB if memory is above zero. A GPU that is
// not in the catalogue needs its memory.
func Device(c *price.Catalogue, name string, memory float64) (fit.GPU, error) {
	if name == "" && memory == 0 {
		return fit.GPU{}, Unclear(fmt.Sprintf("--gpu is missing: name one of %s, or give --gpu-memory", strings.Join(c.GPUNames(), ", ")))
	}
	g, err := c.GPU(name)
	if err != nil && memory == 0 {
		if kinds := c.GPUsLike(name); len(kinds) > 1 {
			err = Unclear(fmt.Sprintf("--gpu %s: which one? There are %s", name, strings.Join(kinds, ", ")))
		} else if len(kinds) == 1 {
			err = fmt.Errorf("%w; did you mean %s?", err, kinds[0])
		}
		return fit.GPU{}, err
	}
	out := fit.GPU{Name: name, BF16: true}
	if err == nil {
		if out, err = fit.NewGPU(g); err != nil && memory == 0 {
			return fit.GPU{}, err
		}
	}
	if memory > 0 {
		out.Total = int64(min(memory, 1<<20) * fit.GiB)
	}
	if out.Name == "" {
		out.Name = fmt.Sprintf("a GPU of %.4g GiB", memory)
	}
	return out, nil
}

// Named is fit.Named; the error of an unknown name says which model was probably
// meant: the nearest by its letters, with or without its publisher.
func Named(c *price.Catalogue, name string) (fit.Model, fit.Quant, error) {
	m, q, err := fit.Named(c, name)
	if !errors.Is(err, price.ErrUnknown) {
		return m, q, err
	}
	var known []string
	full := map[string]string{}
	for _, m := range c.Models() {
		short := m.Name[strings.LastIndexByte(m.Name, '/')+1:]
		full[short], full[m.Name] = m.Name, m.Name
		known = append(known, short, m.Name)
	}
	if near := config.Nearest(name, known); near != "" {
		err = fmt.Errorf("did you mean %s? %w", full[near], err)
	}
	return m, q, err
}
