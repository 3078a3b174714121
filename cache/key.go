package cache

import (
	"crypto/sha256"
	"encoding/binary"
	"hash"
	"strings"

	"weir"
)

// keyVersion changes when the same request would get another key or another entry: then
// entries of older releases are not found.
const keyVersion = 1

// Key is a request's identity: requests with the same key may get the same answer.
type Key [sha256.Size]byte

// Scope is what a key has besides the body.
type Scope struct {
	Tenant    string // "": the entry is shared by all tenants
	Namespace string // as the caller names it; "": none
	Model     string // its own name, not an alias
	Version   string // of the model, as configured
	Op        weir.Op
	// Headers are the values of the headers that change answers, always in the same order.
	Headers []string
}

// KeyOf is the key of a request with this canonical body.
func KeyOf(s *Scope, canonical []byte) (k Key) {
	h := sha256.New()
	var room [64]byte
	h.Write(append(room[:0], keyVersion, byte(s.Op)))
	for _, part := range [...]string{s.Tenant, s.Namespace, s.Model, s.Version} {
		writePart(h, room[:0], part)
	}
	h.Write(binary.AppendUvarint(room[:0], uint64(len(s.Headers))))
	for _, v := range s.Headers {
		writePart(h, room[:0], v)
	}
	h.Write(canonical)
	h.Sum(k[:0])
	return k
}

// writePart writes a text with its length before it: no two lists of parts are written
// alike.
func writePart(h hash.Hash, room []byte, part string) {
	room = binary.AppendUvarint(room, uint64(len(part)))
	h.Write(append(room, part...))
}

// MaxName bounds a namespace and a tag, in bytes.
const MaxName = 128

// MaxTags bounds the tags of one answer.
const MaxTags = 8

// Names splits a header that lists tags by commas. ok is false if there are too many, or
// one that is longer than MaxName or has other characters than letters, digits and
// . _ - : / =.
func Names(list string) (names []string, ok bool) {
	for name := range strings.SplitSeq(list, ",") {
		if name = strings.TrimSpace(name); name == "" {
			continue
		}
		if !Named(name) || len(names) >= MaxTags {
			return nil, false
		}
		names = append(names, name)
	}
	return names, true
}

// Named says whether a text can be a namespace or a tag.
func Named(name string) bool {
	if len(name) > MaxName {
		return false
	}
	for i := range len(name) {
		c := name[i]
		if c|0x20 < 'a' || c|0x20 > 'z' {
			if (c < '0' || c > '9') && strings.IndexByte("._-:/=", c) < 0 {
				return false
			}
		}
	}
	return true
}
