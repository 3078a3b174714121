package gateway

import (
	"weir/jsonscan"
	"weir/upstream"
)

// quoteJSON appends s as a JSON string.
func quoteJSON(dst []byte, s string) []byte { return append(dst, jsonscan.Quoted(s)...) }

// forDialect is the problem in the form that a dialect words.
func (p *problem) forDialect(a answer) *upstream.Problem {
	return &upstream.Problem{Status: a.status, Reason: answers[p.is].code, Code: a.code, Kind: a.kind, Message: p.Error(), Param: p.param}
}

// errorBody is an error in the caller's protocol.
func (s *surface) errorBody(p *problem, a answer) []byte {
	return s.dialect.Error(make([]byte, 0, 256), p.forDialect(a))
}

// errorEvent is the last event of a stream that could not be finished. sequence is the
// number of events before it.
func (s *surface) errorEvent(p *problem, a answer, sequence int) []byte {
	return s.do.Last(s.dialect, p.forDialect(a), sequence)
}
