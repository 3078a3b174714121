package dispatch

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"weir"
)

// drawFailures plays requests of one bad key, which all fail at any replica,
// among those of a good key, which all succeed. It returns the core and how
// many of the good ones were granted at once.
func drawFailures(t *rapid.T, replicas int, good bool) (c *Core, asked, granted int) {
	c = New(Options{Deployments: []Deployment{{Name: "d", Weight: 1}}}, rapid.Uint64().Draw(t, "seed"))
	now := weir.Instant(time.Hour)
	var rs []weir.Replica
	for i := range replicas {
		rs = append(rs, weir.Replica{ID: string(rune('a' + i)), State: weir.Ready})
	}
	c.Replicas(now, "d", rs)
	for id := uint64(1); id <= 60; id++ {
		now = now.Add(time.Duration(rapid.IntRange(0, 40_000).Draw(t, "ms")) * time.Millisecond)
		if good && rapid.Bool().Draw(t, "good") {
			asked++
			vs := c.Arrive(now, Request{ID: id, Key: 1, Prompt: 9, Output: 9})
			if len(vs) == 1 && vs[0].Kind == Grant {
				granted++
				c.Done(now, id, OK, weir.Usage{})
			}
			continue
		}
		vs := c.Arrive(now, Request{ID: id, Key: 2, Prompt: 9, Output: 9})
		for len(vs) == 1 && vs[0].Kind == Grant {
			if rapid.IntRange(0, 3).Draw(t, "openly") == 0 {
				c.Done(now, id, Unhealthy, weir.Usage{})
				break
			}
			if vs = c.Retry(now, id, Unhealthy); len(vs) == 0 && c.Next() != 0 { // it pauses
				now = max(now, c.Next())
				vs = c.Wake(now)
			}
		}
	}
	return c, asked, granted
}

// Requests of one key that fail everywhere open no replica and keep no other
// request out.
func TestOneKeyAloneClosesNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c, asked, granted := drawFailures(t, rapid.IntRange(1, 4).Draw(t, "replicas"), rapid.Bool().Draw(t, "others"))
		if granted != asked {
			t.Fatalf("of %d requests of the other key %d were granted at once", asked, granted)
		}
		for _, r := range c.deployments[0].replicas {
			if r.open || r.opens > 0 {
				t.Fatalf("%s was opened", r.id)
			}
		}
	})
}

// A replica that fails every request is opened by three requests, also of one
// key, if another replica answers them.
func TestABrokenReplicaIsFoundByOneKey(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := New(Options{Deployments: []Deployment{{Name: "d", Weight: 1}}}, rapid.Uint64().Draw(t, "seed"))
		now := weir.Instant(time.Hour)
		c.Replicas(now, "d", []weir.Replica{{ID: "a", State: weir.Ready}, {ID: "b", State: weir.Ready}})
		failed := 0
		for id := uint64(1); id <= 20; id++ {
			vs := c.Arrive(now, Request{ID: id, Key: 1, Prompt: 9, Output: 9})
			if vs[0].Replica == "a" {
				failed++
				vs = c.Retry(now, id, Unhealthy)
			}
			if len(vs) != 1 || vs[0].Replica != "b" {
				t.Fatalf("%d: %+v", id, vs)
			}
			c.Done(now, id, OK, weir.Usage{})
		}
		if failed != 3 {
			t.Fatalf("%d requests were sent to the broken replica", failed)
		}
	})
}

// A whole outage is attributed correctly: where no request succeeds, no request
// of several keys is blamed once two keys have failed.
func TestAnOutageIsNobodysRequest(t *testing.T) {
	c := New(Options{Deployments: []Deployment{{Name: "d", Weight: 1}}}, 1)
	now := weir.Instant(time.Hour)
	c.Replicas(now, "d", []weir.Replica{{ID: "a", State: weir.Ready}, {ID: "b", State: weir.Ready}})
	for id := uint64(1); id <= 4; id++ {
		c.Arrive(now, Request{ID: id, Key: id})
	}
	for id := uint64(1); id <= 4; id++ {
		c.Done(now, id, OK, weir.Usage{})
	}
	blamed := 0
	for id := uint64(11); id <= 20; id++ {
		vs := c.Arrive(now, Request{ID: id, Key: id % 4})
		for len(vs) == 1 && vs[0].Kind == Grant {
			vs = c.Retry(now, id, Unhealthy)
		}
		if len(vs) == 1 && vs[0].Reason == RequestFails {
			blamed++
		}
	}
	if blamed > 4 {
		t.Errorf("%d of 10 requests were blamed", blamed)
	}
}
