package dispatch

import (
	"testing"
	"time"

	"weir"
)

func TestDemandSaysWhenARequestLastCameAndEnded(t *testing.T) {
	c := hedging(1, Options{}, "a", "b")
	at := func(d time.Duration) weir.Instant { return epoch.Add(d) }
	f := func(now, arrived, ended weir.Instant) {
		t.Helper()
		if d := c.Demand(now); d.LastArrived != arrived || d.Deployments[0].LastEnded != ended {
			t.Errorf("last came %v, last ended %v; want %v and %v", d.LastArrived, d.Deployments[0].LastEnded, arrived, ended)
		}
	}
	f(at(time.Second), 0, 0)
	c.Arrive(at(2*time.Second), Request{ID: 1, Prompt: 10, Output: 5})
	f(at(9*time.Second), at(2*time.Second), 0)
	c.Arrive(at(10*time.Second), Request{ID: 2, Prompt: 10, Output: 5})
	c.Done(at(12*time.Second), 1, OK, weir.Usage{})
	f(at(20*time.Second), at(10*time.Second), at(12*time.Second))
	c.Done(at(30*time.Second), 2, Abandoned, weir.Usage{})
	f(at(time.Minute), at(10*time.Second), at(30*time.Second))
}

// The single figures equal those of Demand.
func TestOneFigureIsThatOfTheWholeDemand(t *testing.T) {
	c := hedging(1, Options{}, "a", "b")
	for id := range uint64(9) {
		c.Arrive(epoch.Add(time.Second), Request{ID: id + 1, Prompt: 10, Output: 5})
		d := c.Demand(epoch.Add(time.Second))
		if n := c.Waiting(); n != d.Waiting {
			t.Errorf("%d wait, want %d", n, d.Waiting)
		}
		for _, r := range d.Deployments[0].PerReplica {
			if n := c.InFlight(d.Deployments[0].Name, r.ID); n != r.InFlight {
				t.Errorf("%s: %d in flight, want %d", r.ID, n, r.InFlight)
			}
		}
	}
	if n := c.InFlight("none", "a"); n != -1 {
		t.Error(n)
	}
}
