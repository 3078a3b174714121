package engine

import (
	"slices"

	"weir"
)

// stepper is a plain implementation of the replica: one step at a time, a block
// table per sequence, everything in slices. It is the reference for Replica,
// which jumps.
type stepper struct {
	spec    Spec
	ready   weir.Instant
	clock   clock
	running []*stepSeq
	waiting []*stepSeq
	free    int
	last    weir.Instant // start of the previous step
	begun   bool
	leaving []*stepSeq
	cache   []*stepBlock // named blocks, those without users in order of release
	events  []Event
}

type stepSeq struct {
	req      Request
	arrived  weir.Instant
	produced int
	computed int
	cached   int
	target   int
	blocks   int
	named    []*stepBlock
	decoding bool
}

type stepBlock struct {
	name  uint64
	users int
}

func newStepper(s Spec) *stepper {
	s = s.withDefaults()
	return &stepper{spec: s, free: s.KVTokens / s.BlockTokens}
}

// playUntil runs whole steps that begin at or before the limit and returns when
// the current one ends.
func (r *stepper) playUntil(limit weir.Instant) {
	for {
		at := r.clock
		if at.visible() < r.ready {
			at = clock{at: r.ready}
		}
		if len(r.running) == 0 {
			if len(r.waiting) == 0 {
				return
			}
			if seen := r.waiting[0].arrived + 1; at.visible() < seen {
				at = clock{at: seen}
			}
		}
		if at.visible() > limit {
			return
		}
		r.step(at)
	}
}

// cancel forgets a request. A step is computed at its start: its events after
// the cancellation are removed.
func (r *stepper) cancel(now weir.Instant, id uint64) {
	r.events = slices.DeleteFunc(r.events, func(e Event) bool { return e.ID == id && e.At > now })
	same := func(s *stepSeq) bool { return s.req.ID == id }
	r.waiting = slices.DeleteFunc(r.waiting, same)
	if i := slices.IndexFunc(r.running, same); i >= 0 {
		r.leave(r.running[i])
	}
}

func (r *stepper) per() int { return r.spec.PrefixTokens / r.spec.BlockTokens }

func (r *stepper) room() int {
	n := r.free
	for _, b := range r.cache {
		if b.users == 0 {
			n += r.per()
		}
	}
	return n
}

func (r *stepper) take(n int) {
	for r.free < n {
		i := slices.IndexFunc(r.cache, func(b *stepBlock) bool { return b.users == 0 })
		r.cache = slices.Delete(r.cache, i, i+1)
		r.free += r.per()
	}
	r.free -= n
}

// grow gives a sequence blocks for that many tokens, preempting from the back;
// false when it was itself preempted.
func (r *stepper) grow(s *stepSeq, tokens int, at weir.Instant, preempted *bool) bool {
	need := (tokens+r.spec.BlockTokens-1)/r.spec.BlockTokens - s.blocks
	for need > r.room() {
		last := r.running[len(r.running)-1]
		r.drop(last)
		last.target, last.computed, last.decoding = last.req.Prompt+last.produced, 0, false
		r.waiting = slices.Insert(r.waiting, 0, last)
		r.events = append(r.events, Event{ID: last.req.ID, Kind: Preempted, At: at})
		*preempted = true
		if last == s {
			return false
		}
	}
	r.take(need)
	s.blocks += need
	return true
}

// leave takes a sequence out of the batch; its blocks stay until let.
func (r *stepper) leave(s *stepSeq) {
	r.running = slices.DeleteFunc(r.running, func(o *stepSeq) bool { return o == s })
	r.leaving = append(r.leaving, s)
}

func (r *stepper) let() {
	for _, s := range r.leaving {
		r.drop(s)
	}
	r.leaving = nil
}

func (r *stepper) drop(s *stepSeq) {
	r.running = slices.DeleteFunc(r.running, func(o *stepSeq) bool { return o == s })
	r.free += s.blocks - len(s.named)*r.per()
	for _, b := range slices.Backward(s.named) {
		if b.users--; b.users == 0 {
			i := slices.Index(r.cache, b)
			r.cache = append(slices.Delete(r.cache, i, i+1), b)
		}
	}
	s.blocks, s.named = 0, nil
}

// step schedules and runs one step. With pipelining it was scheduled when the
// previous one began, unless there was nothing to schedule.
func (r *stepper) step(at clock) {
	known := at.visible()
	ahead := r.spec.Async && r.begun && at == r.clock
	if ahead {
		known = r.last
	} else {
		r.let()
	}
	decoding, pieces, batch, kv := r.schedule(at.visible(), known)
	if ahead && len(decoding)+len(pieces) == 0 {
		r.let()
		decoding, pieces, batch, kv = r.schedule(at.visible(), at.visible())
	}
	r.let()
	r.last, r.begun = at.visible(), true
	host := Picoseconds(r.spec.SeqHost) * 1000 * Picoseconds(len(decoding)+len(pieces))
	r.clock = at.add(r.spec.Speed.Step(batch).Of(kv) + host)
	r.finishStep(decoding, pieces)
}

// fits reserves the cached prefix of a waiting sequence when all of it fits.
func (r *stepper) fits(s *stepSeq) bool {
	var hit []*stepBlock
	if r.spec.PrefixCache {
		for k := 0; k < len(s.req.Prefix) && (k+1)*r.spec.PrefixTokens <= min(s.req.Prompt, s.target-1); k++ {
			i := slices.IndexFunc(r.cache, func(b *stepBlock) bool { return b.name == s.req.Prefix[k] })
			if i < 0 {
				break
			}
			hit = append(hit, r.cache[i])
		}
	}
	need := (s.target + r.spec.BlockTokens - 1) / r.spec.BlockTokens
	for _, b := range hit {
		if b.users > 0 {
			need -= r.per()
		}
	}
	if r.spec.PrefillFirst {
		for _, o := range r.running {
			if o.decoding {
				need += 1 + reservedSteps/r.spec.BlockTokens
			}
		}
	}
	if need > r.room() {
		return false
	}
	for _, b := range hit {
		b.users++
	}
	s.named, s.blocks, s.computed = hit, len(hit)*r.per(), len(hit)*r.spec.PrefixTokens
	s.cached = s.computed
	return true
}

func (r *stepper) prefill(s *stepSeq, chunk int, b *Batch) *stepSeq {
	b.Prompts++
	for range chunk {
		s.computed++
		b.Prefill++
		b.Pairs += int64(s.computed)
	}
	if s.computed == s.target {
		b.Ends++
	}
	if !r.spec.PrefixCache {
		return s
	}
	for k := len(s.named); k < len(s.req.Prefix) && (k+1)*r.spec.PrefixTokens <= min(s.computed, s.req.Prompt); k++ {
		if slices.ContainsFunc(r.cache, func(b *stepBlock) bool { return b.name == s.req.Prefix[k] }) {
			break
		}
		block := &stepBlock{s.req.Prefix[k], 1}
		r.cache = append(r.cache, block)
		s.named = append(s.named, block)
	}
	return s
}

func (r *stepper) finishStep(decoding, pieces []*stepSeq) {
	at := r.clock.visible()
	emit := func(s *stepSeq, k EventKind) {
		e := Event{ID: s.req.ID, Kind: k, At: at}
		if k == FirstToken {
			e.Cached = s.cached
		}
		r.events = append(r.events, e)
	}
	token := func(s *stepSeq) {
		if s.req.Output > 0 {
			s.produced++
		}
		if s.produced == 1 && !s.decoding {
			emit(s, FirstToken)
		}
		if s.produced == s.req.Output {
			emit(s, Finished)
			r.leave(s)
		}
		s.decoding = true
	}
	for _, s := range decoding {
		token(s)
	}
	for _, s := range pieces {
		if s.computed == s.target && slices.Contains(r.running, s) {
			token(s)
		}
	}
}
