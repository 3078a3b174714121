package jsonscan

import (
	"bytes"
	"encoding/binary"
	"math/bits"
	"unicode/utf8"
)

// str validates the string whose opening quote is B[i] and returns the index
// after its closing one.
func (s *Scanner) str(i int) int {
	from, escaped := i+1, false
	for i = from; ; {
		i = plain(s.B, i)
		if i >= len(s.B) {
			return s.fail(i, "the end of a string")
		}
		switch s.B[i] {
		case '"':
			if n := i - from; n >= binaryAtLeast {
				s.weigh(from, i)
			} else if s.Look != nil && n <= maxHidden {
				s.Seen |= s.Look.in(s.B[from:i], escaped)
			}
			return i + 1
		case '\\':
			s.escaped, escaped = true, true
			n := escapeLen(s.B[i:])
			if n == 0 {
				return s.fail(i, "an escape sequence")
			}
			i += n
		default:
			return s.fail(i, "a string without control characters")
		}
	}
}

const ones, tops = 0x0101010101010101, 0x8080808080808080

// weigh counts a long string that looks like base64.
func (s *Scanner) weigh(from, to int) {
	if looksBinary(s.B[from:to]) {
		s.Binary += to - from
		s.Binaries++
	}
}

// special marks the quotes, backslashes and control characters of eight bytes, each by
// the top bit of its byte. The lowest mark is exact; higher ones may be false after a
// borrow, but only where a lower one is true.
func special(x uint64) uint64 {
	low, slash := x^(ones*2), x^(ones*'\\') // with bit 1 turned, a quote follows directly on the control characters
	return ((low-ones*0x21)&^low | (slash-ones)&^slash) & tops
}

// plain returns the index of the first quote, backslash or control character at or
// after i. It reads eight bytes at a time, because strings are most of a prompt. Names
// and short values end within the first steps; after those it looks at 32 bytes before
// it decides.
func plain(b []byte, i int) int {
	for short := i + 32; i+8 <= len(b); i += 8 {
		if m := special(binary.LittleEndian.Uint64(b[i:])); m != 0 {
			return i + bits.TrailingZeros64(m)/8
		}
		if i == short {
			i = long(b, i+8) - 8
		}
	}
	return plainTail(b, i)
}

// plainTail is plain where fewer than eight bytes are left.
func plainTail(b []byte, i int) int {
	for ; i < len(b); i++ {
		if c := b[i]; c == '"' || c == '\\' || c < 0x20 {
			return i
		}
	}
	return i
}

// long passes blocks of 32 bytes without a special one.
func long(b []byte, i int) int {
	for ; i+32 <= len(b); i += 32 {
		w := (*[32]byte)(b[i:])
		if special(binary.LittleEndian.Uint64(w[:]))|special(binary.LittleEndian.Uint64(w[8:]))|
			special(binary.LittleEndian.Uint64(w[16:]))|special(binary.LittleEndian.Uint64(w[24:])) != 0 {
			break
		}
	}
	return i
}

// escapeLen is the length of the escape sequence at the start of b, 0 if there is none.
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
			if _, ok := hex(c); !ok {
				return 0
			}
		}
		return 6
	}
	return 0
}

// binaryAtLeast is the least length of a string that is checked for base64.
const binaryAtLeast = 4096

// looksBinary says whether a long string is a picture or a sound, not text: a data URI,
// or only base64 characters for 512 bytes, which no text in any script has.
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

// Unescaped decodes inside, the validated text between a string's quotes. Without
// escapes, as nearly always, it returns inside itself.
func Unescaped(inside []byte) []byte {
	if bytes.IndexByte(inside, '\\') < 0 {
		return inside
	}
	return AppendUnescaped(make([]byte, 0, len(inside)), inside)
}

// AppendUnescaped appends the decoded text of inside, the validated text between a
// string's quotes. Half a surrogate pair becomes U+FFFD, as in encoding/json.
func AppendUnescaped(dst, inside []byte) []byte {
	for i := 0; i < len(inside); i++ {
		if inside[i] != '\\' {
			dst = append(dst, inside[i])
			continue
		}
		i++
		switch inside[i] {
		case 'n':
			dst = append(dst, '\n')
		case 't':
			dst = append(dst, '\t')
		case 'r':
			dst = append(dst, '\r')
		case 'b':
			dst = append(dst, '\b')
		case 'f':
			dst = append(dst, '\f')
		case 'u':
			r := hex4(inside[i+1:])
			i += 4
			if r >= 0xd800 && r < 0xdc00 && i+6 < len(inside) && inside[i+1] == '\\' && inside[i+2] == 'u' {
				if low := hex4(inside[i+3:]); low >= 0xdc00 && low < 0xe000 {
					r = 0x10000 + (r-0xd800)<<10 + (low - 0xdc00)
					i += 6
				}
			}
			dst = utf8.AppendRune(dst, r)
		default:
			dst = append(dst, inside[i])
		}
	}
	return dst
}

func hex4(s []byte) (r rune) {
	for _, c := range s[:4] {
		d, _ := hex(c)
		r = r<<4 | d
	}
	return r
}

func hex(c byte) (rune, bool) {
	switch {
	case c >= '0' && c <= '9':
		return rune(c - '0'), true
	case c|0x20 >= 'a' && c|0x20 <= 'f':
		return rune(c|0x20-'a') + 10, true
	}
	return 0, false
}
