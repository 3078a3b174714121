package engine

import "weir"

// maxSteps bounds a segment. Its sums stay far inside 64 bits.
const maxSteps = 1 << 15

// begin schedules the step that begins at start, and the equal plain decode
// steps after it. Its known arrivals depend on the time of scheduling: with
// Async that is the start of the previous step, unless there was nothing to
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
	r.seg = segment{steps: 1, start: start, cost: r.cost(batch)}
	if batch.Decode > 0 {
		r.seg.batch, r.seg.kv = int64(r.decodes), r.held
	}
	// Steps that may admit a sequence are scheduled one by one.
	mayAdmit := preempted || r.waiting.n > 0 && (freed || r.seqs[r.waiting.head].arrived >= known)
	if len(r.pieces) == 0 && !mayAdmit {
		most := min(r.seqs[r.finish[0]].doneAt-r.decoded, maxSteps)
		r.seg.steps = 1 + r.stepsWithin(r.decoded+1, most-1, r.blocks.room())
	}
}

// cost returns a step's time, including the host's part.
func (r *Replica) cost(b Batch) Cost {
	c := r.spec.Speed.Step(b)
	c.Fixed += Picoseconds(r.spec.SeqHost) * picosPerNano * Picoseconds(b.Decode+b.Prompts)
	return c
}

// schedule fills one step.
func (r *Replica) schedule(start clock, known weir.Instant) (batch Batch, preempted bool) {
	r.pieces = r.pieces[:0]
	if r.spec.PrefillFirst {
		if r.prefillAlone(known, &batch); batch.Prefill > 0 {
			return batch, false
		}
	}
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
	if batch.Prefill > 0 {
		batch.Held = r.held
	}
	return batch, preempted
}

// prefillAlone fills a step with prompts, if any fit.
func (r *Replica) prefillAlone(known weir.Instant, b *Batch) {
	budget := r.spec.MaxBatchTokens
	if r.part != none && r.chunkBlocks(r.part, budget) <= r.blocks.room() {
		budget -= r.compute(r.part, budget, b)
	}
	r.admit(known, budget, b)
}

// growDecodes takes the blocks that the decoding sequences need for the coming
// step. If there are too few, the prefix cache's idle blocks are forgotten and
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

// chunkBlocks returns how many blocks the next chunk of a prompt takes.
func (r *Replica) chunkBlocks(i int32, budget int) int {
	s := &r.seqs[i]
	return r.blocks.of(s.computed+min(s.target-s.computed, budget)) - r.blocks.of(s.computed)
}

// preempt takes everything from a running sequence except its output.
func (r *Replica) preempt(i int32, start clock) {
	s := &r.seqs[i]
	r.drop(i)
	r.freeBlocks(i)
	s.target, s.state = s.req.Prompt+s.produced, isWaiting
	r.pushFront(&r.waiting, i)
	r.waitTokens += s.target
	r.load.Preemptions++
	r.events = append(r.events, Event{ID: s.req.ID, Kind: Preempted, At: start.visible()})
}

// compute schedules a chunk of a running sequence's prompt, at most budget
// tokens. Its blocks are available.
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

// nameBlocks adds the computed whole blocks of the prompt to the prefix cache.
func (r *Replica) nameBlocks(s *sequence) {
	if r.blocks.prefix.size == 0 {
		return
	}
	whole := min(len(s.req.Prefix), min(s.computed, s.req.Prompt)/r.spec.PrefixTokens)
	for s.named < whole && r.blocks.prefix.add(s.req.Prefix[s.named]) {
		s.named++
	}
}

// admit admits waiting sequences to the batch, first come first served, while
// there is a slot, budget, and room for their whole prompt.
func (r *Replica) admit(known weir.Instant, budget int, b *Batch) {
	for r.waiting.n > 0 && r.running.n+len(r.leaving) < r.spec.MaxSeqs && budget > 0 && r.part == none {
		i := r.waiting.head
		s := &r.seqs[i]
		if s.arrived >= known {
			return
		}
		hit, shared := r.cached(s)
		if r.blocks.of(s.target)-shared*r.blocks.prefix.size > r.blocks.room()-r.reserve() {
			return
		}
		for _, name := range s.req.Prefix[:hit] {
			r.blocks.prefix.use(name)
		}
		s.named, s.computed = hit, hit*r.spec.PrefixTokens
		s.cached = s.computed
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

// reserve returns the room that a waiting sequence must leave: with
// PrefillFirst, the need of the decoding sequences in the next steps. Otherwise
// a sequence preempted for them would return, be computed again and preempted
// again.
func (r *Replica) reserve() int {
	if !r.spec.PrefillFirst {
		return 0
	}
	return r.decodes * (1 + reservedSteps/r.blocks.tokens)
}

// reservedSteps is the number of decode steps for which SGLang keeps room after
// a preemption (scheduler.py, retract_decode_steps).
const reservedSteps = 20

// cached returns how many leading named blocks of a sequence are in the cache,
// and how many of those are in use. The last token is always computed: without
// it there is nothing to sample from.
func (r *Replica) cached(s *sequence) (hit, shared int) {
	if r.blocks.prefix.size == 0 {
		return 0, 0
	}
	whole := min(len(s.req.Prefix), min(s.req.Prompt, s.target-1)/r.spec.PrefixTokens)
	return r.blocks.prefix.hits(s.req.Prefix[:whole])
}
