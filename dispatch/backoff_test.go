package dispatch

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"weir"
)

// A pause is within its bound, which doubles, and within the request's slack,
// except for the first bound.
func TestAPauseIsBoundedByAttemptAndSlack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := New(Options{Attempts: 10, Health: Health{Failures: 100}, Deployments: []Deployment{{Name: "d", Weight: 1}}}, rapid.Uint64().Draw(t, "seed"))
		c.Replicas(epoch, "d", ready("a"))
		slack := time.Duration(rapid.IntRange(0, 3000).Draw(t, "slack")) * time.Millisecond
		r := Request{ID: 1, Output: 1, Class: weir.Class(rapid.IntRange(0, 1).Draw(t, "class"))}
		if slack > 0 {
			r.SpillAt = epoch.Add(slack)
		}
		c.Arrive(epoch, r)
		now := epoch
		for attempt := 1; attempt < 10; attempt++ {
			if vs := c.Retry(now, 1, Unhealthy); len(vs) > 0 {
				t.Fatalf("asked again at once: %+v", vs)
			}
			at := c.Next()
			most := min(backoffBase<<(attempt-1), backoffMax)
			if slack > 0 && r.Class == weir.Interactive {
				most = min(most, max(r.SpillAt.Sub(now), backoffBase))
			}
			if d := at.Sub(now); d <= 0 || d > most {
				t.Fatalf("attempt %d: a pause of %v, allowed are %v", attempt, d, most)
			}
			vs := c.Wake(at)
			if len(vs) != 1 || vs[0].Kind != Grant || vs[0].Queued != at.Sub(now) {
				t.Fatalf("%+v", vs)
			}
			now = at
		}
		if vs := c.Retry(now, 1, Unhealthy); len(vs) != 1 || vs[0].Reason != AttemptsUsed {
			t.Fatalf("%+v", vs)
		}
	})
}

func TestAnotherReplicaIsAskedAtOnce(t *testing.T) {
	c := New(Options{Deployments: []Deployment{{Name: "d", Weight: 1}}}, 1)
	c.Replicas(epoch, "d", ready("a", "b"))
	first := c.Arrive(epoch, Request{ID: 1, Output: 1})[0].Replica
	if vs := c.Retry(epoch, 1, Unhealthy); len(vs) != 1 || vs[0].Replica == first {
		t.Errorf("%+v", vs)
	}
}

func TestPausesAreSpread(t *testing.T) {
	c := New(Options{Health: Health{Failures: 1000}, Deployments: []Deployment{{Name: "d", Weight: 1}}}, 1)
	c.Replicas(epoch, "d", ready("a"))
	for id := range uint64(200) {
		c.Arrive(epoch, Request{ID: id + 1, Output: 1})
	}
	for id := range uint64(200) {
		c.Retry(epoch, id+1, Unhealthy)
	}
	early := 0
	for n := c.Next(); n.Sub(epoch) < backoffBase/2; n = c.Next() {
		early += len(c.Wake(n))
	}
	if early < 70 || early > 130 {
		t.Errorf("of 200 that failed together, %d were sent in the first half of the time", early)
	}
}
