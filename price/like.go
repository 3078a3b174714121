package price

import (
	"slices"
	"strings"
	"unicode"
)

// GPUsLike names the GPUs whose name begins as asked; memory or form may be
// omitted ("A100", "h100-80gb").
func (c *Catalogue) GPUsLike(asked string) []string {
	var out []string
	want := slices.DeleteFunc(strings.FieldsFunc(strings.ToLower(asked), notLetterOrDigit), wordOfDriver)
	for i, w := range want {
		if strings.HasPrefix(w, "sxm") {
			want[i] = strings.TrimRight(w, "0123456789") // SXM4 and SXM5 differ only by generation
		}
	}
	for _, name := range c.GPUNames() {
		have := strings.FieldsFunc(strings.ToLower(name), notLetterOrDigit)
		if len(want) > 0 && !slices.ContainsFunc(want, func(w string) bool { return !slices.Contains(have, w) }) {
			out = append(out, name)
		}
	}
	return out
}

// wordOfDriver says whether a word in nvidia-smi's name of a GPU ("NVIDIA H100
// 80GB HBM3") does not help to identify it.
func wordOfDriver(w string) bool {
	switch w {
	case "nvidia", "amd", "tesla", "geforce", "instinct", "hbm2", "hbm2e", "hbm3", "hbm3e", "gpu":
		return true
	}
	return false
}

func notLetterOrDigit(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) }

// GPUNames are the names of all GPUs, in the catalogue's order.
func (c *Catalogue) GPUNames() []string {
	var names []string
	for _, g := range c.GPUs() {
		names = append(names, g.Name)
	}
	return names
}
