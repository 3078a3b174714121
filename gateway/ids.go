package gateway

import (
	"crypto/rand"
	"encoding/hex"
	"sync/atomic"
)

// idSource makes request IDs: a random half, drawn once to differ between processes,
// and a count.
type idSource struct {
	prefix string
	count  atomic.Uint64
}

func newIDSource() *idSource {
	var b [8]byte
	rand.Read(b[:]) // never fails: the runtime ends the process instead
	return &idSource{prefix: "req_" + hex.EncodeToString(b[:])}
}

func (s *idSource) next() string {
	const digits = "0123456789abcdef"
	n := s.count.Add(1)
	b := append(make([]byte, 0, 36), s.prefix...)
	for shift := 44; shift >= 0; shift -= 4 {
		b = append(b, digits[n>>shift&15])
	}
	return string(b)
}
