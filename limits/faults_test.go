package limits

import (
	"context"
	"slices"
	"testing"
	"time"

	"weir/limits/redistest"
	"weir/meter"
)

func flow(rate, burst int64) func(*meter.Leases) *meter.Lease {
	return func(ls *meter.Leases) *meter.Lease {
		return ls.Keep("tenant=demo|tokens_per_minute", meter.Flow, rate, burst, time.Hour)
	}
}

// While Redis hangs, with its connections open, gateways continue: callers are
// admitted at the rate of the limit, and no faster.
func TestAPausedRedisNeitherStopsNorSlowsNorWidensALimit(t *testing.T) {
	redis := startRedis(t, redistest.Options{})
	const rate, burst, n = 30_000, 250, 1
	members, leases := three(t, at(redis), flow(rate, burst))
	stop := make(chan struct{})
	began := time.Now()
	used, wait := hammer(members, leases, 30, n, stop)
	within(t, "the burst to be used", func() bool { return used.Load() >= 2*burst })
	if err := redis.Pause(); err != nil {
		t.Fatal(err)
	}
	within(t, "every gateway to say that redis is silent", func() bool {
		return !slices.ContainsFunc(members, func(m *member) bool { return m.shared.Status().Connected })
	})
	before := used.Load()
	within(t, "as much as a second's limit to be used without redis", func() bool { return used.Load() >= before+rate/60 })
	if err := redis.Resume(); err != nil {
		t.Fatal(err)
	}
	within(t, "every gateway to hear redis again", func() bool {
		return !slices.ContainsFunc(members, func(m *member) bool { return !m.shared.Status().Connected })
	})
	before = used.Load()
	within(t, "limits to be shared again", func() bool { return used.Load() >= before+rate/60 })
	close(stop)
	wait()
	took := time.Since(began)
	allowed := burst + int64(took.Minutes()*rate) + 3*n
	bound := outstanding("tenant=demo|tokens_per_minute", members...) + burst // for the time without Redis: each gateway's part of a burst
	if got := used.Load(); got > allowed+bound {
		t.Errorf("%d used in %v, of which %d are allowed, and %d bound what is used beyond it\n%s", got, took, allowed, bound, describe(members))
	}
}

// A Redis that has lost its data gets it from the gateways.
func TestARedisThatForgotGivesNobodyASecondBudget(t *testing.T) {
	redis := startRedis(t, redistest.Options{})
	members, leases := three(t, at(redis), window(300))
	used := int64(0)
	within(t, "half the budget to be used", func() bool {
		if i := int(used) % 3; members[i].use(leases[i], 1) {
			used++
		}
		return used >= 150
	})
	if err := redis.Restart(); err != nil {
		t.Fatal(err)
	}
	within(t, "the rest to be used", func() bool {
		for i := range members {
			if members[i].use(leases[i], 1) {
				used++
			}
		}
		return used >= 300
	})
	within(t, "the gateways to be of one mind", func() bool {
		refused := true
		for i := range members {
			if members[i].use(leases[i], 1) {
				used++
				refused = false
			}
		}
		connected := !slices.ContainsFunc(members, func(m *member) bool { return !m.shared.Status().Connected })
		return refused && connected
	})
	if used > 303 {
		t.Errorf("%d used of 300: more than one request of each gateway beyond", used)
	}
}

func TestAGatewayWhoseRedisNeverAnsweredUsesItsPartOfTheLimit(t *testing.T) {
	redis := startRedis(t, redistest.Options{})
	redis.Kill()
	m := newMember(t, at(redis))
	m.ls = meter.NewLeases(now(), 3)
	l := window(300)(m.ls)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { defer close(ended); m.shared.Run(ctx) }()
	defer func() { cancel(); <-ended }()
	used := 0
	within(t, "a third of the budget", func() bool {
		if m.use(l, 1) {
			used++
		}
		return used >= 100
	})
	if m.use(l, 1) {
		t.Error("more than a third")
	}
	if s := m.shared.Status(); s.Connected || s.Error == "" {
		t.Errorf("status says nothing of it: %+v", s)
	}
}

func TestTLSAndUsersAndPasswords(t *testing.T) {
	certs, err := redistest.NewCerts(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	redis := startRedis(t, redistest.Options{TLS: certs, Password: "default's", User: "weir", UserPassword: "weir's"})
	for _, c := range []struct {
		what string
		o    Options
		want bool
	}{
		{"the user and its password", Options{TLS: &TLS{CA: certs.CA}, Username: "weir", Password: "weir's"}, true},
		{"the default user's password", Options{TLS: &TLS{CA: certs.CA}, Password: "default's"}, true},
		{"a wrong password", Options{TLS: &TLS{CA: certs.CA}, Username: "weir", Password: "guess"}, false},
		{"no password", Options{TLS: &TLS{CA: certs.CA}}, false},
		{"an authority that did not sign", Options{TLS: &TLS{}, Password: "default's"}, false},
		{"no TLS", Options{Password: "default's"}, false},
		{"another name", Options{TLS: &TLS{CA: certs.CA, ServerName: "elsewhere"}, Password: "default's"}, false},
	} {
		c.o.Addrs = []string{redis.Addr}
		m := newMember(t, c.o)
		window(10)(m.ls)
		k := newKeeper(m.shared, 0)
		k.visit(t.Context(), false, false)
		if got := m.shared.Status().Visits == 1; got != c.want {
			t.Errorf("%s: visited: %v, want %v: %s", c.what, got, c.want, m.shared.Status().Error)
		}
		if m.shared.client != nil {
			m.shared.client.Close()
		}
	}
}

func TestAClusterOfThreeKeepsTheBudgetsOfAllShards(t *testing.T) {
	nodes, err := redistest.MakeCluster(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range nodes {
		t.Cleanup(n.Kill)
	}
	o := Options{Addrs: []string{nodes[0].Addr}}
	var budgets [3][]*meter.Lease
	var members []*member
	for i := range budgets {
		members = append(members, join(t, o, func(ls *meter.Leases) {
			for b := range 40 {
				budgets[i] = append(budgets[i], ls.Keep(string(rune('A'+b)), meter.Window, 0, 30, time.Hour))
			}
		}))
	}
	for b := range 40 {
		used := 0
		within(t, "all of a budget", func() bool {
			for i := range members {
				if members[i].use(budgets[i][b], 1) {
					used++
				}
			}
			return used >= 30
		})
		if used > 33 {
			t.Errorf("%d used of 30", used)
		}
	}
	if s := members[0].shared.Status(); s.Failures > 0 {
		t.Errorf("%+v", s)
	}
}

func TestOptionsThatCannotWorkAreNamed(t *testing.T) {
	for _, o := range []Options{
		{}, {Addrs: []string{"redis"}}, {Addrs: []string{"r:1"}, Prefix: "a{b}"}, {Addrs: []string{"r:1"}, Lease: time.Hour},
		{Addrs: []string{"r:1"}, TLS: &TLS{Cert: "only"}}, {Addrs: []string{"r:1"}, TLS: &TLS{CA: "/nowhere"}},
	} {
		if _, err := New(o); err == nil {
			t.Errorf("%+v was taken", o)
		}
	}
}

// The gateways' parts of the rate without a keeper never add up to more than
// the whole, and follow the demand.
func TestThePartsGatewaysWouldGoOnWithFollowDemandAndAddUpToAll(t *testing.T) {
	members, leases := three(t, at(startRedis(t, redistest.Options{})), flow(6000, 100))
	parts := func() (sum int64, first int64) {
		for i, m := range members {
			m.mu.Lock()
			sum += leases[i].Part()
			if i == 0 {
				first = leases[i].Part()
			}
			m.mu.Unlock()
		}
		return sum, first
	}
	within(t, "the gateway that is asked alone to have nearly all", func() bool {
		members[0].use(leases[0], 1)
		sum, first := parts()
		return first > 900_000 && sum <= 1_000_001
	})
	within(t, "all to have the same when all are asked", func() bool {
		for i := range members {
			members[i].use(leases[i], 1)
		}
		sum, first := parts()
		return first < 350_000 && sum > 970_000 && sum <= 1_000_001
	})
}
