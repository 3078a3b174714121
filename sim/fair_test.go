package sim

import (
	"io"
	"math/rand/v2"
	"testing"
	"time"

	"weir/engine"
	"weir/trace"
)

// together merges several sources by time, each as a client of its own.
type together []*client

type client struct {
	src  trace.Source
	next trace.Arrival
	over bool
}

func (c *client) pull() {
	var err error
	c.next, err = c.src.Next()
	c.over = err != nil
}

func (t together) Next() (trace.Arrival, error) {
	best := -1
	for i, c := range t {
		if !c.over && (best < 0 || c.next.At < t[best].next.At) {
			best = i
		}
	}
	if best < 0 {
		return trace.Arrival{}, io.EOF
	}
	a := t[best].next
	a.Client = best
	t[best].pull()
	return a, nil
}

// conversation draws requests like the recorded ones, that many a second, with
// prompts longer by a factor, for ten minutes.
func conversation(t testing.TB, seed uint64, perSecond float64, longer int) trace.Source {
	t.Helper()
	src, err := trace.AzureConversation()
	if err != nil {
		t.Fatal(err)
	}
	list, err := trace.ReadAll(src)
	if err != nil {
		t.Fatal(err)
	}
	s, err := trace.Gamma(perSecond, 1, 10*time.Minute, rand.New(rand.NewPCG(seed, 1)), func(r *rand.Rand) (int, int) {
		a := list[r.IntN(len(list))]
		return min(a.Prompt*longer, 100_000), a.Output
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// firstTokens plays the sources as clients of that many replicas and returns
// the p99 of the first client's time to first token, and the number of answered
// requests of all.
func firstTokens(t testing.TB, replicas, slots, prefill int, sources ...trace.Source) (p99 time.Duration, answered uint64) {
	t.Helper()
	spec, err := engine.Lookup("H100-80GB", "Llama-3.1-8B", 1, "")
	if err != nil {
		t.Fatal(err)
	}
	d := ownFleet(replicas)
	d.Own.Engine = spec
	d.MaxRequests, d.MaxPrefill = slots, prefill
	var all together
	for _, s := range sources {
		c := &client{src: s}
		c.pull()
		all = append(all, c)
	}
	var first histogram
	c := config(all, d)
	c.Answered = func(a Answer) {
		if a.Tenant == "client-0" {
			first.add(a.TTFT)
		}
	}
	r := run(t, c)
	return first.quantile(0.99), r.Completed
}

// One tenant sends twenty times the work of another, twice the capacity. The
// other's first tokens come nearly as if it were alone.
func TestABurstOfOneTenantHardlyTouchesTheFirstTokensOfAnother(t *testing.T) {
	for _, c := range []struct {
		what            string
		replicas, slots int
		rate            float64 // of the small tenant
		times, longer   int     // the large one's requests and prompts
		most            float64 // allowed
	}{
		{"many requests", 2, 64, 3, 20, 1, 1.2},
		{"many requests, few slots", 2, 32, 3, 20, 1, 1.2},
		{"many requests, many slots", 2, 128, 3, 20, 1, 1.2},
		{"many requests, four replicas", 4, 64, 6, 20, 1, 1.2},
		// A prompt of 20,000 tokens is computed to its end before another's
		// begins, and its cache is read at every step: the replica is slower
		// for all.
		{"long prompts", 4, 64, 6, 1, 20, 2},
		{"one replica", 1, 64, 1.5, 20, 1, 1.6},
	} {
		alone, _ := firstTokens(t, c.replicas, c.slots, 512, conversation(t, 1, c.rate, 1))
		beside, answered := firstTokens(t, c.replicas, c.slots, 512, conversation(t, 1, c.rate, 1),
			conversation(t, 2, c.rate*float64(c.times), c.longer))
		ratio := float64(beside) / float64(alone)
		t.Logf("%s: %.2f times, p99 %v beside %v alone; %d answered", c.what, ratio, beside, alone, answered)
		if ratio > c.most {
			t.Errorf("%s: p99 of TTFT is %v beside the large tenant and %v alone, %.2f times; allowed are %.2f", c.what, beside, alone, ratio, c.most)
		}
	}
}
