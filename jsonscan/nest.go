package jsonscan

import "fmt"

// nest is the stack of values around the current one, one bit each: set for an object,
// clear for an array.
type nest struct {
	depth int
	bits  []uint64
}

func (n *nest) push(object bool) {
	word, bit := n.depth/64, uint64(1)<<(n.depth%64)
	if object {
		n.bits[word] |= bit
	} else {
		n.bits[word] &^= bit
	}
	n.depth++
}

func (n *nest) inObject() bool {
	top := n.depth - 1
	return n.bits[top/64]&(1<<(top%64)) != 0
}

func (n *nest) full() bool { return n.depth == 64*len(n.bits) }

// full is returned by walk when a nest has no room for another bracket.
const full = failed - 1

// nested validates an object or an array. Few nest deeper than the bits of one word;
// those are read again with room for MaxDepth.
func (s *Scanner) nested(i int) int {
	var few [1]uint64
	open, binary, binaries := nest{bits: few[:]}, s.Binary, s.Binaries
	end := s.walk(&open, i)
	if end != full {
		return end
	}
	s.Binary, s.Binaries = binary, binaries
	return s.deep(i)
}

// deep has a frame of over a kilobyte, which only a deep value pays for.
//
//go:noinline
func (s *Scanner) deep(i int) int {
	var many [MaxDepth/64 + 1]uint64
	return s.walk(&nest{bits: many[:]}, i)
}

func (s *Scanner) walk(open *nest, i int) int {
	for {
		if i = s.opened(open, i); i < 0 {
			return i
		}
		if i = s.closed(open, i); i < 0 || open.depth == 0 {
			return i
		}
	}
}

// opened descends to the next complete value: a scalar, or an empty object or array,
// which it has passed.
func (s *Scanner) opened(open *nest, i int) int {
	for i < len(s.B) && (s.B[i] == '{' || s.B[i] == '[') {
		switch {
		case open.depth >= MaxDepth-1: // the enclosing value counts as one more
			return s.fail(i, fmt.Sprintf("nesting of at most %d", MaxDepth))
		case open.full():
			return full
		}
		object := s.B[i] == '{'
		i = s.Space(i + 1)
		if i < len(s.B) && s.B[i] == "]}"[b2i(object)] {
			return i + 1
		}
		open.push(object)
		if object {
			_, after := s.key(i)
			if after < 0 {
				return after
			}
			i = s.Space(after)
		}
	}
	return s.scalar(i)
}

// closed passes the bytes after a complete value: closing brackets, then a comma and
// everything up to the next value.
func (s *Scanner) closed(open *nest, i int) int {
	for open.depth > 0 {
		i = s.Space(i)
		if i >= len(s.B) {
			return s.fail(i, "a closing bracket")
		}
		object := open.inObject()
		switch {
		case s.B[i] == "]}"[b2i(object)]:
			open.depth--
			i++
		case s.B[i] == ',' && object:
			_, after := s.key(s.Space(i + 1))
			if after < 0 {
				return after
			}
			return s.Space(after)
		case s.B[i] == ',':
			return s.Space(decimals(s.B, s.Space(i+1)))
		default:
			return s.fail(i, "a comma or a closing bracket")
		}
	}
	return i
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}
