package engine

import "weir"

func (r *stepper) schedule(now, known weir.Instant) (decoding, pieces []*stepSeq, batch Batch, kv int) {
	if r.spec.PrefillFirst {
		if pieces, batch = r.prefillAlone(now, known); len(pieces) > 0 {
			return nil, pieces, batch, 0
		}
	}
	preempted := false
	budget := r.spec.MaxBatchTokens
	for i := 0; i < len(r.running); i++ {
		s := r.running[i]
		if s.decoding {
			held := s.req.Prompt + s.produced - 1
			if !r.grow(s, held+1, now, &preempted) {
				break
			}
			decoding = append(decoding, s)
			kv += held
			budget--
			continue
		}
		if chunk := min(s.target-s.computed, budget); r.grow(s, s.computed+chunk, now, &preempted) {
			pieces = append(pieces, r.prefill(s, chunk, &batch))
			budget -= chunk
		}
	}
	if !preempted {
		pieces = append(pieces, r.admit(now, known, budget, &batch)...)
	}
	batch.Decode = len(decoding)
	if len(pieces) > 0 {
		batch.Held = int64(kv)
	}
	return decoding, pieces, batch, kv
}

// prefillAlone computes prompts in a step of their own.
func (r *stepper) prefillAlone(now, known weir.Instant) (pieces []*stepSeq, batch Batch) {
	budget := r.spec.MaxBatchTokens
	for _, s := range r.running {
		if s.decoding {
			continue
		}
		chunk := min(s.target-s.computed, budget)
		blocks := (s.computed + chunk + r.spec.BlockTokens - 1) / r.spec.BlockTokens
		if blocks-s.blocks > r.room() {
			return nil, batch
		}
		r.grow(s, s.computed+chunk, now, new(bool))
		pieces = append(pieces, r.prefill(s, chunk, &batch))
		budget -= chunk
		if s.computed < s.target {
			return pieces, batch
		}
	}
	return append(pieces, r.admit(now, known, budget, &batch)...), batch
}

// admit takes waiting sequences into the batch.
func (r *stepper) admit(now, known weir.Instant, budget int, batch *Batch) (pieces []*stepSeq) {
	for len(r.waiting) > 0 && len(r.running)+len(r.leaving) < r.spec.MaxSeqs && budget > 0 {
		s := r.waiting[0]
		if s.arrived >= known || !r.fits(s) {
			break
		}
		r.waiting = r.waiting[1:]
		r.running = append(r.running, s)
		chunk := min(s.target-s.computed, budget)
		if !r.grow(s, s.computed+chunk, now, new(bool)) {
			panic("admitted without room")
		}
		pieces = append(pieces, r.prefill(s, chunk, batch))
		budget -= chunk
		if s.computed < s.target {
			break
		}
	}
	return pieces
}
