package fit

import (
	"testing"

	"weir/price"
)

func TestTokensAreWrittenPlainOrWithASuffix(t *testing.T) {
	f := func(text string, want int, ok bool) {
		t.Helper()
		if have, err := ParseTokens(text); have != want || (err == nil) != ok {
			t.Errorf("%q is read as %d, %v", text, have, err)
		}
	}
	f("", 0, true)
	f("8192", 8192, true)
	f("32k", 32<<10, true)
	f("0.5M", 1<<19, true)
	f("0.0001k", 0, false)
	f("1e3", 0, false)
	f("-1", 0, false)
	f("256M", 0, false)
	f("lots", 0, false)
}

func TestAModelOfCountsHasHeadsOfItsOwn(t *testing.T) {
	m := FromCounts(price.Model{Name: "mine", Layers: 16, Hidden: 2048, Heads: 32, Intermediate: 8192, Vocab: 128256})
	if m.Name != "mine" || m.KVHeads != 32 || m.HeadDim != 64 || m.Native().Name != "bf16" {
		t.Errorf("have %+v in %s", m, m.Native().Name)
	}
}
