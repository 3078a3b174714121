//go:build unix

package sim

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"syscall"
	"testing"
	"time"

	"weir"
	"weir/engine"
	"weir/fleet/mem"
	"weir/scale"
	"weir/trace"
)

// llama is a deployment of Llama-3.3-70B on 4 x A100 that scales by itself.
func llama(b *testing.B) func(replicas int) Deployment {
	b.Helper()
	spec, err := engine.Lookup("A100-80GB", "Llama-3.3-70B", 4, "")
	if err != nil {
		b.Fatal(err)
	}
	return func(replicas int) Deployment {
		return Deployment{Name: "llama-70b", Own: &Own{
			Engine: spec, GPUs: 4, Price: 14 * weir.Dollar, Initial: replicas,
			Fleet: mem.Deployment{ColdStart: 90 * time.Second, Sigma: 0.3},
			Policy: scale.Policy{Min: 1, Max: 2 * replicas, ColdStart: 90 * time.Second,
				SLO: weir.SLO{TTFT: 2 * time.Second, TPOT: 200 * time.Millisecond}},
		}}
	}
}

// code returns arrivals like those of a coding assistant: long prompts, short
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

// cpu returns the processor time used so far: the cost of a run, independent of
// the machine's other load.
func cpu(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// measure runs c until the benchmark has enough of it.
func measure(b *testing.B, c func() Config) {
	var requests uint64
	before := cpu(b)
	for b.Loop() {
		requests += run(b, c()).Arrived
	}
	used := cpu(b) - before
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	b.ReportMetric(float64(used.Nanoseconds())/float64(requests), "cpu-ns/request")
	b.ReportMetric(float64(m.HeapSys)/(1<<20), "MiB-heap")
}

// Time grows with the requests; memory does not.
func BenchmarkByRequests(b *testing.B) {
	deployment := llama(b)
	for _, hours := range []int{1, 4, 16} {
		b.Run(fmt.Sprintf("%dk", hours*36), func(b *testing.B) {
			measure(b, func() Config { return config(code(b, 10, time.Duration(hours)*time.Hour), deployment(10)) })
		})
	}
}

// A request costs about the same in a fleet of any size.
func BenchmarkByReplicas(b *testing.B) {
	deployment := llama(b)
	for _, n := range []int{4, 16, 64} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			measure(b, func() Config {
				return config(code(b, float64(n), time.Duration(64/n)*30*time.Minute), deployment(n))
			})
		})
	}
}
