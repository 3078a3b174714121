package gateway

import (
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"pgregory.net/rapid"

	"weir"
	"weir/dispatch"
	"weir/upstream"
)

// mirroring serves "m" from d0 and copies a share of it to "shadow".
func mirroring(t *testing.T, share float64, most int, primary, shadow string, tune ...func(*Config)) (*running, func() []weir.Copy) {
	c := config(primary)
	c.Models[0].Deployments = append(c.Models[0].Deployments, Deployment{
		Deployment: dispatch.Deployment{Name: "shadow"}, Mirror: &Mirror{Share: share, MaxConcurrent: most},
		Upstream: upstream.Options{Dialect: openAI, BaseURL: shadow, Model: "up-next"},
	})
	for _, f := range tune {
		f(&c)
	}
	var mu sync.Mutex
	var copies []weir.Copy
	r := start(t, c, func(o *Options) {
		o.Copy = func(a weir.Copy) { mu.Lock(); defer mu.Unlock(); copies = append(copies, a) }
	})
	return r, func() []weir.Copy {
		mu.Lock()
		defer mu.Unlock()
		return append([]weir.Copy(nil), copies...)
	}
}

func TestAMirrorGetsTheCallersOwnBodyAndAnswersNobody(t *testing.T) {
	primary, shadow := newBackend(t, answering), newBackend(t, answering)
	r, copies := mirroring(t, 1, 4, primary.URL, shadow.URL)
	for _, body := range []string{chatBody, streamed} {
		resp, answer := r.post(chatPath, body)
		if resp.StatusCode != 200 || resp.Header.Get("X-Weir-Deployment") != "d0" || !strings.Contains(answer, "hello") {
			t.Errorf("%d %s", resp.StatusCode, answer)
		}
	}
	r.settled()
	eventually(t, "two copies", func() bool { return len(copies()) == 2 })
	_, have, _ := shadow.last()
	_, was, _ := primary.last()
	if want := strings.Replace(was, `"up"`, `"up-next"`, 1); have != want && !strings.Contains(have, `"model":"up-next"`) {
		t.Errorf("the shadow got %s, the primary %s", have, was)
	}
	for _, a := range copies() {
		if a.Kind != weir.MirrorCopy || a.Result != "answered" || a.Status != 200 || a.Usage.Prompt != 11 || a.TTFT <= 0 || a.Beside == nil || a.Beside.Status != 200 {
			t.Errorf("%+v", a)
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.records) != 2 || r.records[0].Deployment != "d0" || r.records[1].Deployment != "d0" || r.records[0].Attempts != 1 {
		t.Errorf("%+v", r.records)
	}
}

// The primary answers while its shadow is silent, is down, and refuses.
func TestADeadMirrorNeitherDelaysNorFailsAnybody(t *testing.T) {
	hung := make(chan struct{})
	for name, h := range map[string]http.HandlerFunc{
		"silent":  func(w http.ResponseWriter, r *http.Request) { <-hung },
		"broken":  func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(500) },
		"cut":     func(w http.ResponseWriter, r *http.Request) { panic(http.ErrAbortHandler) },
		"garbled": func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "<html>") },
	} {
		t.Run(name, func(t *testing.T) {
			r, copies := mirroring(t, 1, 4, newBackend(t, answering).URL, newBackend(t, h).URL)
			for range 8 {
				if resp, body := r.post(chatPath, chatBody); resp.StatusCode != 200 {
					t.Fatalf("%d %s", resp.StatusCode, body)
				}
			}
			if name == "silent" { // four hang, the others were dropped
				eventually(t, "four dropped", func() bool { return len(copies()) == 4 })
				close(hung)
			}
			eventually(t, "eight copies", func() bool { return len(copies()) == 8 })
			r.settled()
		})
	}
}

func TestAStopDoesNotWaitForMirrors(t *testing.T) {
	gone := make(chan struct{}, 1)
	shadow := newBackend(t, func(w http.ResponseWriter, r *http.Request) { <-r.Context().Done(); gone <- struct{}{} })
	r, _ := mirroring(t, 1, 4, newBackend(t, answering).URL, shadow.URL)
	r.post(chatPath, chatBody)
	eventually(t, "the copy is there", func() bool { return shadow.inFlight.Load() == 1 })
	r.stop()
	<-gone
}

func TestMirrorsAreNeverLimitedOrBilled(t *testing.T) {
	r, copies := mirroring(t, 1, 4, newBackend(t, answering).URL, newBackend(t, answering).URL, func(c *Config) {
		c.Tenants[0].Limits.RequestsPerMinute = 2
	})
	for range 2 {
		if resp, body := r.post(chatPath, chatBody); resp.StatusCode != 200 {
			t.Fatalf("%d %s", resp.StatusCode, body)
		}
	}
	if resp, _ := r.post(chatPath, chatBody); resp.StatusCode != 429 {
		t.Errorf("%d", resp.StatusCode)
	}
	eventually(t, "two copies, none of the refused request", func() bool { return len(copies()) == 2 })
	r.settled()
}

func TestAMirrorKeepsToTheCapacityOfItsReplicas(t *testing.T) {
	shadow := newBackend(t, answering)
	r, copies := mirroring(t, 1, 4, newBackend(t, answering).URL, shadow.URL, func(c *Config) {
		c.Models[0].Deployments[1].MaxRequests = 1
	})
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() { r.post(chatPath, chatBody) })
	}
	all.Wait()
	eventually(t, "20 copies made or dropped", func() bool { return len(copies()) == 20 })
	r.settled()
}

// Of n requests n*share are copied, give or take one.
func TestMirrorsAreTheShareOfRequests(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		share := float64(rapid.IntRange(0, 10_000).Draw(t, "share")) / 10_000
		n := rapid.IntRange(0, 3000).Draw(t, "requests")
		g, copies := mirrorGate{}, 0
		for range n {
			if g.picks(share) {
				copies++
			}
		}
		if off := float64(copies) - share*float64(n); off > 1e-6 || off < -1-1e-6 {
			t.Fatalf("%d copies of %d requests at %v", copies, n, share)
		}
	})
}

func TestAReloadKeepsTheBoundOfMirrors(t *testing.T) {
	open := make(chan struct{})
	var in atomic.Int64
	shadow := newBackend(t, func(w http.ResponseWriter, r *http.Request) { in.Add(1); <-open })
	var conf Config
	r, copies := mirroring(t, 1, 1, newBackend(t, answering).URL, shadow.URL, func(c *Config) { conf = *c })
	r.post(chatPath, chatBody)
	eventually(t, "one copy is there", func() bool { return in.Load() == 1 })
	if err := r.Apply(conf); err != nil {
		t.Fatal(err)
	}
	r.post(chatPath, chatBody)
	eventually(t, "the second is dropped", func() bool { a := copies(); return len(a) == 1 && a[0].Result == "dropped" })
	close(open)
	eventually(t, "the first has ended", func() bool { return len(copies()) == 2 })
	r.settled()
}
