package fit

import (
	"slices"

	"weir/price"
)

// Sold are the GPUs that Azure offers, smallest first.
func Sold(c *price.Catalogue) []GPU {
	var out []GPU
	for _, vm := range c.VMs() {
		g, err := c.GPU(vm.GPU)
		if err != nil {
			continue
		}
		if one, err := NewGPU(g); err == nil && !slices.Contains(out, one) {
			out = append(out, one)
		}
	}
	slices.SortStableFunc(out, func(a, b GPU) int { return int(a.Total>>20) - int(b.Total>>20) })
	return out
}
