package gateway

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"weir/dispatch"
)

// The purpose of hedging: one of every 50 first tokens takes 200 ms instead of 2 ms,
// with four replicas. It reports the callers' times and the cost.
func BenchmarkHedge(b *testing.B) {
	for _, share := range []float64{0, 0.05} {
		b.Run(fmt.Sprintf("share=%v", share), func(b *testing.B) { benchHedge(b, share) })
	}
}

func benchHedge(b *testing.B, share float64) {
	var mu sync.Mutex
	rng, sent := rand.New(rand.NewPCG(1, 1)), 0
	stutter := func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		took := 2 * time.Millisecond
		if sent++; rng.IntN(50) == 0 {
			took = 200 * time.Millisecond
		}
		mu.Unlock()
		select {
		case <-r.Context().Done():
		case <-time.After(took):
			answering(w, r)
		}
	}
	c := config("")
	c.Models[0].Hedge = dispatch.Hedge{Share: share}
	for range 4 {
		c.Models[0].Deployments[0].Addrs = append(c.Models[0].Deployments[0].Addrs, newBackend(b, stutter).URL)
	}
	r := start(b, c, func(o *Options) { o.Record = nil })
	for range 200 { // it learns how long first tokens take
		r.post(chatPath, streamed)
	}
	sent = 0
	var took []time.Duration
	for b.Loop() {
		began := time.Now()
		r.post(chatPath, streamed)
		took = append(took, time.Since(began))
	}
	slices.Sort(took)
	ms := func(q float64) float64 { return took[int(q*float64(len(took)-1))].Seconds() * 1000 }
	b.ReportMetric(ms(0.5), "ms-p50")
	b.ReportMetric(ms(0.99), "ms-p99")
	b.ReportMetric(float64(sent)/float64(len(took)), "sent/request")
}
