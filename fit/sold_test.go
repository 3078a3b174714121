package fit

import (
	"slices"
	"testing"

	"weir/price"
)

func TestGPUsThatAreSoldAreInOrderOfTheirMemoryEachOnce(t *testing.T) {
	c, err := price.Default()
	if err != nil {
		t.Fatal(err)
	}
	sold := Sold(c)
	if len(sold) < 5 || !slices.IsSortedFunc(sold, func(a, b GPU) int { return int(a.Total>>20) - int(b.Total>>20) }) {
		t.Errorf("have %+v", sold)
	}
	for i, g := range sold {
		if slices.Index(sold, g) != i {
			t.Errorf("%s is listed twice", g.Name)
		}
	}
}
