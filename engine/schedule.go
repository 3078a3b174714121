package engine

import (
	"time"

	"weir"
)

// maxSteps bounds a segment, so that its sums stay far inside 64 bits.
const maxSteps = 1 << 15

// begin schedules the step that begins at start, and the plain decode steps
// like it that follow. What it may know depends on when it was scheduled: with
// Async that is when the step before it began, unless there was nothing to
// schedule then.
func (r *Replica) begin(start clock) {
	known := start.visible()
	ahead := r.spec.Async && start == r.clock && r.load.Steps > 0
	if ahead {
		known = r.lastAt
	} else {
		r.freeLeaving()
	}
	batch, preempted := r.schedule(start, known)
	if ahead && batch == (Batch{}) {
		known = start.visible()
		r.freeLeaving()
		batch, preempted = r.schedule(start, known)
	}
	freed := r.freeLeaving()
	r.seg = segment{
		steps: 1,
		start: start,
		cost:  r.spec.Speed.Step(batch),
		batch: int64(r.decodes),
		kv:    r.held,
	}
	// Steps that may admit somebody are looked at one by one.
	mayAdmit := preempted || r.waiting.n > 0 && (freed || r.seqs[r.waiting.head].arrived >= known)
	if len(r.pieces) == 0 && !mayAdmit {
		most := min(r.seqs[r.finish[0]].doneAt-r.decoded, maxSteps)
		r.seg.steps = 1 + r.stepsWithin(r.decoded+1, most-1, r.blocks.room())
	}
}

// schedule fills one step.
func (r *Replica) schedule(start clock, known weir.Instant) (batch Batch, preempted bool) {
	r.pieces = r.pieces[:0]
	preempted = r.growDecodes(start)
	batch.Decode = r.decodes
	budget := r.spec.MaxBatchTokens - r.decodes
	if r.part != none {
		if r.chunkBlocks(r.part, budget) > r.blocks.room() {
			r.preempt(r.part, start)
			preempted = true
		} else {
			budget -= r.compute(r.part, budget, &batch)
		}
	}
	if !preempted {
		r.admit(known, budget, &batch)
	}
	return batch, preempted
}

// growDecodes takes the blocks the decoding sequences need for the coming
// step. While there are too few, what the prefix cache still held is gone and
// the latest admitted sequence is preempted.
func (r *Replica) growDecodes(start clock) (preempted bool) {
	for r.newBlocks(r.decoded) > r.blocks.room() {
		r.blocks.forget()
		r.preempt(r.running.tail, start)
		preempted = true
	}
	r.blocks.take(r.newBlocks(r.decoded))
	return preempted
}

// chunkBlocks is how many blocks the next chunk of a prompt takes.
func (r *Replica) chunkBlocks(i int32, budget int) int {
	s := &r.seqs[i]
	return r.blocks.of(s.computed+min(s.target-s.computed, budget)) - r.blocks.of(s.computed)
}

// preempt takes everything from a running sequence but what it has produced.
func (r *Replica) preempt(i int32, start clock) {
	s := &r.seqs[i]
	r.drop(i)
	r.freeBlocks(i)
	s.target, s.state = s.req.Prompt+s.produced, isWaiting
	r.pushFront(&r.waiting, i)
	r.waitTokens += s.target
	r.load.Preemptions++
	r.events = append(r.events, Event{s.req.ID, Preempted, start.visible()})
}

// compute schedules a chunk of a running sequence's prompt, of at most budget
// tokens. The blocks for it are there.
func (r *Replica) compute(i int32, budget int, b *Batch) int {
	s := &r.seqs[i]
	chunk := min(s.target-s.computed, budget)
	if chunk <= 0 {
		return 0
	}
	r.blocks.take(r.chunkBlocks(i, budget))
	b.Prefill += chunk
	b.Prompts++
	b.Pairs += int64(chunk)*int64(s.computed) + int64(chunk)*int64(chunk+1)/2
	s.computed += chunk
	r.nameBlocks(s)
	r.part = none
	if s.computed == s.target {
		b.Ends++
	} else {
		r.part = i
	}
	r.pieces = append(r.pieces, piece{i, chunk})
	return chunk
}

// nameBlocks makes the whole blocks of the prompt that are computed by now
// known to the prefix cache.
func (r *Replica) nameBlocks(s *sequence) {
	if r.blocks.prefix.size == 0 {
		return
	}
	whole := min(len(s.req.Prefix), min(s.computed, s.req.Prompt)/r.spec.PrefixTokens)
	for s.named < whole && r.blocks.prefix.add(s.req.Prefix[s.named]) {
		s.named++
	}
}

// admit lets waiting sequences into the batch, first come first served, while
// there is a place, budget, and room for their whole prompt.
func (r *Replica) admit(known weir.Instant, budget int, b *Batch) {
	for r.waiting.n > 0 && r.running.n+len(r.leaving) < r.spec.MaxSeqs && budget > 0 && r.part == none {
		i := r.waiting.head
		s := &r.seqs[i]
		if s.arrived >= known {
			return
		}
		hit, shared := r.cached(s)
		if r.blocks.of(s.target)-shared*r.blocks.prefix.size > r.blocks.room() {
			return
		}
		for _, name := range s.req.Prefix[:hit] {
			r.blocks.prefix.use(name)
		}
		s.named, s.computed = hit, hit*r.spec.PrefixTokens
		r.load.CachedTokens += uint64(s.computed)
		r.remove(&r.waiting, i)
		r.waitTokens -= s.target
		r.pushBack(&r.running, i)
		s.state = isPrefilling
		r.admissions++
		s.admitted = r.admissions
		budget -= r.compute(i, budget, b)
	}
}

// cached is how many leading named blocks of a sequence are in the cache, and
// how many of those are in use. The last token is always computed: without it
// there is nothing to sample from.
func (r *Replica) cached(s *sequence) (hit, shared int) {
	if r.blocks.prefix.size == 0 {
		return 0, 0
	}
	whole := min(len(s.req.Prefix), min(s.req.Prompt, s.target-1)/r.spec.PrefixTokens)
	return r.blocks.prefix.hits(s.req.Prefix[:whole])
}

// settle ends the segment under way.
func (r *Replica) settle() {
	n := r.seg.steps
	r.lastAt = r.seg.start.add(r.seg.elapsed(n - 1)).visible()
	r.clock = r.seg.end()
	r.busy += r.seg.elapsed(n)
	r.load.GPUBusy += time.Duration(r.busy / picosPerNano)
	r.busy %= picosPerNano
	r.blocks.take(r.blocksFor(r.decoded+1, n-1))
	r.decoded += n
	r.held += n * int64(r.decodes)
	r.load.Steps += uint64(n)
	r.load.OutputTokens += uint64(n) * uint64(r.decodes)
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

// sample gives a sequence whose prompt is computed its next token: its first,
// or the first after a preemption.
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
		r.events = append(r.events, Event{s.req.ID, FirstToken, at})
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

// end takes a sequence that is done out of the replica.
func (r *Replica) end(i int32, e Event) {
	s := &r.seqs[i]
	if !s.gone {
		e.ID = s.req.ID
		r.events = append(r.events, e)
		delete(r.byID, s.req.ID)
	}
	r.leave(i)
}

// sweep takes out what was cancelled during the segment that ended.
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

// leave takes a running sequence out, for good. Its room is free when the next
// step has been scheduled.
func (r *Replica) leave(i int32) {
	r.drop(i)
	r.leaving = append(r.leaving, i)
}

// freeLeaving frees the room of the sequences that have left.
func (r *Replica) freeLeaving() (any bool) {
	for _, i := range r.leaving {
		r.freeBlocks(i)
		r.release(i)
	}
	any = len(r.leaving) > 0
	r.leaving = r.leaving[:0]
	return any
}

// drop takes a running sequence out of the batch. What it has produced is then
// in produced, and the tokens it has blocks for in computed.
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

// freeBlocks gives back the blocks of a dropped sequence.
func (r *Replica) freeBlocks(i int32) {
	s := &r.seqs[i]
	r.blocks.give(r.blocks.of(s.computed) - s.named*r.blocks.prefix.size)
	if s.named > 0 {
		r.blocks.prefix.release(s.req.Prefix[:s.named])
	}
	s.computed, s.named = 0, 0
}
