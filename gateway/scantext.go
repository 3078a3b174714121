package gateway

import (
	"encoding/binary"
	"math/bits"
)

// str validates the string whose opening quote is b[i] and returns the index
// after its closing one.
func (s *scanner) str(i int) (int, error) {
	from := i + 1
	for i = from; ; {
		i = plain(s.b, i)
		if i >= len(s.b) {
			return 0, &syntaxError{i, "the end of a string"}
		}
		switch s.b[i] {
		case '"':
			if i-from >= binaryAtLeast && looksBinary(s.b[from:i]) {
				s.binary += i - from
				s.binaries++
			}
			return i + 1, nil
		case '\\':
			n := escapeLen(s.b[i:])
			if n == 0 {
				return 0, &syntaxError{i, "an escape sequence"}
			}
			i += n
		default:
			return 0, &syntaxError{i, "a string without control characters"}
		}
	}
}

// plain returns the index of the first byte from i on that is a quote, a
// backslash or a control character, eight bytes at a time: strings are most of
// what a prompt is.
func plain(b []byte, i int) int {
	const ones, tops = 0x0101010101010101, 0x8080808080808080
	for ; i+8 <= len(b); i += 8 {
		x := binary.LittleEndian.Uint64(b[i:])
		quote, slash := x^(ones*'"'), x^(ones*'\\')
		// Of each term the lowest bit set is exact; those above it may be
		// false after a borrow, which does not matter.
		hit := ((quote-ones)&^quote | (slash-ones)&^slash | (x-ones*0x20)&^x) & tops
		if hit != 0 {
			return i + bits.TrailingZeros64(hit)/8
		}
	}
	for ; i < len(b); i++ {
		if c := b[i]; c == '"' || c == '\\' || c < 0x20 {
			return i
		}
	}
	return i
}

// escapeLen is the length of the escape sequence b begins with, 0 if it is none.
func escapeLen(b []byte) int {
	if len(b) < 2 {
		return 0
	}
	switch b[1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return 2
	case 'u':
		if len(b) < 6 {
			return 0
		}
		for _, c := range b[2:6] {
			if (c < '0' || c > '9') && (c|0x20 < 'a' || c|0x20 > 'f') {
				return 0
			}
		}
		return 6
	}
	return 0
}

// binaryAtLeast is the length from which a string is looked at for base64.
const binaryAtLeast = 4096

// looksBinary says whether a long string is a picture or a sound and not text:
// a data URI, or nothing but the letters of base64 for 512 bytes, which no
// text of any script is.
func looksBinary(b []byte) bool {
	if len(b) > 5 && string(b[:5]) == "data:" {
		return true
	}
	for _, c := range b[:min(512, len(b))] {
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
		if !letter && c != '+' && c != '/' && c != '-' && c != '_' && c != '=' {
			return false
		}
	}
	return true
}
