package limits

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"weir/limits/redistest"
	"weir/meter"
)

func at(r *redistest.Server) Options { return Options{Addrs: []string{r.Addr}} }

func TestOneOfThreeGatewaysMayUseAllOfABudgetTheOthersLeave(t *testing.T) {
	members, leases := three(t, at(startRedis(t, redistest.Options{})), window(100))
	used := int64(0)
	within(t, "all of the budget to be used at one gateway", func() bool {
		if members[0].use(leases[0], 1) {
			used++
		}
		return used >= 100
	})
	for range 2 {
		if members[0].use(leases[0], 1) {
			t.Error("more than the budget was used by one gateway alone")
		}
	}
}

func TestABudgetTooSmallToDivideIsUsedAtAnyGateway(t *testing.T) {
	redis := startRedis(t, redistest.Options{})
	members, leases := three(t, at(redis), func(ls *meter.Leases) *meter.Lease {
		return ls.Keep("tenant=demo|requests_per_minute", meter.Flow, 1, 1, time.Hour)
	})
	if !members[1].use(leases[1], 1) {
		t.Fatal("the first request of all was refused")
	}
	within(t, "nothing more to be had anywhere", func() bool {
		return !members[0].use(leases[0], 1) && !members[1].use(leases[1], 1) && !members[2].use(leases[2], 1)
	})
}

func TestARequestAsLargeAsTheWholeLimitIsLetInOnceTheOthersHaveGivenBack(t *testing.T) {
	members, leases := three(t, at(startRedis(t, redistest.Options{})), func(ls *meter.Leases) *meter.Lease {
		return ls.Keep("tenant=demo|tokens_per_minute", meter.Flow, 9000, 9000, time.Hour)
	})
	within(t, "a request of 9,000 tokens to be let in", func() bool { return members[2].use(leases[2], 9000) })
}

// Each gateway holds a part too small for their requests: one yields to another
// until the rest is used.
func TestPartsTooSmallForAnybodyComeTogether(t *testing.T) {
	members, leases := three(t, at(startRedis(t, redistest.Options{})), window(1000))
	used := int64(0)
	within(t, "two requests of 400 to be let in", func() bool {
		for i := range members {
			if members[i].use(leases[i], 400) {
				used += 400
			}
		}
		return used >= 800
	})
	if used > 1000+3*400 {
		t.Errorf("%d used of 1000", used)
	}
}

// hammer runs callers at every member until stop, and returns the use by then.
func hammer(members []*member, leases []*meter.Lease, callers int, n int64, stop <-chan struct{}) (used *atomic.Int64, wait func()) {
	used = new(atomic.Int64)
	var wg sync.WaitGroup
	for i := range callers {
		wg.Go(func() {
			m, l := members[i%len(members)], leases[i%len(leases)]
			for {
				select {
				case <-stop:
					return
				default:
				}
				if m.use(l, n) {
					used.Add(n)
				}
				time.Sleep(time.Millisecond) // a caller that returns
			}
		})
	}
	return used, wg.Wait
}

func TestManyCallersAtThreeGatewaysUseNoMoreThanTheLimitAndTheStatedBound(t *testing.T) {
	redis := startRedis(t, redistest.Options{})
	const rate, burst, n = 60_000, 500, 3
	members, leases := three(t, at(redis), func(ls *meter.Leases) *meter.Lease {
		return ls.Keep("tenant=demo|tokens_per_minute", meter.Flow, rate, burst, time.Hour)
	})
	stop := make(chan struct{})
	began := time.Now()
	used, wait := hammer(members, leases, 60, n, stop)
	within(t, "twice the burst to be used", func() bool { return used.Load() >= 2*burst })
	close(stop)
	wait()
	took := time.Since(began)
	allowed := burst + int64(took.Minutes()*rate) + 3*n
	if used.Load() > allowed+outstanding("tenant=demo|tokens_per_minute", members...) {
		t.Errorf("%d used in %v, of which %d are allowed\n%s", used.Load(), took, allowed, describe(members))
	}
}

func TestConcurrentRequestsOfAllGatewaysTogetherAreBounded(t *testing.T) {
	members, leases := three(t, at(startRedis(t, redistest.Options{})), func(ls *meter.Leases) *meter.Lease {
		return ls.Keep("tenant=demo|max_concurrent", meter.Gauge, 0, 20, time.Hour)
	})
	held := 0
	within(t, "all 20 places to be taken at one gateway", func() bool {
		if members[0].use(leases[0], 1) {
			held++
		}
		return held >= 20
	})
	within(t, "nothing more to be had anywhere", func() bool {
		return !members[0].use(leases[0], 1) && !members[1].use(leases[1], 1) && !members[2].use(leases[2], 1)
	})
	members[0].mu.Lock()
	leases[0].Back(20)
	members[0].mu.Unlock()
	within(t, "a place at another gateway", func() bool { return members[1].use(leases[1], 1) })
}

func TestTheLeaseOfAKilledGatewayComesBack(t *testing.T) {
	redis := startRedis(t, redistest.Options{})
	o := at(redis)
	o.Lease = time.Second
	var dead *meter.Lease
	killed := newMember(t, o)
	killed.ls = meter.NewLeases(now(), 1)
	dead = window(1000)(killed.ls)
	for shard := range meter.LeaseShards { // one visit, and never again
		k := newKeeper(killed.shared, shard)
		k.visit(t.Context(), false, false)
	}
	if got := dead.Outstanding(); got != 500 {
		t.Fatalf("it holds %d of 1000, want half", got)
	}
	var l *meter.Lease
	m := join(t, o, func(ls *meter.Leases) { l = window(1000)(ls) })
	used := int64(0)
	within(t, "all of the budget at the other gateway", func() bool {
		if m.use(l, 10) {
			used += 10
		}
		return used >= 1000
	})
}

func TestAGatewayThatLeavesGivesBackAtOnce(t *testing.T) {
	o := at(startRedis(t, redistest.Options{}))
	o.Lease = time.Minute // no lease expires by itself
	members, leases := three(t, o, window(90))
	members[0].use(leases[0], 10)
	members[0].leave()
	members[1].leave()
	used := int64(0)
	within(t, "what the others left", func() bool {
		if members[2].use(leases[2], 1) {
			used++
		}
		return used >= 80
	})
	if members[2].use(leases[2], 1) {
		t.Error("what was used before the first had left was forgotten")
	}
}
