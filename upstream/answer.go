package upstream

import (
	"bytes"

	"weir"
	"weir/jsonscan"
)

// Answer is what a whole answer that is not streamed holds. The zero value is
// one that is no JSON object: cut, empty, a proxy's page.
type Answer struct {
	Object   bool // it is one JSON object
	Whole    bool // it has what its operation promises
	Parts    int  // choices, vectors, items of output, blocks of content
	Usage    weir.Usage
	HasUsage bool // it states its usage
}

// Says passes a value and says whether it tells anything: not null, false or a
// number, and neither empty.
func Says(s *jsonscan.Cursor) bool {
	if s.Peek() == 't' {
		s.Skip()
		return true
	}
	return s.HasContent()
}

// Fails passes the value of a member error and says whether it tells of one. null,
// false, 0 and what is empty tell of none, nor does an object of such members.
func Fails(s *jsonscan.Cursor) (fails bool) {
	if s.Peek() != '{' {
		return tells(s)
	}
	for first, in := true, s.Open('{'); in && s.Next('}', first); first = false {
		s.Key()
		fails = tells(s) || fails
	}
	return fails
}

// tells is Says of a value whose number tells something too, unless it is 0.
func tells(s *jsonscan.Cursor) bool {
	c := s.Peek()
	if c != '-' && (c < '0' || c > '9') {
		return Says(s)
	}
	return bytes.ContainsAny(s.Raw(), "123456789")
}
