package emulate

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// BenchmarkStreams is the CPU time of a token, client and loopback included,
// with that many streams at once on one replica. The replica keeps its own
// pace, a step each 10 ms: time per operation says nothing.
func BenchmarkStreams(b *testing.B) {
	for _, n := range []int{100, 1000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			spec := plainSpec()
			spec.MaxSeqs, spec.MaxBatchTokens, spec.KVTokens = n, 8192, 1<<22
			s, err := New(Options{Model: "tiny", Spec: spec, Context: 1 << 16})
			if err != nil {
				b.Fatal(err)
			}
			ctx, cancel := context.WithCancel(context.Background())
			var wg sync.WaitGroup
			wg.Go(func() { _ = s.Run(ctx) })
			h := httptest.NewServer(s.Handler())
			for s.loop.ready() != nil {
			}
			c := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: n}}
			tokens := max(1, b.N/n)
			body := fmt.Sprintf(`{"prompt":"hello","max_tokens":%d,"ignore_eos":true,"stream":true}`, tokens)
			before := cpu(b)
			b.ResetTimer()
			var streams sync.WaitGroup
			for range n {
				streams.Go(func() {
					a, err := c.Post(h.URL+"/v1/completions", "application/json", strings.NewReader(body))
					if err != nil {
						b.Error(err)
						return
					}
					defer a.Body.Close()
					if _, err := io.Copy(io.Discard, a.Body); err != nil {
						b.Error(err)
					}
				})
			}
			streams.Wait()
			b.StopTimer()
			b.ReportMetric(float64(cpu(b)-before)/float64(n*tokens), "cpu-ns/token")
			c.CloseIdleConnections()
			h.Close()
			cancel()
			wg.Wait()
		})
	}
}

// cpu is the time this process has spent on processors.
func cpu(b *testing.B) int64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return u.Utime.Nano() + u.Stime.Nano()
}
