package baseline_test

import (
	"testing"

	"weir/bench/policies/ticks"
)

// At every tick of the recorded cases each baseline wants the number of its
// original; bench/policies runs the originals and writes the files.
func TestBaselinesDecideAsTheOriginals(t *testing.T) {
	cases, err := ticks.Load("testdata")
	if err != nil {
		t.Fatal(err)
	}
	compared := map[string]int{}
	for _, c := range cases {
		compared[c.Policy] += len(c.Rows)
		t.Run(c.Name, c.MustAgree)
	}
	for policy, least := range map[string]int{"hpa": 300, "hpa-queue": 50, "hpa-concurrency": 500, "kpa": 3000, "apa": 500} {
		if compared[policy] < least {
			t.Errorf("%s: %d ticks compared, want at least %d", policy, compared[policy], least)
		}
	}
}

// A deviating baseline is found, at its tick.
func TestABaselineThatIsOffIsFound(t *testing.T) {
	cases, err := ticks.Load("testdata")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range cases {
		c.Rows[20].Want += 10
		faults, err := c.Check()
		if err != nil || len(faults) != 1 {
			t.Errorf("%s: one number is wrong: found %q, %v", c.Name, faults, err)
		}
		c.Rows[20].Want -= 10
		if c.Differs > 0 {
			continue // and does
		}
		c.Differs, c.Because = 1, "nothing"
		if faults, err := c.Check(); err != nil || len(faults) != 1 {
			t.Errorf("%s: said to differ and does not: found %q, %v", c.Name, faults, err)
		}
	}
}
