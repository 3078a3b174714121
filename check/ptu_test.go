package check

import (
	"strings"
	"testing"

	"weir/price"
)

func TestUnitsThatNoDeploymentHas(t *testing.T) {
	prices, err := price.Default()
	if err != nil {
		t.Fatal(err)
	}
	f := func(model string, n int, want string) {
		t.Helper()
		p, err := prices.PTU(model)
		if err != nil {
			t.Fatal(err)
		}
		problem, remedy := oddPTU(p, n)
		if have := problem + "; " + remedy; want == "" && problem != "" || !strings.Contains(have, want) {
			t.Errorf("%d of %s: have %q, want %q", n, model, have, want)
		}
	}
	f("gpt-4o", 7, "no deployment of gpt-4o has 7 units: global from 15 in steps of 5, data zone from 15 in steps of 5, regional from 50 in steps of 50; the nearest is 15")
	f("gpt-4o", 15, "")
	f("gpt-4o", 20, "")
	f("gpt-4o", 22, "the nearest is 20")
	f("gpt-4o", 23, "the nearest is 25")
	f("gpt-4o", 1050, "")
}
