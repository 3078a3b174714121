package engine

import "weir"

// Tokens returns how many output tokens the request has produced by now; 0 if
// the replica does not hold it.
func (r *Replica) Tokens(now weir.Instant, id uint64) int {
	r.run(now)
	i, ok := r.byID[id]
	if !ok {
		return 0
	}
	s := &r.seqs[i]
	if s.state != isDecoding {
		return s.produced
	}
	n := s.produced + int(r.decoded)
	if r.seg.steps > 0 {
		n += int(r.seg.stepAt(now) - 1)
	}
	return n
}

// NextToken returns when the current step will give the request its next output
// token, as of the last time passed. 0: that step gives it none (it waits,
// pauses, or its prompt needs further steps); ask again at Next.
func (r *Replica) NextToken(id uint64) weir.Instant {
	i, ok := r.byID[id]
	if !ok || r.seg.steps == 0 {
		return 0
	}
	s := &r.seqs[i]
	switch s.state {
	case isWaiting:
		return 0
	case isPrefilling:
		if s.req.Output == 0 || i == r.part {
			return 0
		}
	case isDecoding:
		if r.seg.batch == 0 {
			return 0
		}
	}
	return r.seg.start.add(r.seg.elapsed(r.seg.stepAt(r.now))).visible()
}

// Load returns the replica's content as of the last time passed.
func (r *Replica) Load() Load {
	l := r.load
	l.Running, l.Waiting = r.running.n, r.waiting.n
	l.WaitingTokens = r.waitTokens
	l.KVTokens = r.blocks.total * r.blocks.tokens
	used := r.blocks.used()
	if n := r.seg.steps; n > 0 {
		done := r.seg.stepAt(r.now) - 1
		used += r.blocksFor(r.decoded+1, done)
		l.Steps += uint64(done)
		l.OutputTokens += uint64(done * r.seg.batch)
		l.GPUBusy += (r.busy + r.seg.elapsed(done)).Duration()
	}
	l.KVUsedTokens = used * r.blocks.tokens
	return l
}
