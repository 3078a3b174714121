package main

import (
	"container/list"
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"weir"
	"weir/cache"
	"weir/cache/memory"
)

// zipf compares the hit ratio of Weir's store with those of published policies, on independent
// requests whose prompts follow Zipf's law. The bound is the best that any policy can do that does not see the future: it
// knows how popular each prompt is, and keeps the most popular ones.
func zipf() {
	const prompts, requests, body = 100_000, 1_000_000, 1000
	fmt.Printf("hit ratio, %d requests for %d prompts\n", requests, prompts)
	for _, skew := range []float64{0.8, 1.0} {
		for _, share := range []int{1, 10} { // of the prompts that fit, %
			fits := prompts * share / 100
			trace := draw(prompts, requests, skew)
			have, best, lru := stored(trace, fits, body), top(trace, fits), leastRecent(trace, fits)
			fmt.Printf("  Zipf %.1f, %2d %% fit: weir %.1f %%, W-TinyLFU %.1f %%, S3-FIFO %.1f %%, SIEVE %.1f %%, LRU %.1f %%, best possible %.1f %%\n", skew, share, 100*have,
				100*ratio(trace, newTinyLFU(fits)), 100*ratio(trace, newS3FIFO(fits)), 100*ratio(trace, newSieve(fits)), 100*lru, 100*best)
		}
	}
}

func draw(prompts, n int, skew float64) []int32 {
	sums := make([]float64, prompts)
	sum := 0.0
	for i := range sums {
		sum += 1 / math.Pow(float64(i+1), skew)
		sums[i] = sum
	}
	r := rand.New(rand.NewPCG(1, 2))
	trace := make([]int32, n)
	for i := range trace {
		at, _ := slices.BinarySearch(sums, r.Float64()*sum)
		trace[i] = int32(at)
	}
	return trace
}

// warm is the part of a trace that is not counted.
func warm(trace []int32) int { return len(trace) / 2 }

func stored(trace []int32, fits, body int) float64 {
	entry := (&cache.Entry{Body: make([]byte, body), Stored: weir.At(time.Now()), TTL: time.Hour}).Ready()
	s := memory.New(memory.Options{Bytes: int64(fits * entry.Size())}, nil)
	defer s.Close()
	now, hits := entry.Stored, 0
	for i, p := range trace {
		k := cache.KeyOf(&cache.Scope{}, fmt.Append(nil, p))
		if s.Get(context.Background(), k, now) == nil {
			s.Put(k, entry)
		} else if i >= warm(trace) {
			hits++
		}
	}
	return float64(hits) / float64(len(trace)-warm(trace))
}

func top(trace []int32, fits int) float64 {
	hits := 0
	for _, p := range trace[warm(trace):] {
		if int(p) < fits { // prompts are numbered by how popular they are
			hits++
		}
	}
	return float64(hits) / float64(len(trace)-warm(trace))
}

func leastRecent(trace []int32, fits int) float64 {
	order, at, hits := list.New(), map[int32]*list.Element{}, 0
	for i, p := range trace {
		if e := at[p]; e != nil {
			order.MoveToFront(e)
			if i >= warm(trace) {
				hits++
			}
			continue
		}
		at[p] = order.PushFront(p)
		if order.Len() > fits {
			delete(at, order.Remove(order.Back()).(int32))
		}
	}
	return float64(hits) / float64(len(trace)-warm(trace))
}
