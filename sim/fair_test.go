package sim

import (
	"io"
	"math/rand/v2"
	"testing"
	"time"

	"weir/dispatch"
	"weir/engine"
	"weir/trace"
)

// merged yields the arrivals of several tenants in order of time.
type merged []*tenantSource

type tenantSource struct {
	src  trace.Source
	next trace.Arrival
	over bool
}

func (m merged) Next() (trace.Arrival, error) {
	best := -1
	for i, s := range m {
		if !s.over && (best < 0 || s.next.At < m[best].next.At) {
			best = i
		}
	}
	if best < 0 {
		return trace.Arrival{}, io.EOF
	}
	a := m[best].next
	a.Client = best
	m[best].pull()
	return a, nil
}

func (s *tenantSource) pull() {
	var err error
	if s.next, err = s.src.Next(); err != nil {
		s.over = true
	}
}

// conversation draws requests as recorded ones are, at that mean rate, prompts
// longer by a factor.
func conversation(t testing.TB, seed uint64, perSecond float64, longer int) trace.Source {
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

func ttftOf(t testing.TB, replicas, slots, prefill int, sources ...trace.Source) (p50, p99 [2]time.Duration, n [2]uint64) {
	spec, err := engine.Lookup("H100-80GB", "Llama-3.1-8B", 1, "")
	if err != nil {
		t.Fatal(err)
	}
	d := ownFleet(replicas)
	d.Own.Engine = spec
	d.MaxRequests, d.MaxPrefill = slots, prefill
	var m merged
	for _, s := range sources {
		ts := &tenantSource{src: s}
		ts.pull()
		m = append(m, ts)
	}
	var hist [2]histogram
	c := config(m, d)
	c.Queue = dispatch.Queue{}
	c.Answered = func(a Answer) {
		i := 0
		if a.Tenant == "client-1" {
			i = 1
		}
		hist[i].add(a.TTFT)
	}
	r := run(t, c)
	t.Logf("arrived %d completed %d refused %d failed %d", r.Arrived, r.Completed, r.Refused, r.Failed)
	for i := range hist {
		p50[i], p99[i], n[i] = hist[i].quantile(0.5), hist[i].quantile(0.99), hist[i].n
	}
	return
}

func TestFair(t *testing.T) {
	for _, x := range []struct {
		replicas, slots int
		light, heavy    float64
		longer          int
	}{{2, 64, 3, 60, 1}, {4, 64, 6, 120, 1}, {2, 32, 3, 60, 1}, {2, 128, 3, 60, 1}, {4, 64, 6, 6, 20}, {1, 64, 1.5, 30, 1}} {
		for _, w := range []int{0, 1, 2048, 4096, 8192} {
			p50a, p99a, na := ttftOf(t, x.replicas, x.slots, w, conversation(t, 1, x.light, 1))
			p50b, p99b, nb := ttftOf(t, x.replicas, x.slots, w, conversation(t, 1, x.light, 1), conversation(t, 2, x.heavy, x.longer))
			t.Logf("%+v prefill %d alone %v %v (%d), beside %v %v (%d %d): ratio %.2f", x, w, p50a[0], p99a[0], na[0], p50b, p99b, nb[0], nb[1], float64(p99b[0])/float64(p99a[0]))
		}
	}
}
