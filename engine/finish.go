package engine

// finishHeap orders the decoding sequences by their last decode step, then by
// admission. It holds indices into Replica.seqs; each sequence knows its index
// in the heap.
type finishHeap []int32

func (r *Replica) heapLess(i, j int) bool {
	a, b := &r.seqs[r.finish[i]], &r.seqs[r.finish[j]]
	if a.doneAt != b.doneAt {
		return a.doneAt < b.doneAt
	}
	return a.admitted < b.admitted
}

func (r *Replica) heapSwap(i, j int) {
	h := r.finish
	h[i], h[j] = h[j], h[i]
	r.seqs[h[i]].heapAt, r.seqs[h[j]].heapAt = int32(i), int32(j)
}

func (r *Replica) heapPush(s int32) {
	r.seqs[s].heapAt = int32(len(r.finish))
	r.finish = append(r.finish, s)
	r.heapUp(len(r.finish) - 1)
}

func (r *Replica) heapRemove(i int) {
	last := len(r.finish) - 1
	r.heapSwap(i, last)
	r.seqs[r.finish[last]].heapAt = -1
	r.finish = r.finish[:last]
	if i < last {
		r.heapDown(i)
		r.heapUp(i)
	}
}

func (r *Replica) heapUp(i int) {
	for i > 0 {
		p := (i - 1) / 2
		if !r.heapLess(i, p) {
			return
		}
		r.heapSwap(i, p)
		i = p
	}
}

func (r *Replica) heapDown(i int) {
	for {
		c := 2*i + 1
		if c >= len(r.finish) {
			return
		}
		if c+1 < len(r.finish) && r.heapLess(c+1, c) {
			c++
		}
		if !r.heapLess(c, i) {
			return
		}
		r.heapSwap(i, c)
		i = c
	}
}
