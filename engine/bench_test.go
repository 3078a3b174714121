package engine

import (
	"fmt"
	"testing"

	"weir"
)

func benchSpec(b *testing.B) Spec {
	b.Helper()
	s, err := Of(catalogue(b), "H100-80GB", "Llama-3.1-8B", Layout{}, Precision{})
	if err != nil {
		b.Fatal(err)
	}
	return s
}

// serve plays n requests at an even pace through one replica.
func serve(b *testing.B, r *Replica, n int, gap weir.Instant, q Request) (events int) {
	now := r.now
	for i := range n {
		now += gap
		events += len(r.Advance(now))
		q.ID = uint64(i)
		if err := r.Arrive(now, q); err != nil {
			b.Fatal(err)
		}
	}
	for r.Next() != 0 {
		events += len(r.Advance(r.Next()))
	}
	return events
}

// The cost of a request does not grow with the number decoded beside it...
func BenchmarkRequestByBatch(b *testing.B) {
	spec := benchSpec(b)
	for _, width := range []int{1, 8, 64, 512} {
		b.Run(fmt.Sprint(width), func(b *testing.B) {
			spec.MaxSeqs = width
			r := New(spec)
			b.ReportAllocs()
			b.ResetTimer()
			events := serve(b, r, b.N, 1_000_000, Request{Prompt: 500, Output: 200})
			b.ReportMetric(float64(events)/b.Elapsed().Seconds(), "events/s")
		})
	}
}

// ... nor with the length of its answer.
func BenchmarkRequestByOutput(b *testing.B) {
	spec := benchSpec(b)
	for _, output := range []int{10, 100, 1000, 10000} {
		b.Run(fmt.Sprint(output), func(b *testing.B) {
			r := New(spec)
			b.ReportAllocs()
			b.ResetTimer()
			serve(b, r, b.N, weir.Instant(output)*300_000, Request{Prompt: 500, Output: output})
		})
	}
}

// The kind of step that is computed least often is the most expensive.
func BenchmarkRooflineStep(b *testing.B) {
	s := benchSpec(b).Speed
	for b.Loop() {
		s.Step(Batch{Prefill: 1800, Prompts: 3, Pairs: 500_000, Ends: 2, Decode: 200})
	}
}
