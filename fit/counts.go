package fit

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"weir/price"
)

// FromCounts is a model of which only the counts of layers, heads and widths
// are known: as many KV heads as heads if not given, weights in bf16.
func FromCounts(p price.Model) Model {
	p.DType, p.Attention = "bf16", price.GQA
	if p.KVHeads == 0 {
		p.KVHeads = p.Heads
	}
	if p.HeadDim == 0 && p.Heads > 0 {
		p.HeadDim = p.Hidden / p.Heads
	}
	return FromCatalogue(p)
}

// ParseTokens reads "8192", "32k" (x 1024) or "1M"; "" is 0.
func ParseTokens(text string) (int, error) {
	if text == "" {
		return 0, nil
	}
	digits, factor := strings.ToLower(text), 1
	switch {
	case strings.HasSuffix(digits, "k"):
		digits, factor = digits[:len(digits)-1], 1<<10
	case strings.HasSuffix(digits, "m"):
		digits, factor = digits[:len(digits)-1], 1<<20
	}
	x, err := strconv.ParseFloat(digits, 64)
	n := x * float64(factor)
	if err != nil || strings.Trim(digits, "0123456789.") != "" || n < 1 || n > 1<<27 || n != math.Trunc(n) {
		return 0, fmt.Errorf("%q is not a number of tokens from 1 to 128M: write 8192, 32k or 0.5M; k is 1024", text)
	}
	return int(n), nil
}
