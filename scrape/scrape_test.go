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
	f("vllm.prom", Reading{15, 16, 0.91, 0, Known{true, true, true, false}})
	f("vllm_v0_dcgm.prom", Reading{3, 0, 0.25, 0.8, Known{true, true, true, true}})
	f("sglang.prom", Reading{162, 2826, 0.28, 0, Known{true, true, true, false}})
	f("tgi.prom", Reading{5, 2, 0, 0, Known{true, true, false, false}})
	f("llamacpp.prom", Reading{1, 4, 0, 0, Known{true, true, false, false}})
}

func TestNothingKnownIsNotAnError(t *testing.T) {
	have, err := Parse(strings.NewReader("up 1\n"))
	if err != nil || have != (Reading{}) {
		t.Errorf("have %+v, %v", have, err)
	}
}

func TestFiguresStayWithinWhatTheyCanBe(t *testing.T) {
	have, err := Parse(strings.NewReader("vllm:num_requests_running -3\nvllm:num_requests_waiting 1e300\nvllm:kv_cache_usage_perc 7\nDCGM_FI_DEV_GPU_UTIL +Inf\n"))
	want := Reading{0, 1<<31 - 1, 1, 0, Known{true, true, true, false}}
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
