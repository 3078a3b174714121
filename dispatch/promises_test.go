package dispatch_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"weir"
	"weir/dispatch"
)

// Promises of the package's comments that its stories do not test, from
// outside. internal/mutants has a wrong change for each.

const noon = weir.Instant(12 * time.Hour)

// model is a core of one deployment d that has these ready replicas.
func model(o dispatch.Options, d dispatch.Deployment, replicas ...string) *dispatch.Core {
	d.Name, d.Weight = "d", 1
	o.Deployments = append([]dispatch.Deployment{d}, o.Deployments...)
	c := dispatch.New(o, 1)
	up(c, noon, "d", replicas...)
	return c
}

func up(c *dispatch.Core, now weir.Instant, deployment string, replicas ...string) []dispatch.Verdict {
	var rs []weir.Replica
	for _, id := range replicas {
		rs = append(rs, weir.Replica{ID: id, State: weir.Ready, Addr: "http://" + id})
	}
	return c.Replicas(now, deployment, rs)
}

// say writes verdicts as "1:a 2:queue_full": a replica, or the reason of a
// refusal.
func say(vs []dispatch.Verdict) string {
	var all []string
	for _, v := range vs {
		if v.Kind == dispatch.Grant {
			all = append(all, fmt.Sprintf("%d:%s", v.ID, v.Replica))
		} else {
			all = append(all, fmt.Sprintf("%d:%s", v.ID, v.Reason))
		}
	}
	slices.Sort(all)
	return fmt.Sprint(all)
}

func want(t *testing.T, what string, vs []dispatch.Verdict, says string) {
	t.Helper()
	if have := say(vs); have != says {
		t.Errorf("%s: %s, want %s", what, have, says)
	}
}

func TestHedgesSavedUpAreFew(t *testing.T) {
	c := model(dispatch.Options{Hedge: dispatch.Hedge{Share: 0.5}}, dispatch.Deployment{}, "a", "b")
	for id := range uint64(60) {
		c.Arrive(noon, dispatch.Request{ID: id, Output: 1})
	}
	hedges := 0
	for id := range uint64(60) {
		if _, ok := c.Hedge(noon, id, 1000+id); ok {
			hedges++
		}
	}
	if hedges != 5 {
		t.Errorf("after 60 requests without one, %d hedges at once, want 5", hedges)
	}
}

func TestAMirrorLeavesAQuotaThatIsUsedUp(t *testing.T) {
	c := model(dispatch.Options{}, dispatch.Deployment{Quota: dispatch.Quota{RequestsPerMinute: 60}}, "a")
	if _, ok := c.Mirror(noon, "d", dispatch.Request{ID: 1, Output: 1}); !ok {
		t.Fatal("the first is no more than one a second")
	}
	if v, ok := c.Mirror(noon, "d", dispatch.Request{ID: 2, Output: 1}); ok {
		t.Errorf("a second in the same second: %+v", v)
	}
}

// broken fails a replica a as often as needed to open it, at noon.
func broken(t *testing.T, c *dispatch.Core) {
	t.Helper()
	for id := range uint64(3) {
		want(t, "before it fails", c.Arrive(noon, dispatch.Request{ID: 100 + id, Output: 1}), fmt.Sprintf("[%d:a]", 100+id))
		c.Done(noon, 100+id, dispatch.Unreachable, weir.Usage{})
	}
}

func TestWhatWasSentBeforeAReplicaOpenedDoesNotCloseIt(t *testing.T) {
	c := model(dispatch.Options{}, dispatch.Deployment{}, "a")
	c.Arrive(noon, dispatch.Request{ID: 1, Output: 1})
	broken(t, c)
	c.Done(noon, 1, dispatch.OK, weir.Usage{})
	want(t, "after one that began before ended well", c.Arrive(noon, dispatch.Request{ID: 2, Output: 1}), "[]")
}

func TestAReplicaThatMovedIsTakenForNew(t *testing.T) {
	c := model(dispatch.Options{}, dispatch.Deployment{}, "a")
	broken(t, c)
	want(t, "where it was", c.Arrive(noon, dispatch.Request{ID: 1, Output: 1}), "[]")
	moved := []weir.Replica{{ID: "a", State: weir.Ready, Addr: "http://elsewhere"}}
	want(t, "at another address", c.Replicas(noon, "d", moved), "[1:a]")
}

func TestTimeDoesNotGoBack(t *testing.T) {
	c := model(dispatch.Options{}, dispatch.Deployment{Elastic: true})
	c.Arrive(noon.Add(10*time.Second), dispatch.Request{ID: 1, Output: 1})
	if age := c.Demand(noon).HeadAge; age != 0 {
		t.Errorf("told an earlier time, the first in the queue has waited %v", age)
	}
}

// spilling makes a paid deployment d before a pay-as-you-go one, e.
func spilling(attempts int, q dispatch.Quota) *dispatch.Core {
	c := model(dispatch.Options{Attempts: attempts, Deployments: []dispatch.Deployment{{Name: "e", Weight: 1, Tier: 1}}},
		dispatch.Deployment{Paid: true, Quota: q}, "a")
	up(c, noon, "e", "z")
	return c
}

func TestAProviderIsAskedAgainOnceAndNotWithTheLastAttempt(t *testing.T) {
	patient := dispatch.Request{ID: 1, Output: 1, SpillAt: noon.Add(20 * time.Second)}
	throttle := func(c *dispatch.Core, now weir.Instant) []dispatch.Verdict {
		c.PushBack(now, "d", "a", now.Add(time.Second))
		return c.Retry(now, 1, dispatch.Throttled)
	}
	c := spilling(2, dispatch.Quota{})
	c.Arrive(noon, patient)
	want(t, "with the last of two attempts", throttle(c, noon), "[1:z]")

	c = spilling(9, dispatch.Quota{})
	c.Arrive(noon, patient)
	want(t, "with the second of nine", throttle(c, noon), "[]")
	now := noon.Add(time.Second)
	want(t, "when its time has come", c.Wake(now), "[1:a]")
	want(t, "throttled once more", throttle(c, now), "[1:z]")
}

func TestWhatAProviderSentOnIsNoPartOfItsQuota(t *testing.T) {
	c := model(dispatch.Options{}, dispatch.Deployment{Quota: dispatch.Quota{Drain: 1000}}, "a")
	c.Arrive(noon, dispatch.Request{ID: 1, Prompt: 3000})
	c.Spilled(noon, 1)
	want(t, "the bucket is at its brim, not two minutes beyond", c.Arrive(noon, dispatch.Request{ID: 2, Prompt: 1}), "[2:a]")
}

func TestARetryIsNotRefusedForAFullQueue(t *testing.T) {
	c := model(dispatch.Options{Queue: dispatch.Queue{MaxRequests: 1}}, dispatch.Deployment{MaxRequests: 1}, "a")
	c.Arrive(noon, dispatch.Request{ID: 1, Output: 1})
	want(t, "one waits", c.Arrive(noon, dispatch.Request{ID: 2, Output: 1}), "[]")
	want(t, "the first retries", c.Retry(noon, 1, dispatch.Unavailable), "[2:a]")
}

func TestNobodyWaitsLongerForAFailedReplicaThanItsFirstSpell(t *testing.T) {
	o := dispatch.Options{Health: dispatch.Health{Base: 10 * time.Second}}
	c := model(o, dispatch.Deployment{}, "a")
	broken(t, c)
	want(t, "it is back in time", c.Arrive(noon, dispatch.Request{ID: 1, Output: 1}), "[]")
	c.Cancel(noon, 1)
	o.Health.Base = time.Second
	o.Deployments = []dispatch.Deployment{{Name: "d", Weight: 1}}
	c.Configure(noon, o)
	want(t, "it is back after ten first spells", c.Arrive(noon, dispatch.Request{ID: 2, Output: 1}), "[2:unhealthy]")
}

func TestATenantWithMoreThanItsShareWaitingTakesNobodysPlace(t *testing.T) {
	c := model(dispatch.Options{Queue: dispatch.Queue{MaxRequests: 7}}, dispatch.Deployment{Elastic: true})
	for id := range uint64(5) {
		c.Arrive(noon, dispatch.Request{ID: 1 + id, Tenant: "small", Output: 50})
	}
	for id := range uint64(2) {
		c.Arrive(noon, dispatch.Request{ID: 11 + id, Tenant: "large", Output: 100})
	}
	want(t, "300 tokens beside 250", c.Arrive(noon, dispatch.Request{ID: 13, Tenant: "large", Output: 100}), "[13:queue_full]")
}

func TestBatchKeepsNoReplicaFromInteractiveRequests(t *testing.T) {
	c := model(dispatch.Options{}, dispatch.Deployment{MaxWork: 100}, "a")
	c.Arrive(noon, dispatch.Request{ID: 1, Output: 60})
	later := noon.Add(2 * time.Minute) // the first tenant no longer counts as present
	want(t, "a large one of batch", c.Arrive(later, dispatch.Request{ID: 2, Output: 80, Class: weir.Batch}), "[]")
	want(t, "an interactive one that fits", c.Arrive(later, dispatch.Request{ID: 3, Output: 30}), "[3:a]")
}

// queue adds n requests of a tenant to the queue, from an ID on.
func queue(c *dispatch.Core, from, n uint64, tenant string, output int) {
	for id := range n {
		c.Arrive(noon, dispatch.Request{ID: from + id, Tenant: tenant, Output: output})
	}
}

// serve ends n requests in flight and returns the grants.
func serve(c *dispatch.Core, first uint64, n int) (granted []uint64) {
	for range n {
		for _, v := range c.Done(noon, first, dispatch.OK, weir.Usage{}) {
			granted = append(granted, v.ID)
			first = v.ID
		}
	}
	return granted
}

func TestATenantThatWasAwayIsOwedNothing(t *testing.T) {
	c := model(dispatch.Options{}, dispatch.Deployment{MaxRequests: 1}, "a")
	queue(c, 1, 40, "busy", 10)
	last := serve(c, 1, 20)[19]
	queue(c, 100, 10, "back", 10)
	back := 0
	for _, id := range serve(c, last, 8) {
		if id >= 100 {
			back++
		}
	}
	if back < 3 || back > 5 {
		t.Errorf("of eight requests %d were of the tenant that was away, want half", back)
	}
}

// indebted counts how many requests of a tenant with small ones are served
// before the second of a tenant whose first was large.
func indebted(t *testing.T, others uint64) int {
	c := model(dispatch.Options{}, dispatch.Deployment{MaxRequests: 1}, "a")
	c.Arrive(noon, dispatch.Request{ID: 1, Tenant: "first", Output: 1})
	queue(c, 10, 1, "large", 1000)
	queue(c, 100, 40, "small", 100)
	if got := serve(c, 1, 1); !slices.Equal(got, []uint64{10}) {
		t.Fatalf("served %d first, want the one that came first", got)
	}
	last := serve(c, 10, 1)[0]
	for id := range others { // each a tenant of its own
		queue(c, 1000+id, 1, fmt.Sprint("t", id), 1)
	}
	queue(c, 11, 1, "large", 1000)
	small := 0
	for _, id := range serve(c, last, 120) {
		if id == 11 {
			return small
		}
		if id < 1000 {
			small++
		}
	}
	return small
}

func TestATenantThatComesBackOwesWhatItGotAhead(t *testing.T) {
	if n := indebted(t, 0); n < 9 {
		t.Errorf("1,000 tokens ahead, it is served again after %d requests of 100 tokens of the other, want 9 and more", n)
	}
	if n := indebted(t, 70); n < 9 {
		t.Errorf("with many tenants that came meanwhile, after %d, want 9 and more", n)
	}
}

func TestARefusedCallerIsToldToComeBackWithinMinutes(t *testing.T) {
	c := model(dispatch.Options{}, dispatch.Deployment{}, "a")
	c.PushBack(noon, "d", "", noon.Add(time.Hour))
	vs := c.Arrive(noon, dispatch.Request{ID: 1, Output: 1})
	if want(t, "pushed back for an hour", vs, "[1:throttled]"); vs[0].RetryAfter != 5*time.Minute {
		t.Errorf("come back in %v, want 5m0s at most", vs[0].RetryAfter)
	}
}

func TestAProviderThatSaysMoreThanConfiguredChangesNothing(t *testing.T) {
	c := model(dispatch.Options{}, dispatch.Deployment{Quota: dispatch.Quota{RequestsPerMinute: 60}}, "a")
	c.Limits(noon, "d", 0, 6000)
	want(t, "the first", c.Arrive(noon, dispatch.Request{ID: 1, Output: 1}), "[1:a]")
	want(t, "a second in the same second", c.Arrive(noon, dispatch.Request{ID: 2, Output: 1}), "[]")
}

func TestBatchTakesNothingOfAQuotaThatInteractiveRequestsWaitFor(t *testing.T) {
	c := model(dispatch.Options{}, dispatch.Deployment{MaxWork: 100, Quota: dispatch.Quota{TokensPerMinute: 1_000_000}}, "a", "b")
	queue(c, 1, 2, "", 60)
	want(t, "a large interactive one", c.Arrive(noon, dispatch.Request{ID: 3, Output: 80}), "[]")
	want(t, "batch that fits", c.Arrive(noon, dispatch.Request{ID: 4, Output: 10, Class: weir.Batch}), "[]")
	want(t, "an interactive one that fits", c.Arrive(noon, dispatch.Request{ID: 5, Tenant: "other", Output: 10}), "[5:b]")
}

func TestAQuotaThatIsConfiguredAgainIsAsFullAsBefore(t *testing.T) {
	o := dispatch.Options{Deployments: []dispatch.Deployment{{Name: "d", Weight: 1, Quota: dispatch.Quota{RequestsPerMinute: 60}}}}
	c := dispatch.New(o, 1)
	up(c, noon, "d", "a")
	want(t, "the first", c.Arrive(noon, dispatch.Request{ID: 1, Output: 1}), "[1:a]")
	c.Configure(noon, o)
	want(t, "a second in the same second", c.Arrive(noon, dispatch.Request{ID: 2, Output: 1}), "[]")
}

func TestALongPromptOfABusyTenantWaitsForOthersFirstTokens(t *testing.T) {
	c := model(dispatch.Options{}, dispatch.Deployment{MaxPrefill: 100}, "a")
	c.Arrive(noon, dispatch.Request{ID: 1, Tenant: "busy", Prompt: 90, Output: 1000, Streams: true})
	c.FirstToken(noon, 1)
	c.Arrive(noon, dispatch.Request{ID: 2, Tenant: "other", Prompt: 50, Output: 10, Streams: true})
	want(t, "while one is due", c.Arrive(noon, dispatch.Request{ID: 3, Tenant: "busy", Prompt: 200, Streams: true}), "[]")
	c.FirstToken(noon, 2)
	want(t, "when none is", c.Wake(noon), "[3:a]")
}

func TestTheLastSlotIsForThoseWithNoMoreThanTheirShare(t *testing.T) {
	c := model(dispatch.Options{}, dispatch.Deployment{MaxRequests: 8}, "a")
	queue(c, 1, 6, "busy", 100)
	queue(c, 11, 1, "other", 10)
	want(t, "the seventh of one over its share", c.Arrive(noon, dispatch.Request{ID: 7, Tenant: "busy", Output: 100}), "[]")
	want(t, "the second of the other", c.Arrive(noon, dispatch.Request{ID: 12, Tenant: "other", Output: 10}), "[12:a]")

	c = model(dispatch.Options{}, dispatch.Deployment{MaxRequests: 8}, "a")
	queue(c, 1, 3, "few", 40)
	queue(c, 11, 4, "many", 30)
	want(t, "one with exactly its share", c.Arrive(noon, dispatch.Request{ID: 4, Tenant: "few", Output: 40}), "[4:a]")
}

// beside sends n requests to deployments d and e of equal weight, one at a time,
// and returns how many of them, from the first, went to e without a break.
func beside(c *dispatch.Core, from uint64, n int) (row, all int) {
	unbroken := true
	for i := range n {
		id := from + uint64(i)
		for _, v := range c.Arrive(noon, dispatch.Request{ID: id, Output: 1}) {
			if v.Deployment == "e" {
				all++
			}
			if unbroken = unbroken && v.Deployment == "e"; unbroken {
				row++
			}
		}
		c.Done(noon, id, dispatch.OK, weir.Usage{})
	}
	return row, all
}

func TestWhatADeploymentIsOwedHasABound(t *testing.T) {
	equal := func(requests int) *dispatch.Core {
		return model(dispatch.Options{Deployments: []dispatch.Deployment{{Name: "e", Weight: 1, MaxRequests: requests}}}, dispatch.Deployment{}, "a")
	}
	c := equal(0)
	beside(c, 1, 200)
	up(c, noon, "e", "z")
	if _, all := beside(c, 1000, 20); all > 11 {
		t.Errorf("after it had no replica it gets %d of 20 requests, want half", all)
	}
	c = equal(1)
	up(c, noon, "e", "z")
	beside(c, 1, 2) // both have had theirs
	for id := uint64(5000); ; id++ {
		if vs := c.Arrive(noon, dispatch.Request{ID: id, Output: 1}); vs[0].Deployment == "e" {
			beside(c, 10, 2000)
			c.Done(noon, id, dispatch.OK, weir.Usage{})
			break
		}
	}
	if row, _ := beside(c, 10_000, 2000); row < 50 || row > 100 {
		t.Errorf("after it was full for 2,000 requests it gets %d in a row, want 50 owed to 50 ahead, which are 100 at most", row)
	}
}

// remembering makes replicas with a cache of that many tokens, in blocks of 50.
func remembering(cache int, replicas ...string) *dispatch.Core {
	return model(dispatch.Options{PrefixBlock: 50}, dispatch.Deployment{CacheTokens: cache}, replicas...)
}

func TestAReplicaRemembersAsManyTokensAsItsCacheHolds(t *testing.T) {
	c := remembering(200, "a")
	known := func(prompt int, names ...uint64) int {
		vs := c.Arrive(noon, dispatch.Request{ID: 1, Prompt: prompt, Prefix: names})
		c.Done(noon, 1, dispatch.OK, weir.Usage{})
		return vs[0].Known
	}
	for _, f := range []struct {
		what string
		have int
		want int
	}{
		{"nothing yet", known(210, 1, 2, 3, 4), 0},
		{"four blocks", known(210, 1, 2, 3, 4), 200},
		{"the last token is always computed", known(200, 1, 2, 3, 4), 199},
		{"a block of another prompt", known(60, 9), 0},
		{"which has pushed out the end of the first", known(210, 1, 2, 3, 4), 150},
	} {
		if f.have != f.want {
			t.Errorf("%s: %d tokens known, want %d", f.what, f.have, f.want)
		}
	}
}

func TestATokenComputedAgainCountsTwice(t *testing.T) {
	c := remembering(1000, "a", "b")
	r := dispatch.Request{ID: 1, Prompt: 200, Prefix: []uint64{1, 2}}
	to := c.Arrive(noon, r)[0].Replica
	c.Done(noon, 1, dispatch.OK, weir.Usage{})
	// 150 tokens wait there, less than twice the 100 cached.
	c.Arrive(noon, dispatch.Request{ID: 2, Prompt: 150, Pin: dispatch.Pin{Deployment: "d", Replica: to}})
	r.ID = 3
	want(t, "it follows its beginning", c.Arrive(noon, r), "[3:"+to+"]")
	c.Arrive(noon, dispatch.Request{ID: 4, Prompt: 150, Pin: dispatch.Pin{Deployment: "d", Replica: to}})
	r.ID = 5
	if vs := c.Arrive(noon, r); vs[0].Replica == to {
		t.Error("it follows its beginning though more waits there than twice what is saved")
	}
}

func TestWhatADeploymentHasDoneIsNotBelievedLacking(t *testing.T) {
	c := model(dispatch.Options{}, dispatch.Deployment{}, "a")
	c.Arrive(noon, dispatch.Request{ID: 1, Output: 1, Needs: dispatch.Images})
	c.Done(noon, 1, dispatch.OK, weir.Usage{})
	c.Lacks(noon, "d", dispatch.Images|dispatch.Tools, 0)
	want(t, "images, which it has done", c.Arrive(noon, dispatch.Request{ID: 2, Output: 1, Needs: dispatch.Images}), "[2:a]")
	want(t, "tools", c.Arrive(noon, dispatch.Request{ID: 3, Output: 1, Needs: dispatch.Tools}), "[3:unsupported]")
}

func TestFewFirstTokensSayNothingOfTheTail(t *testing.T) {
	c := model(dispatch.Options{Hedge: dispatch.Hedge{Share: 0.1}}, dispatch.Deployment{}, "a", "b")
	for n := 1; ; n++ {
		id, now := uint64(n), noon.Add(time.Duration(n)*time.Second)
		after := c.Arrive(now, dispatch.Request{ID: id, Output: 1})[0].HedgeAfter
		if seen := n - 1; after != 0 {
			if seen != 64 {
				t.Errorf("a hedge is offered after %d first tokens were seen, want 64", seen)
			}
			return
		}
		if n > 100 {
			t.Fatal("no hedge is ever offered")
		}
		c.FirstToken(now.Add(time.Millisecond), id)
		c.Done(now.Add(time.Millisecond), id, dispatch.OK, weir.Usage{})
	}
}

func TestWhatAVerdictSaysIsNotWrittenToAgain(t *testing.T) {
	c := model(dispatch.Options{Deployments: []dispatch.Deployment{{Name: "e", Weight: 1, Tier: 1}}}, dispatch.Deployment{MaxRequests: 1}, "a")
	up(c, noon, "e", "z")
	c.Arrive(noon, dispatch.Request{ID: 1, Output: 1})
	first := c.Arrive(noon, dispatch.Request{ID: 2, Output: 1})[0].Passed
	c.PushBack(noon, "d", "", noon.Add(time.Minute))
	second := c.Arrive(noon, dispatch.Request{ID: 3, Output: 1})[0].Passed
	if first[0].Reason != dispatch.Full || second[0].Reason != dispatch.AllThrottled {
		t.Errorf("passed over for %s, then for %s; want full, then throttled", first[0].Reason, second[0].Reason)
	}
}

func TestAVerdictSaysOfFewDeploymentsWhyNotThey(t *testing.T) {
	var o dispatch.Options
	for tier := range 9 {
		o.Deployments = append(o.Deployments, dispatch.Deployment{Name: fmt.Sprint("e", tier), Weight: 1, Tier: 1 + tier})
	}
	c := model(o, dispatch.Deployment{})
	up(c, noon, "e8", "z")
	if vs := c.Arrive(noon, dispatch.Request{ID: 1, Output: 1}); len(vs) != 1 || len(vs[0].Passed) != dispatch.MaxPassed {
		t.Errorf("%+v: want %d of the nine before", vs, dispatch.MaxPassed)
	}
}

func TestARequestOfNoTokensIsWorthOne(t *testing.T) {
	c := model(dispatch.Options{}, dispatch.Deployment{Elastic: true})
	c.Arrive(noon, dispatch.Request{ID: 1})
	if work := c.Demand(noon).WaitingWork; work != 1 {
		t.Errorf("it waits with %d tokens, want 1", work)
	}
}

func TestAnAddressOfManyServersOpensAfterEightTimesAsManyFailures(t *testing.T) {
	c := model(dispatch.Options{}, dispatch.Deployment{})
	c.Replicas(noon, "d", []weir.Replica{{ID: "a", State: weir.Ready, Units: 100}})
	for id := range uint64(24) {
		want(t, fmt.Sprint("after ", id, " failures"), c.Arrive(noon, dispatch.Request{ID: 1 + id, Output: 1}), fmt.Sprintf("[%d:a]", 1+id))
		c.Done(noon, 1+id, dispatch.Unreachable, weir.Usage{})
	}
	want(t, "after 24 failures", c.Arrive(noon, dispatch.Request{ID: 99, Output: 1}), "[]")
}

func TestOneBookingDrainsForADayAtMost(t *testing.T) {
	c := model(dispatch.Options{}, dispatch.Deployment{Quota: dispatch.Quota{Drain: 1}}, "a")
	c.Arrive(noon, dispatch.Request{ID: 1, Prompt: 1_000_000})
	if b, ok := c.Booked("d"); !ok || b.Drain != 24*time.Hour {
		t.Errorf("a million tokens at one a minute: booked for %v, want 24h", b.Drain)
	}
}
