package upstream

import (
	"bytes"
	"encoding/binary"
	"math"
	"math/bits"
	"strconv"
	"unicode/utf8"
)

// maxDepth is how deep JSON may be nested; no known API comes near.
const maxDepth = 128

// scanner walks over one JSON value without allocating. It checks the grammar
// (RFC 8259) on the way, so that bad says at the end whether what was read is
// JSON. After a fault every method returns at once.
//
// Keys are compared as they stand: a key written with escapes is not
// recognised. No server writes one.
type scanner struct {
	b     []byte
	i     int
	depth int
	bad   bool
	odd   bool // a count of tokens cannot be
}

func (s *scanner) fail() { s.bad, s.i = true, len(s.b) }

func (s *scanner) space() {
	for s.i < len(s.b) {
		switch s.b[s.i] {
		case ' ', '\t', '\n', '\r':
			s.i++
		default:
			return
		}
	}
}

// peek returns the next byte that is not space, 0 at the end.
func (s *scanner) peek() byte {
	s.space()
	if s.i < len(s.b) {
		return s.b[s.i]
	}
	return 0
}

// open enters an object or array: "for s.open('{'); s.more('}'); {...}". When
// the value is something else it is skipped, and more says false.
func (s *scanner) open(bracket byte) bool {
	if s.peek() != bracket {
		s.skip()
		return false
	}
	if s.depth++; s.depth > maxDepth {
		s.fail()
		return false
	}
	s.i++
	return true
}

// next moves to the next member; first is true before the first one. It
// returns false behind the closing bracket.
func (s *scanner) next(bracket byte, first bool) bool {
	c := s.peek()
	if c == bracket && !s.bad {
		s.i++
		s.depth--
		return false
	}
	if !first {
		if c != ',' {
			s.fail()
			return false
		}
		s.i++
		if s.peek() == bracket {
			s.fail()
		}
	}
	return !s.bad
}

// key reads a member's name and its colon.
func (s *scanner) key() []byte {
	if s.peek() != '"' {
		s.fail()
		return nil
	}
	k := s.str()
	if s.peek() != ':' {
		s.fail()
		return nil
	}
	s.i++
	return k
}

// str reads a string and returns what is between its quotes, escapes as they
// are.
func (s *scanner) str() []byte {
	s.i++
	start := s.i
	for {
		s.i += plain(s.b[s.i:])
		if s.i == len(s.b) {
			break
		}
		switch c := s.b[s.i]; {
		case c == '"':
			s.i++
			return s.b[start : s.i-1]
		case c == '\\':
			s.escape()
		case c < ' ':
			s.fail()
		default:
			s.i++
		}
	}
	s.fail()
	return nil
}

// plain returns how many bytes b starts with that mean themselves in a string,
// or somewhat less: neither quote nor backslash nor control character. It looks
// at eight at a time (S. E. Anderson, Bit Twiddling Hacks, "Determine if a word
// has a zero byte": the lowest byte found is exact).
func plain(b []byte) (n int) {
	const ones, tops = 0x0101010101010101, 0x8080808080808080
	for ; len(b)-n >= 8; n += 8 {
		w := binary.LittleEndian.Uint64(b[n:])
		quote, slash := w^ones*'"', w^ones*'\\'
		special := (quote-ones)&^quote | (slash-ones)&^slash | (w-ones*' ')&^w
		if special &= tops; special != 0 {
			return n + bits.TrailingZeros64(special)/8
		}
	}
	return n
}

func (s *scanner) escape() {
	if s.i+1 >= len(s.b) {
		s.fail()
		return
	}
	switch s.b[s.i+1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		s.i += 2
	case 'u':
		if s.i+6 > len(s.b) {
			s.fail()
			return
		}
		for _, c := range s.b[s.i+2 : s.i+6] {
			if _, ok := hex(c); !ok {
				s.fail()
				return
			}
		}
		s.i += 6
	default:
		s.fail()
	}
}

// skip walks over any value.
func (s *scanner) skip() {
	switch c := s.peek(); {
	case c == '"':
		s.str()
	case c == '{':
		for first, in := true, s.open('{'); in && s.next('}', first); first = false {
			s.key()
			s.skip()
		}
	case c == '[':
		for first, in := true, s.open('['); in && s.next(']', first); first = false {
			s.skip()
		}
	case c == 't':
		s.literal("true")
	case c == 'f':
		s.literal("false")
	case c == 'n':
		s.literal("null")
	default:
		s.number()
	}
}

func (s *scanner) literal(want string) {
	if !bytes.HasPrefix(s.b[s.i:], []byte(want)) {
		s.fail()
		return
	}
	s.i += len(want)
}

// number reads a number and returns its whole part, within ±1e15; plain says
// that it is written in digits alone.
func (s *scanner) number() (whole int64, plain bool) {
	sign, n := int64(1), int64(0)
	plain = true
	if s.at('-') {
		sign = -1
	}
	if !s.at('0') {
		n = s.digits()
	}
	if s.at('.') {
		s.digits()
		plain = false
	}
	if s.at('e') || s.at('E') {
		_ = s.at('+') || s.at('-')
		s.digits()
		plain = false
	}
	return sign * n, plain
}

func (s *scanner) at(c byte) bool {
	if s.i < len(s.b) && s.b[s.i] == c {
		s.i++
		return true
	}
	return false
}

func (s *scanner) digits() int64 {
	n, start := int64(0), s.i
	for s.i < len(s.b) && s.b[s.i] >= '0' && s.b[s.i] <= '9' {
		n = min(n*10+int64(s.b[s.i]-'0'), 1e15)
		s.i++
	}
	if s.i == start {
		s.fail()
	}
	return n
}

// count reads a number of tokens, however it is written (1000, 1e3, 1000.0, "1000");
// null counts as none, anything else that is no possible number is odd.
func (s *scanner) count() int64 {
	c := s.peek()
	start := s.i
	switch {
	case c == '"':
		n, ok := wholeNumber(s.str())
		s.odd = s.odd || !ok
		return n
	case c != '-' && (c < '0' || c > '9'):
		s.odd = s.odd || c != 'n'
		s.skip()
		return 0
	}
	n, plain := s.number()
	if !plain && !s.bad {
		whole, ok := wholeNumber(s.b[start:s.i])
		n, s.odd = whole, s.odd || !ok
	}
	s.odd = s.odd || n < 0 || n > maxCount
	return n
}

// wholeNumber reads a number of tokens that is not written in digits alone.
func wholeNumber(text []byte) (int64, bool) {
	f, err := strconv.ParseFloat(string(bytes.TrimSpace(text)), 64)
	if err != nil || f < 0 || f > maxCount || f != math.Trunc(f) { // also what is no number
		return 0, false
	}
	return int64(f), true
}

// hasContent skips the value and says whether there was something in it: a
// string, list or object that is not empty. null, numbers and literals are
// nothing.
func (s *scanner) hasContent() bool {
	switch c := s.peek(); c {
	case '"':
		return len(s.str()) > 0
	case '{', '[':
		open := s.i
		s.skip()
		return len(bytes.TrimSpace(s.b[open+1:max(open+1, s.i-1)])) > 0
	}
	s.skip()
	return false
}

// done says whether the whole input was one value.
func (s *scanner) done() bool {
	return !s.bad && s.peek() == 0 && s.i == len(s.b)
}

// unquote appends what a string between its quotes says.
func unquote(dst, s []byte) []byte {
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' {
			dst = append(dst, s[i])
			continue
		}
		i++
		switch s[i] {
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
			r := hex4(s[i+1:])
			i += 4
			if r >= 0xd800 && r < 0xdc00 && i+6 < len(s) && s[i+1] == '\\' && s[i+2] == 'u' {
				if low := hex4(s[i+3:]); low >= 0xdc00 && low < 0xe000 {
					r = 0x10000 + (r-0xd800)<<10 + (low - 0xdc00)
					i += 6
				}
			}
			dst = utf8.AppendRune(dst, r)
		default:
			dst = append(dst, s[i])
		}
	}
	return dst
}

func hex4(s []byte) (r rune) {
	for _, c := range s[:4] {
		d, _ := hex(c)
		r = r<<4 | rune(d)
	}
	return r
}

func hex(c byte) (int64, bool) {
	switch {
	case c >= '0' && c <= '9':
		return int64(c - '0'), true
	case c|0x20 >= 'a' && c|0x20 <= 'f':
		return int64(c|0x20-'a') + 10, true
	}
	return 0, false
}
