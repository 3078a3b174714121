package engine

import "time"

// settle ends the current segment.
func (r *Replica) settle() {
	n := r.seg.steps
	r.lastAt = r.seg.start.add(r.seg.elapsed(n - 1)).visible()
	r.clock = r.seg.end()
	r.busy += r.seg.elapsed(n)
	r.load.GPUBusy += time.Duration(r.busy / picosPerNano)
	r.busy %= picosPerNano
	r.load.Steps += uint64(n)
	if r.seg.batch > 0 {
		r.blocks.take(r.blocksFor(r.decoded+1, n-1))
		r.decoded += n
		r.held += n * r.seg.batch
		r.load.OutputTokens += uint64(n * r.seg.batch)
	}
	r.seg.steps = 0
	at := r.clock.visible()
	for len(r.finish) > 0 && r.seqs[r.finish[0]].doneAt == r.decoded {
		r.end(r.finish[0], Event{Kind: Finished, At: at})
	}
	for _, p := range r.pieces {
		r.load.PromptTokens += uint64(p.tokens)
		if s := &r.seqs[p.seq]; s.computed == s.target {
			r.sample(p.seq)
		}
	}
	r.pieces = r.pieces[:0]
	r.sweep()
	if r.running.n+r.waiting.n == 0 {
		r.freeLeaving()
	}
}

// sample gives a sequence with a computed prompt its next token: its first, or
// the first after a preemption.
func (r *Replica) sample(i int32) {
	s := &r.seqs[i]
	at := r.clock.visible()
	if s.req.Output == 0 {
		r.end(i, Event{Kind: Finished, At: at})
		return
	}
	s.produced++
	r.load.OutputTokens++
	if s.produced == 1 && !s.gone {
		r.events = append(r.events, Event{s.req.ID, FirstToken, at, s.cached})
	}
	if s.produced == s.req.Output {
		r.end(i, Event{Kind: Finished, At: at})
		return
	}
	s.state = isDecoding
	s.doneAt = r.decoded + int64(s.req.Output-s.produced)
	s.produced -= int(r.decoded)
	r.heapPush(i)
	r.decodes++
	r.held += int64(s.target)
	r.phase[r.phaseOf(s.target)]++
}

// end removes a finished sequence from the replica.
func (r *Replica) end(i int32, e Event) {
	s := &r.seqs[i]
	if !s.gone {
		e.ID = s.req.ID
		r.events = append(r.events, e)
		delete(r.byID, s.req.ID)
	}
	r.leave(i)
}

// sweep removes sequences cancelled during the ended segment.
func (r *Replica) sweep() {
	if !r.cancelled {
		return
	}
	r.cancelled = false
	for i := r.running.head; i != none; {
		next := r.seqs[i].next
		if r.seqs[i].gone {
			r.leave(i)
		}
		i = next
	}
}

// leave removes a running sequence for good. Its room is free when the next
// step has been scheduled.
func (r *Replica) leave(i int32) {
	r.drop(i)
	r.leaving = append(r.leaving, i)
}

// freeLeaving frees the room of removed sequences.
func (r *Replica) freeLeaving() (any bool) {
	for _, i := range r.leaving {
		r.freeBlocks(i)
		r.release(i)
	}
	any = len(r.leaving) > 0
	r.leaving = r.leaving[:0]
	return any
}

// drop removes a running sequence from the batch. Its output count is then in
// produced, and its tokens with blocks in computed.
func (r *Replica) drop(i int32) {
	s := &r.seqs[i]
	if s.state == isDecoding {
		s.produced += int(r.decoded)
		s.computed = s.req.Prompt + s.produced - 1
		r.heapRemove(int(s.heapAt))
		r.decodes--
		r.held -= int64(s.computed)
		r.phase[r.phaseOf(s.computed)]--
	}
	if r.part == i {
		r.part = none
	}
	r.remove(&r.running, i)
}

// freeBlocks returns the blocks of a dropped sequence.
func (r *Replica) freeBlocks(i int32) {
	s := &r.seqs[i]
	r.blocks.give(r.blocks.of(s.computed) - s.named*r.blocks.prefix.size)
	if s.named > 0 {
		r.blocks.prefix.release(s.req.Prefix[:s.named])
	}
	s.computed, s.named = 0, 0
}
