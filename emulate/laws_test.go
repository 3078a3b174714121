package emulate

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"weir/engine"
	"weir/internal/seed"
)

// However requests end, nothing of them is left.
func TestThousandsAbortedAtRandomMomentsLeaveNothingBehind(t *testing.T) {
	spec := plainSpec()
	spec.MaxSeqs, spec.KVTokens = 30, 6400
	emulated(t, Options{Spec: spec, Seed: 3}, func(s *server) {
		s.ask("PUT", "/admin/faults", `[{"kind":"cut","after_tokens":4,"probability":0.1},{"kind":"stall","after_tokens":2,"probability":0.1},
			{"kind":"drop","probability":0.05},{"kind":"error","after_tokens":3,"probability":0.05},{"kind":"slow_headers","delay_ms":300,"probability":0.1}]`)
		draw := rand.New(rand.NewPCG(seed.Of(t), 2))
		var whole, aborted, failed atomic.Int64
		var wg sync.WaitGroup
		const n = 3000
		for i := range n {
			path := []string{"/v1/chat/completions", "/v1/completions", "/v1/responses", "/v1/embeddings"}[draw.IntN(4)]
			body := fmt.Sprintf(`%s,"prompt":"%s","input":"%s","max_tokens":%d,"max_output_tokens":20,"stream":%v}`,
				hello, strings.Repeat("w ", 1+draw.IntN(200)), "text", 1+draw.IntN(60), draw.IntN(2) == 0)
			patience := time.Duration(draw.IntN(1500)) * time.Millisecond
			wg.Go(func() {
				time.Sleep(time.Duration(i) * 2 * time.Millisecond)
				ctx, cancel := context.WithTimeout(context.Background(), patience)
				defer cancel()
				a, err := s.send(ctx, "POST", path, body)
				if err == nil {
					_, err = io.Copy(io.Discard, a.Body)
					a.Body.Close()
				}
				switch {
				case err == nil:
					whole.Add(1)
				case ctx.Err() != nil:
					aborted.Add(1)
				default:
					failed.Add(1)
				}
			})
		}
		wg.Wait()
		time.Sleep(time.Second) // a step under way runs to its end
		must(t, "ended", whole.Load()+aborted.Load()+failed.Load(), n)
		if whole.Load() < n/10 || aborted.Load() < n/10 || failed.Load() < n/20 {
			t.Errorf("%d whole, %d aborted, %d failed: the mix tests nothing", whole.Load(), aborted.Load(), failed.Load())
		}
		s.ask("DELETE", "/admin/faults", "")
		_, _, _ = s.ask("GET", "/metrics", "") // advances the replica to now
		m := s.loop.snapshot()
		must(t, "running", m.running, 0)
		must(t, "waiting", m.waiting, 0)
		must(t, "KV use", m.kvUse, 0)
		must(t, "flows", len(s.loop.flows)+len(s.loop.byID), 0)
		s.post("/v1/chat/completions", hello+`}`)
	})
}

func TestAClientThatDoesNotReadIsCutOff(t *testing.T) {
	emulated(t, Options{}, func(s *server) {
		a, err := s.send(context.Background(), "POST", "/v1/completions", `{"prompt":"x","max_tokens":5000,"ignore_eos":true,"stream":true}`)
		if err != nil {
			t.Fatal(err)
		}
		defer a.Body.Close()
		time.Sleep(writeTimeout + 5*time.Second)
		synctest.Wait()
		m := s.loop.snapshot()
		must(t, "running", m.running, 0)
		must(t, "aborted", m.aborted, 1)
	})
}

func TestASharedPrefixIsNotComputedTwice(t *testing.T) {
	spec := plainSpec()
	spec.PrefixCache = true
	emulated(t, Options{Spec: spec}, func(s *server) {
		ttft := func(last string) time.Duration {
			events, err := s.stream("/v1/chat/completions", `{"messages":[{"role":"system","content":"`+strings.Repeat("long text ", 1600)+`"},{"role":"user","content":"`+last+`"}],"max_tokens":2,"stream":true}`)
			if err != nil {
				t.Fatal(err)
			}
			return events[0].at
		}
		cold, warm := ttft("first"), ttft("second")
		// 4000 tokens at 10 us each, in two steps of 10 ms more; then one step.
		if cold < 60*time.Millisecond || warm > 15*time.Millisecond {
			t.Errorf("first token after %v, with the prefix cached %v", cold, warm)
		}
		if hits := s.loop.snapshot().cached; hits < 3900 || hits > 4100 {
			t.Errorf("%d tokens from the cache, want about 4000", hits)
		}
	})
}

func TestCatalogueModelsCanBeEmulated(t *testing.T) {
	for _, gpu := range engine.GPUNames() {
		s, err := New(Options{Model: "llama-3.1-8b", GPU: gpu, TP: 2})
		if err != nil {
			t.Errorf("%s: %v", gpu, err)
			continue
		}
		if s.loop.load() <= 0 || s.spec.KVTokens < 2048 || s.spec.MaxSeqs < 1 {
			t.Errorf("%s: %+v", gpu, s.spec)
		}
	}
}

// For any request, the answer is one of the API's own: JSON, or a stream.
func FuzzRequests(f *testing.F) {
	s, err := New(Options{Model: "tiny", Spec: plainSpec(), Speed: maxSpeed, Context: 200})
	if err != nil {
		f.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	f.Cleanup(func() { cancel(); <-ended })
	for s.loop.ready() != nil {
		time.Sleep(time.Millisecond)
	}
	paths := []string{"/v1/chat/completions", "/v1/completions", "/v1/responses", "/v1/embeddings", "/v1/messages"}
	for i := range paths {
		f.Add(uint8(i), hello+`,"prompt":"x","input":["x"],"max_tokens":3,"stream":true,"stream_options":{"include_usage":true}}`)
		f.Add(uint8(i), hello+tools+`,"tool_choice":"required","input":[{"content":[{"type":"input_image"}]}],"max_tokens":3}`)
	}
	f.Fuzz(func(t *testing.T, which uint8, body string) {
		w := httptest.NewRecorder()
		s.Handler().ServeHTTP(w, httptest.NewRequest("POST", paths[int(which)%len(paths)], strings.NewReader(body)))
		switch kind := w.Header().Get("Content-Type"); {
		case strings.HasPrefix(kind, "text/event-stream") && w.Code == http.StatusOK:
			events, err := readEvents(w.Body, time.Now())
			if err != nil || len(events) == 0 {
				t.Fatalf("a stream without an end: %v", err)
			}
			for _, e := range events {
				if e.data != "[DONE]" && !json.Valid([]byte(e.data)) {
					t.Fatalf("not JSON: %s", e.data)
				}
			}
		case kind != "application/json" || !json.Valid(w.Body.Bytes()):
			t.Fatalf("%d %s %q", w.Code, kind, w.Body.String())
		case w.Code >= 500:
			t.Fatalf("%d for what a caller sent: %s", w.Code, w.Body.String())
		}
	})
}
