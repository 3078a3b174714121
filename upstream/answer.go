package upstream

import (
	"bytes"

	"weir"
	"weir/jsonscan"
)

// Answer is the content of a whole answer that is not streamed. The zero value is a
// body that is no JSON object: cut, empty, a proxy's page.
type Answer struct {
	Object   bool // it is one JSON object
	Whole    bool // it has everything that its operation promises
	Parts    int  // choices, vectors, items of output, blocks of content
	Usage    weir.Usage
	HasUsage bool // it states its usage
}

// Says passes a value and says whether it has content: a non-empty string, list or
// object, or true.
func Says(s *jsonscan.Cursor) bool {
	if s.Peek() == 't' {
		s.Skip()
		return true
	}
	return s.HasContent()
}

// Fails passes the value of a member error and says whether it reports one. null,
// false, 0 and empty values report none, nor does an object of only such members.
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

// tells is Says, but a number other than 0 also counts as content.
func tells(s *jsonscan.Cursor) bool {
	c := s.Peek()
	if c != '-' && (c < '0' || c > '9') {
		return Says(s)
	}
	return bytes.ContainsAny(s.Raw(), "123456789")
}
