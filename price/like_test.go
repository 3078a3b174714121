package price

import (
	"strings"
	"testing"
)

func TestGPUsAreFoundByPartsOfTheirNames(t *testing.T) {
	c, err := Default()
	if err != nil {
		t.Fatal(err)
	}
	f := func(asked, want string) {
		t.Helper()
		if have := strings.Join(c.GPUsLike(asked), " "); have != want {
			t.Errorf("%q is like %q, want %q", asked, have, want)
		}
	}
	f("Tesla T4", "T4")
	f("NVIDIA-A100-SXM4-80GB", strings.Join(c.GPUsLike("a100 sxm 80gb"), " "))
	f("", "")
	f("T5", "")
	if all := c.GPUsLike("A100"); len(all) < 2 || len(all) >= len(c.GPUNames()) {
		t.Errorf("A100 is like %q", all)
	}
}
