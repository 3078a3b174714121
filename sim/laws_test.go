package sim

import (
	"bytes"
	"context"
	"encoding/json"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"weir"
	"weir/dispatch"
	"weir/scale"
	"weir/trace"
)

func drawConfig(t *rapid.T) Config {
	n := func(name string, lo, hi int) int { return rapid.IntRange(lo, hi).Draw(t, name) }
	ms := func(name string, lo, hi int) time.Duration { return time.Duration(n(name, lo, hi)) * time.Millisecond }
	var list trace.Slice
	at := time.Duration(0)
	for range n("requests", 0, 60) {
		at += ms("gap", 0, 800)
		list = append(list, trace.Arrival{At: at, Prompt: n("prompt", 1, 3000), Output: n("output", 1, 200), Client: n("client", 0, 2)})
	}
	d := ownFleet(n("replicas", 0, 3))
	d.Own.Policy = scale.Policy{Min: 0, Max: 4}
	if rapid.Bool().Draw(t, "own policy") {
		d.Own.Decide = nil
	}
	d.MaxRequests = n("max requests", 1, 12)
	f := &d.Own.Fleet
	f.ColdStart, f.Sigma = ms("cold start", 1, 20_000), 0.3
	f.StartFailure = float64(n("start failures", 0, 3)) / 10
	f.SlowStart = float64(n("slow starts", 0, 3)) / 10
	f.Quota = n("quota", 3, 6)
	d.Own.Faults.NodeLoss = ms("node loss", 0, 15_000)
	if rapid.Bool().Draw(t, "stock-out") {
		d.Own.Faults.StockOut = []Window{{ms("from", 0, 9000), ms("to", 9001, 20_000)}}
	}
	c := config(&list, d)
	if rapid.Bool().Draw(t, "remote") {
		p := provisioned()
		p.Tier = n("tier", 0, 1)
		p.Remote.TokensPerMinute = n("tokens per minute", 0, 20_000)
		p.Remote.Throttled, p.Remote.Throttle = []Window{{0, 5 * time.Second}}, 0.5
		p.Remote.Sigma = 0.2
		c.Deployments = append(c.Deployments, p)
	}
	var batch trace.Slice
	for range n("batch requests", 0, 20) {
		batch = append(batch, trace.Arrival{At: time.Duration(len(batch)) * time.Second, Prompt: n("batch prompt", 1, 3000), Output: n("batch output", 1, 200)})
	}
	c.Batch = &batch
	c.Seed = rapid.Uint64().Draw(t, "seed")
	c.Queue = dispatch.Queue{MaxRequests: n("queue", 1, 50), MaxWait: ms("wait", 1, 20_000), MaxWaitCold: ms("cold wait", 1, 60_000)}
	c.Patience = ms("patience", 1, 30_000)
	c.Grace = ms("grace", 1, 60_000)
	c.StatusLag = ms("status lag", 0, 3000)
	c.Scrape = ms("scrape", 0, 1) * time.Duration(n("scrape seconds", 1, 10)*1000)
	c.Tick = ms("tick", 500, 5000)
	return c
}

// In any run every request ends once: Run itself compares its count with
// dispatch's, and fails if they differ.
func TestEveryRequestEndsOnce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := drawConfig(t)
		n := uint64(len(*c.Source.(*trace.Slice)) + len(*c.Batch.(*trace.Slice)))
		r, err := Run(context.Background(), c)
		if err != nil {
			t.Fatal(err)
		}
		var completed, attempts uint64
		for _, d := range r.Deployments {
			completed += d.Completed
			attempts += d.Granted
		}
		if r.Arrived != n || completed != r.Completed || attempts < completed {
			t.Fatalf("%d arrived of %d, %d completed by %d attempts: %+v", r.Arrived, n, completed, attempts, r)
		}
		if g := r.GPU; g.Busy < 0 || g.Idle < 0 || g.ColdStart < 0 || g.Allocated != g.Busy+g.Idle+g.ColdStart {
			t.Fatalf("GPU time does not add up: %+v", g)
		}
		if r.WorstWindow > 1 || r.WorstHour < r.WorstWindow-1e-9 && r.Attainment < 0 {
			t.Fatalf("attainment %v, worst %v", r.Attainment, r.WorstWindow)
		}
	})
}

// bytesOf runs a config over its own copy of the arrivals.
func bytesOf(t testing.TB, c Config, list trace.Slice) []byte {
	t.Helper()
	list = slices.Clone(list)
	c.Source = &list
	b, err := json.Marshal(run(t, c))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// eventful is a run with every kind of event.
func eventful() (Config, trace.Slice) {
	rng := rand.New(rand.NewPCG(5, 6))
	var list trace.Slice
	at := time.Duration(0)
	for range 4000 {
		at += time.Duration(rng.ExpFloat64() * float64(50*time.Millisecond))
		list = append(list, trace.Arrival{At: at, Prompt: 1 + rng.IntN(2000), Output: 1 + rng.IntN(100), Client: rng.IntN(5)})
	}
	d := ownFleet(2)
	d.Own.Policy, d.Own.Decide = scale.Policy{Min: 1, Max: 8}, nil
	f := &d.Own.Fleet
	f.Sigma, f.StartFailure, f.SlowStart, f.Quota = 0.3, 0.1, 0.1, 6
	d.Own.Faults.NodeLoss = 30 * time.Second
	c := config(nil, d, payg())
	c.Deployments[1].Remote.Sigma = 0.3
	c.StatusLag, c.Scrape, c.Seed = 500*time.Millisecond, 5*time.Second, 7
	return c, list
}

func TestSameSeedSameBytesAtAnyGOMAXPROCS(t *testing.T) {
	c, list := eventful()
	want := bytesOf(t, c, list)
	for _, procs := range []int{1, 2, 7} {
		before := runtime.GOMAXPROCS(procs)
		have := bytesOf(t, c, list)
		runtime.GOMAXPROCS(before)
		if !bytes.Equal(have, want) {
			t.Errorf("GOMAXPROCS %d: another result", procs)
		}
	}
	c.Seed++
	if bytes.Equal(bytesOf(t, c, list), want) {
		t.Error("another seed gives the same result: nothing is drawn from it")
	}
}

// An added part draws from a stream of its own: the others' random events stay
// the same.
func TestAddingAPartChangesNoOthersLuck(t *testing.T) {
	f := func(c Config) []byte {
		c.Deployments = slices.Clone(c.Deployments)
		idle := ownFleet(1)
		idle.Name, idle.Tier = "idle", 2
		idle.Own.Faults.NodeLoss = time.Second
		c.Deployments = append(c.Deployments, idle)
		_, list := eventful()
		var r Result
		if err := json.Unmarshal(bytesOf(t, c, list), &r); err != nil {
			t.Fatal(err)
		}
		b, _ := json.Marshal(r.Deployments[0].GPU)
		return b
	}
	c, list := eventful()
	var r Result
	if err := json.Unmarshal(bytesOf(t, c, list), &r); err != nil {
		t.Fatal(err)
	}
	want, _ := json.Marshal(r.Deployments[0].GPU)
	if have := f(c); !bytes.Equal(have, want) {
		t.Errorf("have %s, want %s", have, want)
	}
}

// A run's memory depends on the requests in flight, not on those that have
// passed.
func TestMemoryIsOfWhatIsInFlight(t *testing.T) {
	c := config(&endless{left: 200_000, gap: 20 * time.Millisecond}, ownFleet(4))
	c.Patience = 5 * time.Second
	w, err := newWorld(c.withDefaults())
	if err != nil {
		t.Fatal(err)
	}
	if err := w.run(context.Background()); err != nil {
		t.Fatal(err)
	}
	if n := len(w.requests.slots); n > 100 {
		t.Errorf("%d slots for requests", n)
	}
	if n := cap(w.patience.due); n > 8192 {
		t.Errorf("patience of %d requests is kept", n)
	}
	if n := cap(w.todo.heap); n > 4096 {
		t.Errorf("the agenda has grown to %d", n)
	}
	if r, err := w.finish(); err != nil || r.Completed != 200_000 {
		t.Errorf("%v: %+v", err, r)
	}
}

func TestEventsComeInOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var g agenda
		n := rapid.IntRange(1, 200).Draw(t, "events")
		for range n {
			g.add(weir.Instant(rapid.IntRange(0, 20).Draw(t, "at")), kind(rapid.IntRange(0, 5).Draw(t, "kind")), 0, 0)
		}
		last := g.next()
		for range n - 1 {
			e := g.next()
			if !last.before(&e) {
				t.Fatalf("%+v came before %+v", last, e)
			}
			last = e
		}
	})
}

func TestQuantilesAreWithinABucket(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var h histogram
		var all []time.Duration
		for range rapid.IntRange(1, 300).Draw(t, "n") {
			d := time.Duration(rapid.Int64Range(0, 1e13).Draw(t, "d"))
			all = append(all, d)
			h.add(d)
		}
		slices.Sort(all)
		for _, q := range []float64{0.01, 0.5, 0.9, 0.99, 1} {
			want := all[max(1, min(len(all), int(q*float64(len(all))+0.5)))-1]
			if have := h.quantile(q); have < want-want/100-1 || have > want+want/100+1 {
				t.Fatalf("quantile %v: have %v, want %v", q, have, want)
			}
		}
	})
}
