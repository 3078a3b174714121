package dispatch

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"weir"
)

// hedging makes a core with one deployment of these replicas that may hedge.
func hedging(share float64, o Options, replicas ...string) *Core {
	o.Hedge.Share = share
	if len(o.Deployments) == 0 {
		o.Deployments = []Deployment{{Name: "d", Weight: 1}}
	}
	c := New(o, 1)
	for _, d := range o.Deployments {
		c.Replicas(epoch, d.Name, ready(replicas...))
	}
	return c
}

func TestAHedgeIsOfferedAfterTheLearnedTail(t *testing.T) {
	c := hedging(0.05, Options{}, "a", "b")
	after := func() time.Duration {
		v := c.Arrive(epoch, Request{ID: 1, Output: 1})[0]
		c.Done(epoch, 1, OK, weir.Usage{})
		return v.HedgeAfter
	}
	if d := after(); d != 0 {
		t.Errorf("nothing is known, and it says %v", d)
	}
	for id := range uint64(100) {
		now := epoch.Add(time.Duration(id+1) * time.Second)
		c.Arrive(now, Request{ID: id + 1, Output: 1})
		now = now.Add(time.Duration(id+1) * time.Millisecond)
		c.FirstToken(now, id+1)
		c.Done(now, id+1, OK, weir.Usage{})
	}
	if d := after(); d < 90*time.Millisecond || d > 100*time.Millisecond {
		t.Errorf("of times up to 100 ms the 95th percentile is given as %v", d)
	}
	if v := c.Arrive(c.now, Request{ID: 9, Output: 1, Class: weir.Batch})[0]; v.HedgeAfter != 0 {
		t.Error("batch is offered a hedge")
	}
}

func TestHedgesAreACappedShareOfTheRequests(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		share := float64(rapid.IntRange(1, 100).Draw(t, "percent")) / 100
		c := hedging(share, Options{}, "a", "b", "c")
		n := rapid.IntRange(1, 400).Draw(t, "requests")
		hedges := 0
		for i := range n {
			id := uint64(i + 1)
			c.Arrive(epoch, Request{ID: id, Output: 1})
			if _, ok := c.Hedge(epoch, id, 1<<32+id); ok {
				hedges++
				c.Done(epoch, 1<<32+id, Abandoned, weir.Usage{})
			}
			c.Done(epoch, id, OK, weir.Usage{})
		}
		if most := share * float64(n); float64(hedges) > most+1e-9 || float64(hedges) < most-1-1e-9 {
			t.Fatalf("%d hedges of %d requests at a share of %v", hedges, n, share)
		}
	})
}

func TestAHedgeUsesAnAttempt(t *testing.T) {
	c := hedging(1, Options{Attempts: 2}, "a", "b", "c")
	c.Arrive(epoch, Request{ID: 1, Output: 1})
	if _, ok := c.Hedge(epoch, 1, 1001); !ok {
		t.Fatal("no hedge")
	}
	c.hedges = 1
	if _, ok := c.Hedge(epoch, 1, 1002); ok {
		t.Error("a third attempt of two")
	}
	c.Done(epoch, 1001, Unhealthy, weir.Usage{})
	if v := c.Retry(epoch, 1, Unhealthy); len(v) != 1 || v[0].Reason != AttemptsUsed {
		t.Errorf("%+v", v)
	}
}

func TestNoHedgeWhereItWouldHurt(t *testing.T) {
	f := func(why string, c *Core, r Request) {
		t.Helper()
		r.ID, r.Output = 1, 1
		c.Arrive(epoch, r)
		if v, ok := c.Hedge(epoch, 1, 1001); ok {
			t.Errorf("%s: %+v", why, v)
		}
	}
	f("there is no other replica", hedging(1, Options{}, "a"), Request{})
	f("it is batch", hedging(1, Options{}, "a", "b"), Request{Class: weir.Batch})
	f("it is off", hedging(0, Options{}, "a", "b"), Request{})
	f("the other tier costs more", hedging(1, Options{Deployments: []Deployment{{Name: "d", Weight: 1}, {Name: "e", Weight: 1, Tier: 1}}}, "a"), Request{})
	full := hedging(1, Options{Deployments: []Deployment{{Name: "d", Weight: 1, MaxRequests: 1}}}, "a", "b")
	full.Arrive(epoch, Request{ID: 2, Output: 1})
	full.Arrive(epoch, Request{ID: 1, Output: 1})
	full.Arrive(epoch, Request{ID: 3, Output: 1})
	full.hedges = 1
	if v, ok := full.Hedge(epoch, 1, 1001); ok {
		t.Errorf("others wait: %+v", v)
	}
}

func TestAWonHedgeTakesThePlaceOfItsRequest(t *testing.T) {
	c := hedging(1, Options{}, "a", "b")
	first := c.Arrive(epoch, Request{ID: 1, Prompt: 10, Output: 5})[0].Replica
	v, ok := c.Hedge(epoch, 1, 1001)
	if !ok || v.Replica == first || v.Reason != Hedged {
		t.Fatalf("%+v", v)
	}
	c.Swap(epoch, 1, 1001)
	c.Done(epoch, 1001, Abandoned, weir.Usage{})
	c.FirstToken(epoch, 1)
	if r := c.calls[1].on; r.id != v.Replica || r.work != 5 || c.deployments[0].requests != 1 {
		t.Errorf("%s, %d tokens, %d requests", r.id, r.work, c.deployments[0].requests)
	}
	c.Done(epoch, 1, OK, weir.Usage{})
	d := c.Demand(epoch)
	if d.Arrived != 1 || d.Completed != 1 || d.Granted != 1 || d.Deployments[0].InFlight != 0 || d.Deployments[0].Granted != 2 {
		t.Errorf("%+v", d)
	}
}

func TestAFailedCopyIsNotTriedAgain(t *testing.T) {
	c := hedging(1, Options{Attempts: 4}, "a", "b", "c")
	c.Arrive(epoch, Request{ID: 1, Output: 1})
	v, _ := c.Hedge(epoch, 1, 1001)
	c.Done(epoch, 1001, Unhealthy, weir.Usage{})
	if again := c.Retry(epoch, 1, Unhealthy); again[0].Kind != Grant || again[0].Replica == v.Replica {
		t.Errorf("%+v after %+v", again, v)
	}
}

func TestAMirrorCountsWhereItIsAndNowhereElse(t *testing.T) {
	c := New(Options{Deployments: []Deployment{{Name: "d", Weight: 1}, {Name: "shadow", MaxRequests: 1}}}, 1)
	c.Replicas(epoch, "d", ready("a"))
	if _, ok := c.Mirror(epoch, "shadow", Request{ID: 1001, Output: 1}); ok {
		t.Error("there is no replica")
	}
	c.Replicas(epoch, "shadow", ready("s"))
	if v, ok := c.Mirror(epoch, "shadow", Request{ID: 1001, Output: 1}); !ok || v.Replica != "s" || v.Reason != Mirrored {
		t.Errorf("%+v", v)
	}
	if _, ok := c.Mirror(epoch, "shadow", Request{ID: 1002, Output: 1}); ok {
		t.Error("it is full")
	}
	d := c.Demand(epoch)
	if d.Arrived != 0 || d.Granted != 0 || d.Deployments[1].InFlight != 1 {
		t.Errorf("%+v", d)
	}
	c.Done(epoch, 1001, OK, weir.Usage{Prompt: 3, Completion: 2})
	if d = c.Demand(epoch); d.Completed != 0 || d.Deployments[1].InFlight != 0 || d.Deployments[1].Completed != 1 || d.Deployments[1].DoneOutput != 2 {
		t.Errorf("%+v", d)
	}
}
