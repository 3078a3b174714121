package sim

import (
	"math/bits"
	"time"
)

// histogram counts durations in buckets of less than 1 % width: ten million
// requests need no more memory than ten.
type histogram struct {
	n      uint64
	micros int64 // sum
	counts []uint64
}

// subBits: 2^7 buckets per doubling.
const subBits = 7

func bucketOf(d time.Duration) int {
	v := uint64(max(d, 0))
	if v < 1<<subBits {
		return int(v)
	}
	shift := bits.Len64(v) - subBits - 1
	return (shift+1)<<subBits + int(v>>shift) - 1<<subBits
}

// middle returns the duration that represents a bucket.
func middle(bucket int) time.Duration {
	if bucket < 1<<subBits {
		return time.Duration(bucket)
	}
	shift := bucket>>subBits - 1
	low := uint64(bucket&(1<<subBits-1)+1<<subBits) << shift
	return time.Duration(low + (1<<shift)/2)
}

func (h *histogram) add(d time.Duration) {
	i := bucketOf(d)
	for len(h.counts) <= i {
		h.counts = append(h.counts, 0)
	}
	h.counts[i]++
	h.n++
	h.micros += d.Microseconds()
}

func (h *histogram) reset() {
	clear(h.counts)
	h.n, h.micros = 0, 0
}

// quantile returns the smallest duration that a share q of the values does not
// exceed; 0 without values.
func (h *histogram) quantile(q float64) time.Duration {
	if h.n == 0 {
		return 0
	}
	rank := max(1, uint64(q*float64(h.n)+0.5))
	for i, c := range h.counts {
		if rank <= c {
			return middle(i)
		}
		rank -= c
	}
	return middle(len(h.counts) - 1)
}

// Quantiles of a latency, exact to 1 %, and its mean, exact to a microsecond.
type Quantiles struct {
	Mean time.Duration `json:"mean_ns"`
	P50  time.Duration `json:"p50_ns"`
	P90  time.Duration `json:"p90_ns"`
	P99  time.Duration `json:"p99_ns"`
}

func (h *histogram) quantiles() Quantiles {
	var mean time.Duration
	if h.n > 0 {
		mean = time.Duration(h.micros/int64(h.n)) * time.Microsecond
	}
	return Quantiles{mean, h.quantile(0.5), h.quantile(0.9), h.quantile(0.99)}
}
