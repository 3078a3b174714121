package clients

import (
	"math/rand/v2"
	"os"
	"testing"
	"time"

	"weir/load"
	"weir/trace"
)

// The soak: two minutes at a high rate on two servers that break in every way
// they can, callers that leave included. Set WEIR_SOAK=2m to run it;
// `make soak` does.

const (
	soakRate = 120 // requests a second: what two shared cores carry with Weir, servers and callers on them
	flat     = 1.25
	slack    = 16 << 20 // bytes
)

// TestSoakStaysFlat asserts that memory does not grow, that goroutines go back
// to where they were, and that every request is accounted for.
func TestSoakStaysFlat(t *testing.T) {
	length, err := time.ParseDuration(os.Getenv("WEIR_SOAK"))
	if os.Getenv("WEIR_SOAK") == "" {
		length = 5 * time.Second // short, so that the test itself is tested with the others
	} else if err != nil {
		t.Fatal(err)
	}
	w := soakWorld(t)
	soak(t, w, 2*time.Second) // pools and connections fill
	w.untilIdle(t)
	goroutines := w.settled(t)
	before := w.ended(t)

	watch := w.watchMemory(length)
	result, hasty := soak(t, w, length)
	resident := watch()
	t.Logf("%s\nand callers that leave: %s", result, hasty)

	w.untilIdle(t)
	if n := w.gauge(t, "weir_requests_waiting"); n != 0 {
		t.Errorf("%v requests still wait", n)
	}
	w.accounted(t, before, result, hasty)
	if result.Completed == 0 || result.Failed == 0 {
		t.Errorf("%d completed, %d failed: the faults should have hit some and spared most", result.Completed, result.Failed)
	}
	if have := w.settled(t); have > goroutines+20 {
		t.Errorf("%v goroutines after, %v before", have, goroutines)
	}
	half := len(resident) / 2
	first, second := most(resident[:half]), most(resident[half:])
	t.Logf("resident memory: at most %.0f MiB in the first half, %.0f MiB in the second", first/(1<<20), second/(1<<20))
	if second > flat*first+slack {
		t.Errorf("memory grows: %v bytes, then %v", first, second)
	}
}

// soakFaults break two requests in a hundred in each way.
const soakFaults = `{"seed":7,"faults":[
 {"kind":"status","status":500,"probability":0.02},
 {"kind":"status","status":429,"retry_after_ms":20,"probability":0.02},
 {"kind":"drop","probability":0.02},
 {"kind":"slow_headers","delay_ms":300,"probability":0.02},
 {"kind":"stall","after_tokens":2,"delay_ms":500,"probability":0.02},
 {"kind":"cut","after_tokens":3,"probability":0.02},
 {"kind":"malformed","after_tokens":2,"probability":0.02},
 {"kind":"error","after_tokens":1,"probability":0.02}]}`

func soakWorld(t *testing.T) *worldT {
	t.Helper()
	w := &worldT{dir: t.TempDir(), template: "soak.yaml.tmpl"}
	t.Cleanup(w.stop)
	servers := map[string]string{}
	for _, name := range []string{"one", "two"} {
		url, err := w.emulate(name, "llama-3.1-8b", "--speed", "20")
		if err != nil {
			t.Fatal(err)
		}
		if err := put(url+"/admin/faults", soakFaults); err != nil {
			t.Fatal(err)
		}
		servers[name] = url
	}
	if err := w.serve(servers); err != nil {
		t.Fatal(err)
	}
	return w
}

// soak plays bursty arrivals, and beside them callers that leave after 50 ms.
func soak(t *testing.T, w *worldT, length time.Duration) (steady, hasty *load.Result) {
	t.Helper()
	rng := rand.New(rand.NewPCG(1, 2))
	draw := func(rng *rand.Rand) (int, int) { return 20 + rng.IntN(400), 5 + rng.IntN(40) }
	source, err := trace.Gamma(soakRate, 2, length, rng, draw)
	if err != nil {
		t.Fatal(err)
	}
	leaving, err := trace.Gamma(soakRate/10, 1, length, rand.New(rand.NewPCG(3, 4)), func(*rand.Rand) (int, int) { return 50, 2000 })
	if err != nil {
		t.Fatal(err)
	}
	left := make(chan *load.Result)
	go func() {
		r, err := load.Play(t.Context(), load.Options{URL: w.url, Key: w.limitedKey, Model: "soak", Source: leaving, Timeout: 50 * time.Millisecond})
		if err != nil {
			t.Error(err)
		}
		left <- r
	}()
	steady, err = load.Play(t.Context(), load.Options{URL: w.url, Key: w.key, Model: "soak", Source: source})
	hasty = <-left
	if err != nil {
		t.Fatal(err)
	}
	return steady, hasty
}

// counts are ended requests by the two tenants of the soak.
type counts struct{ steady, hasty float64 }

func (w *worldT) ended(t *testing.T) counts {
	t.Helper()
	of := func(tenant string) float64 { return w.sum(t, "weir_requests_total", `tenant="`+tenant+`"`) }
	return counts{of("steady"), of("hasty")}
}

// accounted holds what Weir has counted since against what was sent. One that
// leaves may be gone before Weir has read its request: then Weir knows nothing of
// it. Every one that stays, or was answered, is counted.
func (w *worldT) accounted(t *testing.T, before counts, steady, hasty *load.Result) {
	t.Helper()
	have := w.ended(t)
	have.steady -= before.steady
	have.hasty -= before.hasty
	if want := float64(steady.Arrived - steady.Skipped); have.steady != want {
		t.Errorf("Weir counts %v ended requests of callers that stay, %v were sent", have.steady, want)
	}
	least, most := float64(hasty.Completed+hasty.Refused), float64(hasty.Arrived-hasty.Skipped)
	if have.hasty < least || have.hasty > most {
		t.Errorf("Weir counts %v ended requests of callers that leave, %v were answered and %v sent", have.hasty, least, most)
	}
}

// settled is the number of goroutines when it has stopped falling.
func (w *worldT) settled(t *testing.T) float64 {
	t.Helper()
	for last, end := w.gauge(t, "go_goroutines"), time.Now().Add(patience); ; {
		time.Sleep(500 * time.Millisecond)
		have := w.gauge(t, "go_goroutines")
		if have >= last || time.Now().After(end) {
			return have
		}
		last = have
	}
}

// watchMemory samples Weir's resident memory until the func it returns is
// called.
func (w *worldT) watchMemory(length time.Duration) func() []float64 {
	pid := w.programs[len(w.programs)-1].cmd.Process.Pid
	done, samples := make(chan struct{}), make(chan []float64)
	go func() {
		tick := time.NewTicker(length / 40)
		defer tick.Stop()
		var all []float64
		for {
			select {
			case <-done:
				samples <- all
				return
			case <-tick.C:
				if b, err := residentBytes(pid); err == nil {
					all = append(all, b)
				}
			}
		}
	}()
	return func() []float64 { close(done); return <-samples }
}

func most(vs []float64) float64 {
	var m float64
	for _, v := range vs {
		m = max(m, v)
	}
	return m
}
