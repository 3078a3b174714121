package main

import (
	"testing"

	"weir/trace"
)

// What docs/benchmarks/spill.md says, on the ten minutes Weir carries itself: a
// provisioned deployment in full use, hardly more spilled than the floor, no request
// refused, none waiting longer than promised.
func TestWeirUsesWhatIsPaidFor(t *testing.T) {
	s, err := trace.AzureConversation()
	if err != nil {
		t.Fatal(err)
	}
	arrivals, err := trace.ReadAll(s)
	if err != nil {
		t.Fatal(err)
	}
	d := demandOf(arrivals)
	for _, load := range []float64{1.2, 2} {
		p := provision(d, load)
		least, x := floor(d, p), playWeir(d, p)
		if use := x.served / (d.total - least); use < 0.97 {
			t.Errorf("at %v times the throughput it uses %.1f %% of what it could", load, 100*use)
		}
		if x.spilled > 1.03*least {
			t.Errorf("at %v times the throughput it spills %.0f tokens, %.0f had to", load, x.spilled, least)
		}
		if n := len(d.requests); x.seen > 0 || x.missed > n/1000 || len(x.waits) != n {
			t.Errorf("of %d requests %d were refused, %d late, %d served", n, x.seen, x.missed, len(x.waits))
		}
		for _, c := range contenders[1:] {
			if y := c.play(d, p); y.spilled < least*0.999 || len(y.waits) != len(d.requests) {
				t.Errorf("%s spills %.0f, below the floor of %.0f, or loses requests", c.name, y.spilled, least)
			}
		}
	}
}
