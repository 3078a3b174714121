package upstream

import "math/bits"

// Progress is the progress of a stream, over all its events.
type Progress struct {
	Something bool      // output was produced
	begun     choiceSet // choices with output
	closed    choiceSet // choices that have a finish_reason
}

// choiceSet is a set of choices by index. OpenAI allows 128.
type choiceSet [2]uint64

func (c *choiceSet) add(index int64) { c[index>>6&1] |= 1 << (index & 63) }

// Saw records that a choice has output, or that it is complete.
func (p *Progress) Saw(index int64, produced, finished bool) {
	if produced {
		p.begun.add(index)
	}
	if finished {
		p.closed.add(index)
	}
}

// Finished is how many choices the upstream reported complete, and whether a choice has
// begun but is not complete.
func (e *Events) Finished() (n int, open bool) {
	p := &e.stream.Progress
	for i := range p.closed {
		n += bits.OnesCount64(p.closed[i])
		open = open || p.begun[i]&^p.closed[i] != 0
	}
	return n, open
}
