package sim

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"testing"
	"time"

	"weir"
	"weir/engine"
	"weir/fleet/mem"
	"weir/scale"
	"weir/trace"
)

// llama is a deployment of Llama-3.3-70B on 4 x A100 that scales by itself.
func llama(b *testing.B, replicas int) Deployment {
	b.Helper()
	spec, err := engine.Lookup("A100-80GB", "Llama-3.3-70B", 4, "")
	if err != nil {
		b.Fatal(err)
	}
	return Deployment{Name: "llama-70b", Own: &Own{
		Engine: spec, GPUs: 4, Price: 14 * weir.Dollar, Initial: replicas,
		Fleet: mem.Deployment{ColdStart: 90 * time.Second, Sigma: 0.3},
		Policy: scale.Policy{Min: 1, Max: 2 * replicas, ColdStart: 90 * time.Second,
			SLO: weir.SLO{TTFT: 2 * time.Second, TPOT: 200 * time.Millisecond}},
	}}
}

// code is arrivals like those of a coding assistant: long prompts, short
// answers.
func code(b *testing.B, rate float64, length time.Duration) trace.Source {
	b.Helper()
	s, err := trace.Gamma(rate, 2, length, rand.New(rand.NewPCG(1, 2)), func(r *rand.Rand) (int, int) {
		return 1 + int(r.ExpFloat64()*2000), 1 + int(r.ExpFloat64()*30)
	})
	if err != nil {
		b.Fatal(err)
	}
	return s
}

func report(b *testing.B, requests uint64) {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(requests), "ns/request")
	b.ReportMetric(float64(m.HeapSys)/(1<<20), "MiB-heap")
}

// Time grows with the requests; what is held does not.
func BenchmarkByRequests(b *testing.B) {
	for _, hours := range []int{1, 4, 16} {
		b.Run(fmt.Sprintf("%dk", hours*36), func(b *testing.B) {
			var n uint64
			for b.Loop() {
				n += run(b, config(code(b, 10, time.Duration(hours)*time.Hour), llama(b, 10))).Arrived
			}
			report(b, n)
		})
	}
}

// A request costs about the same in a fleet of any size.
func BenchmarkByReplicas(b *testing.B) {
	for _, replicas := range []int{4, 16, 64} {
		b.Run(fmt.Sprint(replicas), func(b *testing.B) {
			var n uint64
			for b.Loop() {
				n += run(b, config(code(b, float64(replicas), time.Duration(64/replicas)*30*time.Minute), llama(b, replicas))).Arrived
			}
			report(b, n)
		})
	}
}
