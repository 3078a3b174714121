package scrape

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"
)

func TestFiguresOfEachServerAreRead(t *testing.T) {
	f := func(file string, want Reading) {
		t.Helper()
		in, err := os.Open("testdata/" + file)
		if err != nil {
			t.Fatal(err)
		}
		defer in.Close()
		have, err := Parse(in)
		if err != nil || have != want {
			t.Errorf("%s: have %+v, %v\nwant %+v", file, have, err, want)
		}
	}
	f("vllm.prom", Reading{15, 16, 0.91, 0, Known{true, true, true, false}, "vLLM", ""})
	f("vllm_v0_dcgm.prom", Reading{3, 0, 0.25, 0.8, Known{true, true, true, true}, "vLLM", ""})
	f("sglang.prom", Reading{162, 2826, 0.28, 0, Known{true, true, true, false}, "SGLang", ""})
	f("tgi.prom", Reading{5, 2, 0, 0, Known{true, true, false, false}, "TGI", ""})
	f("llamacpp_2026.prom", Reading{1, 0, 0, 0, Known{true, true, false, false}, "llama.cpp", ""})
	f("triton.prom", Reading{0, 5, 0, 0.5, Known{false, true, false, true}, "Triton", ""})
	f("llamacpp.prom", Reading{1, 4, 0, 0, Known{true, true, false, false}, "llama.cpp", ""})
}

func TestNothingKnownIsNotAnError(t *testing.T) {
	have, err := Parse(strings.NewReader("up 1\n"))
	if err != nil || have != (Reading{Lacks: (*engine)(nil).lacks(Known{})}) {
		t.Errorf("have %+v, %v", have, err)
	}
}

func TestWhatAnEngineShouldTellAndDoesNotIsNamed(t *testing.T) {
	f := func(text, want string) {
		t.Helper()
		if have, err := Parse(strings.NewReader(text)); err != nil || have.Lacks != want {
			t.Errorf("%q: have %q, %v, want %q", text, have.Lacks, err, want)
		}
	}
	f("vllm:num_requests_running 1\nvllm:num_requests_queued 2\nvllm:kv_cache_usage_perc 0.5\n", "vllm:num_requests_waiting")
	f("vllm:num_requests_running 1\nvllm:num_requests_waiting 2\n", "vllm:kv_cache_usage_perc or vllm:gpu_cache_usage_perc")
	f("llamacpp:prompt_tokens_total 1\n", "llamacpp:requests_processing, llamacpp:requests_deferred")
	f("DCGM_FI_DEV_GPU_UTIL 50\n", "")
	f("tgi_queue_size 1\ntgi_batch_current_size 0\n", "")
}

func TestFiguresStayWithinWhatTheyCanBe(t *testing.T) {
	have, err := Parse(strings.NewReader("vllm:num_requests_running -3\nvllm:num_requests_waiting 1e300\nvllm:kv_cache_usage_perc 7\nDCGM_FI_DEV_GPU_UTIL +Inf\n"))
	want := Reading{0, 1<<31 - 1, 1, 0, Known{true, true, true, false}, "vLLM", ""}
	if err != nil || have != want {
		t.Errorf("have %+v, %v\nwant %+v", have, err, want)
	}
}

func TestServersAreReadTogetherEachWithItsOwnFault(t *testing.T) {
	good := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/metrics" {
			_, _ = w.Write([]byte("vllm:num_requests_running 4\n"))
		}
	}))
	defer good.Close()
	ill := httptest.NewServer(http.NotFoundHandler())
	defer ill.Close()
	long := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(strings.Repeat("# comment comment comment\n", 100)))
	}))
	defer long.Close()
	junk := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte("<html>\n"))
	}))
	defer junk.Close()
	released := make(chan struct{})
	hung := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-released }))
	defer hung.Close()
	defer close(released)

	c := New(Options{Timeout: 200 * time.Millisecond, MaxBytes: 1000, Parallel: 2})
	defer c.Close()
	rs := c.ReadAll(t.Context(), []string{good.URL + "/", ill.URL, long.URL, junk.URL, hung.URL, good.URL})
	for _, i := range []int{0, 5} {
		if rs[i].Err != nil || rs[i].Running != 4 || !rs[i].Known.Running {
			t.Errorf("good server: %+v", rs[i])
		}
	}
	if err := rs[1].Err; err == nil || !strings.Contains(err.Error(), "404") {
		t.Errorf("server without metrics: %v", err)
	}
	if err := rs[2].Err; !errors.Is(err, ErrTooLong) {
		t.Errorf("long answer: %v, want ErrTooLong", err)
	}
	if rs[3].Err == nil {
		t.Error("a page that is no metrics was read as some")
	}
	if err := rs[4].Err; !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("hung server: %v, want its time to run out", err)
	}
}

func FuzzParse(f *testing.F) {
	for _, file := range []string{"vllm", "vllm_v0_dcgm", "sglang", "tgi", "llamacpp"} {
		b, err := os.ReadFile("testdata/" + file + ".prom")
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(b))
	}
	f.Fuzz(func(t *testing.T, in string) {
		r, err := Parse(strings.NewReader(in))
		if err != nil {
			return
		}
		if r.Running < 0 || r.Waiting < 0 || r.KVUse < 0 || r.KVUse > 1 || r.GPUUtilisation < 0 || r.GPUUtilisation > 1 {
			t.Errorf("out of bounds: %+v", r)
		}
	})
}
