package whatif

import (
	"slices"
	"testing"
)

func TestPoliciesMayHaveACommaInTheirName(t *testing.T) {
	f := func(value string, want ...string) {
		t.Helper()
		have := splitPolicies([]string{value})
		if !slices.Equal(have, want) {
			t.Errorf("%q is read as %q, want %q", value, have, want)
		}
	}
	f("weir", "weir")
	f("weir,hpa=0.7, kpa", "weir", "hpa=0.7", "kpa")
	f("weir, foreseeing", "weir, foreseeing")
	f("hpa=0.5,weir, foreseeing,hpa, queue=3,kpa", "hpa=0.5", "weir, foreseeing", "hpa, queue=3", "kpa")
	f("weir,nonsense", "weir", "nonsense")
	f("", "")
	for spec, want := range map[string]string{"weir, foreseeing": Foreseeing, "hpa, queue=3": "hpa-queue", "azure, monitor": "azure-monitor"} {
		c, err := policyNamed(spec)
		if err != nil || c.Policy != want || c.Label != spec {
			t.Errorf("%q is policy %q with label %q, %v; want %q", spec, c.Policy, c.Label, err, want)
		}
	}
}
