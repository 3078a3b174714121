package upstream

import "math/bits"

// Progress is how far a stream has come, over all its events.
type Progress struct {
	Something bool      // something was produced
	begun     choiceSet // choices that something was produced of
	closed    choiceSet // choices that have a finish_reason
}

// choiceSet is the choices of a stream by their index. OpenAI allows 128.
type choiceSet [2]uint64

func (c *choiceSet) add(index int64) { c[index>>6&1] |= 1 << (index & 63) }

// Saw notes of a choice that something was produced of it, or that it is complete.
func (p *Progress) Saw(index int64, produced, finished bool) {
	if produced {
		p.begun.add(index)
	}
	if finished {
		p.closed.add(index)
	}
}

// Finished is how many choices of a stream the upstream has said to be complete,
// and whether one has begun that is not.
func (e *Events) Finished() (n int, open bool) {
	p := &e.stream.Progress
	for i := range p.closed {
		n += bits.OnesCount64(p.closed[i])
		open = open || p.begun[i]&^p.closed[i] != 0
	}
	return n, open
}
