package engine

import "math"

// Layout is the distribution of a replica over GPUs.
type Layout struct {
	TP int // tensor parallel: each matrix is split over that many GPUs; 0: 1
	// DP is the number of ranks of TP GPUs that step together, each with its
	// own sequences and KV cache, sharing one set of experts (data parallel
	// attention, expert parallel mixture). The Replica is all of them. 0: 1.
	DP int
}

func (l Layout) withDefaults() Layout { return Layout{max(1, l.TP), max(1, l.DP)} }

// GPUs returns the replica's number of GPUs.
func (l Layout) GPUs() int { l = l.withDefaults(); return l.TP * l.DP }

// busiest returns the batch of the busiest rank: sequences are spread evenly,
// but one rank computes a prompt.
func (r *Roofline) busiest(b Batch) Batch {
	if r.dp == 1 {
		return b
	}
	share := func(n int) int { return int(math.Ceil(float64(n) / r.dp)) }
	b.Decode, b.Ends = share(b.Decode), share(b.Ends)
	if b.Prefill > 0 {
		part := float64(share(b.Prompts)) / float64(b.Prompts)
		b.Prefill = int(float64(b.Prefill) * part)
		b.Pairs = int64(float64(b.Pairs) * part)
	}
	return b
}
