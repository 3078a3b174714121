package emulate

import (
	"context"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"weir"
	"weir/engine"
)

func TestALoadingReplicaAnswers503(t *testing.T) {
	spec := plainSpec()
	spec.Load = time.Minute
	emulated(t, Options{Spec: spec, Speed: 10}, func(s *server) {
		for _, q := range [][2]string{{"GET", "/health"}, {"POST", "/v1/chat/completions"}, {"POST", "/v1/embeddings"}, {"POST", "/v1/messages"}} {
			status, _, b := s.ask(q[0], q[1], hello+`}`)
			must(t, q[1], status, 503)
			must(t, q[1], strings.Contains(string(b), "loading"), true)
		}
		time.Sleep(5900 * time.Millisecond)
		status, _, _ := s.ask("GET", "/health", "")
		must(t, "a moment before", status, 503)
		time.Sleep(100 * time.Millisecond)
		status, _, _ = s.ask("GET", "/health", "")
		must(t, "a minute at ten times the speed", status, 200)
		s.post("/v1/chat/completions", hello+`}`)
	})
}

// predicted is when each of n equal, simultaneous requests finishes, by the
// engine alone.
func predicted(t *testing.T, spec engine.Spec, n, prompt, output int) []time.Duration {
	t.Helper()
	r := engine.New(spec)
	for i := range n {
		if err := r.Arrive(1, engine.Request{ID: uint64(i), Prompt: prompt, Output: output}); err != nil {
			t.Fatal(err)
		}
	}
	var ends []time.Duration
	for next := r.Next(); next != 0; next = r.Next() {
		for _, e := range r.Advance(next) {
			if e.Kind == engine.Finished {
				ends = append(ends, e.At.Sub(weir.Instant(1)))
			}
		}
	}
	return ends
}

func TestThroughputIsWhatTheEnginePredicts(t *testing.T) {
	spec := plainSpec()
	spec.MaxSeqs = 20
	const n, output = 100, 30
	for _, speed := range []float64{1, 8} {
		for _, stream := range []bool{true, false} {
			emulated(t, Options{Spec: spec, Speed: speed}, func(s *server) {
				want := predicted(t, *spec, n, textTokens(400), output)
				began := time.Now()
				ends := make(chan time.Duration, n)
				var wg sync.WaitGroup
				for range n {
					wg.Go(func() {
						body := fmt.Sprintf(`{"prompt":"%s","max_tokens":%d,"ignore_eos":true,"stream":%v}`, strings.Repeat("word", 100), output, stream)
						a, err := s.send(context.Background(), "POST", "/v1/completions", body)
						if err != nil {
							t.Error(err)
							return
						}
						defer a.Body.Close()
						if _, err := io.Copy(io.Discard, a.Body); err != nil {
							t.Error(err)
						}
						ends <- time.Since(began)
					})
				}
				wg.Wait()
				close(ends)
				i := 0
				for have := range ends { // sent in the order of their ends
					if w := time.Duration(float64(want[i]) / speed); have < w-shortest || have > w+2*shortest {
						t.Fatalf("speed %v, stream %v: request %d ended at %v, the engine says %v", speed, stream, i, have, w)
					}
					i++
				}
				must(t, "answers", i, n)
			})
		}
	}
}

func TestAClientThatLeavesFreesItsPlaceAtOnce(t *testing.T) {
	for _, stream := range []bool{true, false} {
		spec := plainSpec()
		spec.MaxSeqs = 1
		emulated(t, Options{Spec: spec}, func(s *server) {
			ctx, leave := context.WithCancel(context.Background())
			first := make(chan error, 1)
			go func() {
				a, err := s.send(ctx, "POST", "/v1/completions", fmt.Sprintf(`{"prompt":"first","max_tokens":5000,"ignore_eos":true,"stream":%v}`, stream))
				if err == nil {
					_, err = io.Copy(io.Discard, a.Body)
					a.Body.Close()
				}
				first <- err
			}()
			time.Sleep(100 * time.Millisecond)
			second := make(chan time.Duration, 1)
			go func() {
				began := time.Now()
				s.post("/v1/completions", `{"prompt":"second","max_tokens":1}`)
				second <- time.Since(began)
			}()
			time.Sleep(100 * time.Millisecond)
			m := s.loop.snapshot()
			must(t, "running", m.running, 1)
			must(t, "waiting", m.waiting, 1)
			leave()
			if err := <-first; err == nil {
				t.Error("the first ended well: want it cut by its client")
			}
			// Its step has to end first, then one of the second's own.
			if took := <-second; took > 100*time.Millisecond+30*time.Millisecond {
				t.Errorf("stream %v: the second took %v: the first kept its place after it left", stream, took)
			}
			synctest.Wait()
			m = s.loop.snapshot()
			must(t, "aborted", m.aborted, 1)
			must(t, "running at the end", m.running, 0)
			must(t, "flows left", len(s.loop.flows), 0)
		})
	}
}

func TestTheQueueIsBounded(t *testing.T) {
	spec := plainSpec()
	spec.MaxSeqs = 1
	emulated(t, Options{Spec: spec, MaxWaiting: 3}, func(s *server) {
		var wg sync.WaitGroup
		var mu sync.Mutex
		statuses := map[int]int{}
		for range 10 {
			wg.Go(func() {
				status, _, _ := s.ask("POST", "/v1/completions", `{"prompt":"x","max_tokens":100,"ignore_eos":true}`)
				mu.Lock()
				defer mu.Unlock()
				statuses[status]++
			})
			time.Sleep(20 * time.Millisecond) // the first must be in the batch, not in the queue
		}
		wg.Wait()
		if statuses[200] != 4 || statuses[503] != 6 {
			t.Errorf("statuses %v: want one worked on, three waiting, the others 503", statuses)
		}
	})
}

func TestThousandsOfStreamsAtOnce(t *testing.T) {
	spec := plainSpec()
	spec.MaxSeqs, spec.MaxBatchTokens, spec.KVTokens = 2000, 8192, 1<<20
	const n, output = 2000, 5
	emulated(t, Options{Spec: spec}, func(s *server) {
		var wg sync.WaitGroup
		for range n {
			wg.Go(func() {
				events, err := s.stream("/v1/completions", fmt.Sprintf(`{"prompt":"hello","max_tokens":%d,"ignore_eos":true,"stream":true}`, output))
				if err != nil || len(events) != output+2 {
					t.Errorf("%d events, %v", len(events), err)
				}
			})
		}
		wg.Wait()
		must(t, "produced", s.loop.snapshot().generated, n*output)
	})
}

func TestARequestThatCannotFitTheKVCacheIsRefused(t *testing.T) {
	spec := plainSpec()
	spec.KVTokens = 160
	emulated(t, Options{Spec: spec}, func(s *server) {
		status, _, b := s.ask("POST", "/v1/completions", `{"prompt":"x","max_tokens":500,"ignore_eos":true}`)
		must(t, "status", status, 400)
		must(t, "code", parse(t, b).at("error", "code").str(), "context_length_exceeded")
	})
}

func TestMetricsAreVLLMsAndParse(t *testing.T) {
	spec := plainSpec()
	spec.MaxSeqs = 2
	emulated(t, Options{Spec: spec, Model: `odd"model\name`, GPU: "H100-80GB", TP: 2}, func(s *server) {
		var wg sync.WaitGroup
		for range 3 {
			wg.Go(func() {
				if _, err := s.stream("/v1/completions", `{"prompt":"`+strings.Repeat("w", 400)+`","max_tokens":50,"ignore_eos":true,"stream":true}`); err != nil {
					t.Error(err)
				}
			})
		}
		time.Sleep(200 * time.Millisecond)
		read := func() map[string]float64 {
			status, header, b := s.ask("GET", "/metrics", "")
			must(t, "status", status, 200)
			must(t, "type", header.Get("Content-Type"), "text/plain; version=0.0.4; charset=utf-8")
			p := expfmt.NewTextParser(model.UTF8Validation)
			fams, err := p.TextToMetricFamilies(strings.NewReader(string(b)))
			if err != nil {
				t.Fatalf("%v in\n%s", err, b)
			}
			vs := map[string]float64{}
			for name, f := range fams {
				for _, m := range f.GetMetric() {
					vs[name] += m.GetGauge().GetValue() + m.GetCounter().GetValue() + float64(m.GetHistogram().GetSampleCount())
					for _, l := range m.GetLabel() {
						if l.GetName() == "model_name" {
							must(t, "label", l.GetValue(), `odd"model\name`)
						}
					}
				}
			}
			return vs
		}
		during := read()
		must(t, "running", during["vllm:num_requests_running"], 2)
		must(t, "waiting", during["vllm:num_requests_waiting"], 1)
		must(t, "first tokens", during["vllm:time_to_first_token_seconds"], 2)
		if kv := during["vllm:kv_cache_usage_perc"]; kv <= 0 || kv > 0.01 {
			t.Errorf("KV use %v of 64000 tokens by two requests of some 120", kv)
		}
		wg.Wait()
		after := read()
		for name, want := range map[string]float64{
			"vllm:num_requests_running": 0, "vllm:num_requests_waiting": 0, "vllm:prompt_tokens_total": 300, "vllm:generation_tokens_total": 150,
			"vllm:time_to_first_token_seconds": 3, "vllm:time_per_output_token_seconds": 147, "vllm:inter_token_latency_seconds": 147,
			"vllm:request_time_per_output_token_seconds": 3, "vllm:e2e_request_latency_seconds": 3, "vllm:num_preemptions_total": 0,
			"vllm:request_success_total": 3, "weir_emulated": 1, "vllm:gpu_cache_usage_perc": after["vllm:kv_cache_usage_perc"],
		} {
			must(t, name, after[name], want)
		}
		if busy := after["DCGM_FI_DEV_GPU_UTIL"]; busy < 2*90 || busy > 2*100 {
			t.Errorf("GPUs %v%% busy over a second of steady work, want nearly 200 for two", busy)
		}
		time.Sleep(10 * time.Second)
		read()
		time.Sleep(10 * time.Second)
		must(t, "busy when idle", read()["DCGM_FI_DEV_GPU_UTIL"], 0)
	})
}

func TestPreemptionsAreCountedAndNothingIsLost(t *testing.T) {
	spec := plainSpec()
	spec.KVTokens = 640 // each of four ends at 11+250 tokens: they do not fit together
	emulated(t, Options{Spec: spec}, func(s *server) {
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				events, err := s.stream("/v1/completions", `{"prompt":"`+strings.Repeat("w", 44)+`","max_tokens":250,"ignore_eos":true,"stream":true}`)
				if err != nil || len(events) != 252 {
					t.Errorf("%d events, %v: want 252", len(events), err)
				}
			})
		}
		wg.Wait()
		if m := s.loop.snapshot(); m.preemptions == 0 || m.generated != 1000 {
			t.Errorf("%d preemptions, %d tokens: want some, and 1000", m.preemptions, m.generated)
		}
	})
}
