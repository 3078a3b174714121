// Package jsonscan walks over JSON in place, without building values.
//
// It owns the grammar (RFC 8259): it accepts exactly what encoding/json's Valid
// accepts, nesting included. Scanner finds where values begin and end, Cursor moves
// from value to value, and Object is an object to be edited. It does not know what
// members mean.
package jsonscan

import "fmt"

// MaxDepth is the deepest nesting of values: the bound of encoding/json.
const MaxDepth = 10000

// Scanner validates JSON in one pass over B and finds where values begin and end. It
// allocates nothing, and nested values do not use the goroutine's stack. Bytes in
// strings that are not UTF-8 are accepted, as by encoding/json.
//
// Its methods take the index where they begin and return the index after the text they
// read; their errors are *SyntaxError.
type Scanner struct {
	B []byte
	// Binary counts the bytes of strings that look like base64, Binaries the strings: for
	// pictures and sound the length says nothing about tokens.
	Binary   int
	Binaries int
	// Look are words to look for, nil: none. Bit i of Seen says that the word i of them
	// was met as a whole string since the caller last cleared it.
	Look *Words
	Seen uint32

	err     SyntaxError // valid after a failure
	escaped bool        // a string with an escape was read; never reset here
}

// Span is the position of a value: B[From:To]. The zero Span means absent, because no
// member's value begins at byte 0.
type Span struct{ From, To int }

// Absent says whether there is no value.
func (s Span) Absent() bool { return s.To == 0 }

// SyntaxError says where text stops being JSON, and what was expected there.
type SyntaxError struct {
	Offset int
	Want   string
}

func (e *SyntaxError) Error() string {
	return fmt.Sprintf("not valid JSON: at byte %d %s was expected", e.Offset, e.Want)
}

// Members validates each member of the object at B[i] and calls each for it, in order
// and including duplicates. It returns the index after the object. A key is the text
// between its quotes, still escaped: see Unescaped. An error of each ends the walk and
// is returned.
func (s *Scanner) Members(i int, each func(key []byte, value Span) error) (int, error) {
	i = s.Space(i)
	if i >= len(s.B) || s.B[i] != '{' {
		return s.result(s.fail(i, "an object"))
	}
	i = s.Space(i + 1)
	if i < len(s.B) && s.B[i] == '}' {
		return i + 1, nil
	}
	for {
		from := i
		quote, after := s.key(i)
		if after < 0 {
			return s.result(after)
		}
		at := s.Space(after)
		end := s.value(at)
		if end < 0 {
			return s.result(end)
		}
		if err := each(s.B[from+1:quote], Span{at, end}); err != nil {
			return 0, err
		}
		i = s.Space(end)
		switch {
		case i < len(s.B) && s.B[i] == ',':
			i = s.Space(i + 1)
		case i < len(s.B) && s.B[i] == '}':
			return i + 1, nil
		default:
			return s.result(s.fail(i, "a comma or the end of the object"))
		}
	}
}

// Elements calls each for every element of the array at v, which is already validated,
// until each returns an error.
func (s *Scanner) Elements(v Span, each func(Span) error) error {
	for i := s.Space(v.From + 1); i < v.To && s.B[i] != ']'; {
		end, err := s.Value(i)
		if err != nil {
			return err
		}
		if err := each(Span{i, end}); err != nil {
			return err
		}
		if i = s.Space(end); i < v.To && s.B[i] == ',' {
			i = s.Space(i + 1)
		}
	}
	return nil
}

// Value validates the value that begins at B[i], without leading space, and returns the
// index after it. It may nest one level less than MaxDepth, because something encloses
// it.
func (s *Scanner) Value(i int) (int, error) { return s.result(s.value(i)) }

// failed is returned by the unexported methods instead of an index; err has the reason.
const failed = -1

func (s *Scanner) fail(i int, want string) int {
	s.err = SyntaxError{i, want}
	return failed
}

func (s *Scanner) result(end int) (int, error) {
	if end < 0 {
		err := s.err
		return 0, &err
	}
	return end, nil
}

// key reads a member's name and its colon. It returns the positions of the closing
// quote and after the colon.
func (s *Scanner) key(i int) (quote, after int) {
	if i >= len(s.B) || s.B[i] != '"' {
		return 0, s.fail(i, "a member's name in quotes")
	}
	end := s.str(i)
	if end < 0 {
		return 0, end
	}
	colon := s.Space(end)
	if colon >= len(s.B) || s.B[colon] != ':' {
		return 0, s.fail(colon, "a colon")
	}
	return end - 1, colon + 1
}

func (s *Scanner) value(i int) int {
	if i < len(s.B) && (s.B[i] == '{' || s.B[i] == '[') {
		return s.nested(i)
	}
	return s.scalar(i)
}

func (s *Scanner) scalar(i int) int {
	if i >= len(s.B) {
		return s.fail(i, "a value")
	}
	switch c := s.B[i]; {
	case c == '"':
		return s.str(i)
	case c == '-' || c >= '0' && c <= '9':
		return s.number(i)
	case c == 't':
		return s.literal(i, "true")
	case c == 'f':
		return s.literal(i, "false")
	case c == 'n':
		return s.literal(i, "null")
	}
	return s.fail(i, "a value")
}

func (s *Scanner) literal(i int, word string) int {
	if len(s.B)-i < len(word) || string(s.B[i:i+len(word)]) != word {
		return s.fail(i, word)
	}
	return i + len(word)
}

func (s *Scanner) number(i int) int {
	if s.B[i] == '-' {
		i++
	}
	digits := s.digits(i)
	if digits == i || s.B[i] == '0' && digits > i+1 {
		return s.fail(i, "a number")
	}
	i = digits
	if i < len(s.B) && s.B[i] == '.' {
		if digits = s.digits(i + 1); digits == i+1 {
			return s.fail(digits, "a digit")
		}
		i = digits
	}
	if i < len(s.B) && s.B[i]|0x20 == 'e' {
		i++
		if i < len(s.B) && (s.B[i] == '+' || s.B[i] == '-') {
			i++
		}
		if digits = s.digits(i); digits == i {
			return s.fail(i, "a digit")
		}
		i = digits
	}
	return i
}

func (s *Scanner) digits(i int) int {
	for i < len(s.B) && s.B[i]-'0' <= 9 {
		i++
	}
	return i
}

// Space returns the index of the first byte at or after i that is not space.
func (s *Scanner) Space(i int) int {
	for i < len(s.B) && s.B[i] <= ' ' && (s.B[i] == ' ' || s.B[i] == '\n' || s.B[i] == '\t' || s.B[i] == '\r') {
		i++
	}
	return i
}
