package dispatch

import (
	"fmt"
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"

	"weir"
)

const epoch = weir.Instant(time.Hour)

func ready(ids ...string) []weir.Replica {
	rs := make([]weir.Replica, len(ids))
	for i, id := range ids {
		rs[i] = weir.Replica{ID: id, State: weir.Ready}
	}
	return rs
}

// Two tenants that always have requests waiting get work in proportion to their
// shares, to within one of the largest requests of each, at any sizes: the
// bound of start-time fair queueing (Goyal et al., theorem 1).
func TestWorkIsSharedByWeightBetweenTenants(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		wa, wb := rapid.IntRange(1, 9).Draw(t, "share of a"), rapid.IntRange(1, 9).Draw(t, "share of b")
		sizes := map[string]*rapid.Generator[int]{
			"a": rapid.IntRange(1, rapid.IntRange(1, 20000).Draw(t, "largest of a")),
			"b": rapid.IntRange(1, rapid.IntRange(1, 20000).Draw(t, "largest of b")),
		}
		c := New(Options{
			Deployments: []Deployment{{Name: "d", Weight: 1, MaxRequests: 1}},
			Queue:       Queue{MaxWork: math.MaxInt32, MaxRequests: math.MaxInt32},
			Shares:      map[string]int{"a": wa, "b": wb},
		}, 1)
		c.Replicas(epoch, "d", ready("r"))
		id, work, tenant := uint64(0), map[uint64]int{}, map[uint64]string{}
		arrive := func(who string) []Verdict {
			id++
			tenant[id], work[id] = who, 1
			if size := sizes[who]; size != nil {
				work[id] = size.Draw(t, who)
			}
			return c.Arrive(epoch, Request{ID: id, Tenant: who, Prompt: work[id]})
		}
		busy := arrive("c")[0].ID // both start together
		for range 3 {
			arrive("a")
			arrive("b")
		}
		served, largest := map[string]float64{}, map[string]float64{}
		for range 300 {
			v := c.Done(epoch, busy, OK, weir.Usage{})
			busy = v[0].ID
			who, got := tenant[busy], float64(work[busy])
			served[who] += got
			largest[who] = max(largest[who], got)
			arrive(who)
			apart := math.Abs(served["a"]/float64(wa) - served["b"]/float64(wb))
			// Rounding of tags costs less than a token a request.
			if bound := largest["a"]/float64(wa) + largest["b"]/float64(wb) + 2; apart > bound {
				t.Fatalf("a %v of share %d, b %v of share %d: %v apart, allowed is %v", served["a"], wa, served["b"], wb, apart, bound)
			}
		}
	})
}

// A split holds to 1 % over 10,000 requests although each version is full at
// times, for periods short enough to catch up after.
func TestWeightsHoldWhileRoomChanges(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(2, 4).Draw(t, "versions")
		o, total := Options{}, 0
		for i := range n {
			w := rapid.IntRange(1, 100).Draw(t, "weight")
			o.Deployments = append(o.Deployments, Deployment{Name: fmt.Sprint("v", i), Weight: w})
			total += w
		}
		c := New(o, 1)
		for _, d := range o.Deployments {
			c.Replicas(epoch, d.Name, ready("r"))
		}
		now, count := epoch, map[string]int{}
		spell := rapid.IntRange(1, 25)
		for i, next := 1, 50; i <= 10_000; i++ {
			now = now.Add(time.Millisecond)
			if i == next { // one is away for a few requests, of a millisecond each
				away, d := spell.Draw(t, "away for"), o.Deployments[rapid.IntRange(0, n-1).Draw(t, "away")]
				c.PushBack(now, d.Name, "", now.Add(time.Duration(away)*time.Millisecond))
				// To catch up it can only take the others' share.
				next += 2*away*total/(total-d.Weight) + rapid.IntRange(0, 200).Draw(t, "next")
			}
			v := c.Arrive(now, Request{ID: uint64(i), Prompt: 1})
			count[v[0].Deployment]++
			c.Done(now, uint64(i), OK, weir.Usage{})
		}
		for _, d := range o.Deployments {
			want := 10_000 * float64(d.Weight) / float64(total)
			if math.Abs(float64(count[d.Name])-want) > 100 {
				t.Errorf("%s has %d of 10,000, its weight says %.0f", d.Name, count[d.Name], want)
			}
		}
	})
}

// A request that needs more room than ever becomes free at once is served
// nevertheless, however many small ones arrive.
func TestALargeRequestIsNotStarvedBySmallOnes(t *testing.T) {
	c := New(Options{Deployments: []Deployment{{Name: "d", Weight: 1, MaxWork: 1000}}}, 1)
	c.Replicas(epoch, "d", ready("a", "b"))
	var flying []uint64
	granted := map[uint64]bool{}
	note := func(vs []Verdict) {
		for _, v := range vs {
			granted[v.ID] = v.Kind == Grant
			flying = append(flying, v.ID)
		}
	}
	const large = 1_000_000
	for id := uint64(1); id < 200; id++ {
		note(c.Arrive(epoch, Request{ID: id, Tenant: fmt.Sprint(id % 5), Prompt: 100}))
		if id == 30 {
			note(c.Arrive(epoch, Request{ID: large, Tenant: "large", Prompt: 950}))
		}
		if id > 20 && len(flying) > 0 {
			done := flying[0]
			flying = flying[1:]
			note(c.Done(epoch, done, OK, weir.Usage{}))
		}
		if granted[large] {
			return
		}
	}
	t.Error("199 small requests passed the large one")
}

// A tenant with rare requests waits for no more than a request or two, however
// long another's queue is.
func TestARareTenantIsNotBehindAFlood(t *testing.T) {
	c := New(Options{Deployments: []Deployment{{Name: "d", Weight: 1, MaxRequests: 1}}}, 1)
	c.Replicas(epoch, "d", ready("r"))
	for id := uint64(1); id <= 5000; id++ {
		c.Arrive(epoch, Request{ID: id, Tenant: "flood", Prompt: 100})
	}
	busy := uint64(1)
	for round := range uint64(20) {
		rare := 10_000 + round
		c.Arrive(epoch, Request{ID: rare, Tenant: "rare", Prompt: 100})
		for turn := 1; ; turn++ {
			busy = c.Done(epoch, busy, OK, weir.Usage{})[0].ID
			if busy == rare {
				break
			}
			if turn == 3 {
				t.Fatalf("round %d: three others went first", round)
			}
		}
	}
}

// A full queue does not refuse one tenant because another has filled it.
func TestAFullQueueIsSharedToo(t *testing.T) {
	c := New(Options{Deployments: []Deployment{{Name: "d", Weight: 1, MaxRequests: 1}}, Queue: Queue{MaxRequests: 100}}, 1)
	c.Replicas(epoch, "d", ready("r"))
	for id := uint64(1); id <= 500; id++ {
		c.Arrive(epoch, Request{ID: id, Tenant: "flood", Prompt: 100})
	}
	for id := uint64(1001); id <= 1050; id++ {
		for _, v := range c.Arrive(epoch, Request{ID: id, Tenant: "late", Prompt: 100}) {
			if v.ID > 1000 {
				t.Fatalf("%+v, with less than half of the queue its own", v)
			}
		}
	}
	if v := c.Arrive(epoch, Request{ID: 1051, Tenant: "late", Prompt: 100}); len(v) != 1 || v[0].ID != 1051 || v[0].Reason != QueueFull {
		t.Errorf("beyond its share it should be refused itself: %+v", v)
	}
}

// The tenants of a queue that is never empty are not remembered forever.
func TestTenantsAreForgotten(t *testing.T) {
	c := New(Options{Deployments: []Deployment{{Name: "d", Weight: 1, MaxRequests: 1}}}, 1)
	c.Replicas(epoch, "d", ready("r"))
	c.Arrive(epoch, Request{ID: 1, Tenant: "first", Prompt: 1})
	busy := uint64(1)
	for id := uint64(2); id < 20_000; id++ {
		c.Arrive(epoch, Request{ID: id, Tenant: fmt.Sprint(id), Prompt: 10})
		if id > 5 {
			busy = c.Done(epoch, busy, OK, weir.Usage{})[0].ID
		}
	}
	if n := len(c.lanes[0].flows); n > 300 {
		t.Errorf("%d tenants are remembered, %d have something waiting", n, c.lanes[0].count)
	}
}

// The time to come back follows the rate at which work was done.
func TestRetryAfterIsTheTimeTheQueueNeeds(t *testing.T) {
	c := New(Options{Deployments: []Deployment{{Name: "d", Weight: 1, MaxRequests: 1}}, Queue: Queue{MaxRequests: 10, MaxWork: 1000, MaxWait: time.Hour}}, 1)
	now := epoch
	c.Replicas(now, "d", ready("r"))
	c.Arrive(now, Request{ID: 1, Prompt: 100})
	for id := uint64(2); id <= 11; id++ {
		c.Arrive(now, Request{ID: id, Prompt: 100})
	}
	for id := uint64(1); id <= 60; id++ { // 50 tokens a second
		now = now.Add(2 * time.Second)
		c.Done(now, id, OK, weir.Usage{})
		c.Arrive(now, Request{ID: id + 11, Prompt: 100})
	}
	v := c.Arrive(now, Request{ID: 100, Prompt: 500})
	if len(v) != 1 || v[0].Reason != QueueFull || v[0].Ahead != 10 {
		t.Fatalf("%+v", v)
	}
	if got := v[0].RetryAfter; got < 9*time.Second || got > 11*time.Second {
		t.Errorf("500 tokens must go at 50 a second before there is room: told %v", got)
	}
}

// Little work done while no request waited does not count as the capacity.
func TestAQuietHourDoesNotMakeRetryAfterLong(t *testing.T) {
	c := New(Options{Deployments: []Deployment{{Name: "d", Weight: 1, MaxRequests: 1}}, Queue: Queue{MaxRequests: 1}}, 1)
	now := epoch
	c.Replicas(now, "d", ready("r"))
	for id := uint64(1); id <= 60; id++ { // a hundred tokens a minute
		c.Arrive(now, Request{ID: id, Prompt: 100})
		c.Done(now.Add(time.Second), id, OK, weir.Usage{})
		now = now.Add(time.Minute)
	}
	c.Arrive(now, Request{ID: 100, Prompt: 5000})
	c.Arrive(now, Request{ID: 101, Prompt: 5000})
	if v := c.Arrive(now, Request{ID: 102, Prompt: 5000}); len(v) != 1 || v[0].RetryAfter != unknownRetryAfter {
		t.Errorf("%+v", v)
	}
}

func TestOptionsSayEveryFault(t *testing.T) {
	o := Options{
		Deployments: []Deployment{{Name: "a", Weight: -1}, {Name: "a", MaxWork: -1}, {Name: ""}},
		Shares:      map[string]int{"x": 0}, Attempts: -1, Queue: Queue{MaxWait: -1},
	}
	err, ok := o.Validate().(interface{ Unwrap() []error })
	if !ok || len(err.Unwrap()) != 7 {
		t.Errorf("%v", o.Validate())
	}
	if err := (Options{}).Validate(); err != nil {
		t.Error(err)
	}
}

func TestUnknownNumbersAndNamesDoNothing(t *testing.T) {
	c := New(Options{Deployments: []Deployment{{Name: "d", Weight: 1, MaxRequests: 1}}}, 1)
	c.Replicas(epoch, "d", ready("r"))
	c.Arrive(epoch, Request{ID: 1})
	c.Arrive(epoch, Request{ID: 2}) // waits
	for name, vs := range map[string][]Verdict{
		"done":              c.Done(epoch, 9, OK, weir.Usage{}),
		"done of waiting":   c.Done(epoch, 2, OK, weir.Usage{}),
		"retry":             c.Retry(epoch, 9, Unhealthy),
		"retry of waiting":  c.Retry(epoch, 2, Unhealthy),
		"cancel":            c.Cancel(epoch, 9),
		"unknown replicas":  c.Replicas(epoch, "e", ready("x")),
		"time running back": c.Wake(1),
	} {
		if len(vs) != 0 {
			t.Errorf("%s: %+v", name, vs)
		}
	}
	c.FirstToken(epoch, 2)
	c.PushBack(epoch, "e", "r", epoch+1)
	c.PushBack(epoch, "d", "s", epoch+1)
	if v := c.Arrive(epoch, Request{ID: 1}); len(v) != 1 || v[0].Reason != DuplicateID {
		t.Errorf("%+v", v)
	}
	if v := c.Done(epoch, 1, OK, weir.Usage{}); len(v) != 1 || v[0].ID != 2 {
		t.Errorf("the waiting one should be next: %+v", v)
	}
}

// First token and push back return no verdicts; the Core asks for a wake for
// their changes.
func TestRoomMadeByAFirstTokenIsUsedAtTheNextWake(t *testing.T) {
	c := New(Options{Deployments: []Deployment{{Name: "d", Weight: 1, MaxWork: 100}}}, 1)
	c.Replicas(epoch, "d", ready("r"))
	c.Arrive(epoch, Request{ID: 1, Prompt: 90, Output: 10})
	c.Arrive(epoch, Request{ID: 2, Prompt: 50})
	c.FirstToken(epoch.Add(time.Second), 1)
	if n := c.Next(); n != epoch.Add(time.Second) {
		t.Errorf("wants to be woken at %d", n)
	}
	if v := c.Wake(epoch.Add(time.Second)); len(v) != 1 || v[0].ID != 2 || v[0].Kind != Grant {
		t.Errorf("%+v", v)
	}
}
