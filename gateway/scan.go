package gateway

import "fmt"

// maxDepth is how deeply a body may nest: the bound of encoding/json, so that
// both accept the same bodies.
const maxDepth = 10000

// scanner validates JSON in one pass over the bytes it was given and finds
// where values begin and end. It builds nothing and allocates nothing on the
// way. It accepts exactly what encoding/json's Valid accepts (RFC 8259; bytes
// of strings that are not UTF-8 are let through, as there).
type scanner struct {
	b []byte
	// binary counts the bytes of strings that look like base64 and binaries
	// the strings: pictures and sound are not text and their length says
	// nothing of their tokens.
	binary   int
	binaries int
}

// span is where a value stands: b[from:to]. The zero span stands for absent:
// no value begins at byte 0 of an object.
type span struct{ from, to int }

func (s span) absent() bool { return s.to == 0 }

// syntaxError says where a body stops being JSON.
type syntaxError struct {
	offset int
	want   string
}

func (e *syntaxError) Error() string {
	return fmt.Sprintf("the request body is not valid JSON: at byte %d %s was expected", e.offset, e.want)
}

// members calls each for every member of the object that begins at b[i], in
// order, duplicates included, after the member's value was validated, and
// returns the index after the object. A key with escapes in it comes as it
// stands in the body, between its quotes.
func (s *scanner) members(i int, each func(key []byte, value span) error) (int, error) {
	i = s.space(i)
	if i >= len(s.b) || s.b[i] != '{' {
		return 0, &syntaxError{i, "an object"}
	}
	i = s.space(i + 1)
	if i < len(s.b) && s.b[i] == '}' {
		return i + 1, nil
	}
	for {
		from := i
		to, err := s.key(i)
		if err != nil {
			return 0, err
		}
		at := s.space(to.after)
		end, err := s.value(at)
		if err != nil {
			return 0, err
		}
		if err := each(s.b[from+1:to.close], span{at, end}); err != nil {
			return 0, err
		}
		i = s.space(end)
		switch {
		case i < len(s.b) && s.b[i] == ',':
			i = s.space(i + 1)
		case i < len(s.b) && s.b[i] == '}':
			return i + 1, nil
		default:
			return 0, &syntaxError{i, "a comma or the end of the object"}
		}
	}
}

// keyEnd is where a key's closing quote stands and what comes after its colon.
type keyEnd struct{ close, after int }

// key reads a member's name and its colon.
func (s *scanner) key(i int) (keyEnd, error) {
	if i >= len(s.b) || s.b[i] != '"' {
		return keyEnd{}, &syntaxError{i, "a member's name in quotes"}
	}
	end, err := s.str(i)
	if err != nil {
		return keyEnd{}, err
	}
	colon := s.space(end)
	if colon >= len(s.b) || s.b[colon] != ':' {
		return keyEnd{}, &syntaxError{colon, "a colon"}
	}
	return keyEnd{end - 1, colon + 1}, nil
}

// nest is a stack of what encloses the present value, one bit each: set for
// an object, clear for an array.
type nest struct {
	depth int
	bits  [maxDepth/64 + 1]uint64
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

// value validates the value that begins at b[i] and returns the index after
// it. Scalars, most of what a body's top level holds, never touch the stack
// of open brackets.
func (s *scanner) value(i int) (int, error) {
	if i < len(s.b) && (s.b[i] == '{' || s.b[i] == '[') {
		return s.nested(i)
	}
	return s.scalar(i)
}

// nested validates an object or an array, the brackets inside it on a stack
// of its own instead of the goroutine's.
func (s *scanner) nested(i int) (int, error) {
	var open nest
	for {
		var err error
		if i, err = s.opened(&open, i); err != nil {
			return 0, err
		}
		if i, err = s.closed(&open, i); err != nil || open.depth == 0 {
			return i, err
		}
	}
}

// opened goes down to the next value that is complete: a scalar, or an empty
// object or array whose bracket it has passed.
func (s *scanner) opened(open *nest, i int) (int, error) {
	for i < len(s.b) && (s.b[i] == '{' || s.b[i] == '[') {
		if open.depth >= maxDepth-1 { // the object around it is one more
			return 0, &syntaxError{i, fmt.Sprintf("nesting of at most %d", maxDepth)}
		}
		object := s.b[i] == '{'
		i = s.space(i + 1)
		if i < len(s.b) && s.b[i] == "]}"[b2i(object)] {
			return i + 1, nil
		}
		open.push(object)
		if object {
			k, err := s.key(i)
			if err != nil {
				return 0, err
			}
			i = s.space(k.after)
		}
	}
	return s.scalar(i)
}

// closed passes everything that may follow a complete value: closing brackets
// as far as there are, then a comma and what leads to the next value.
func (s *scanner) closed(open *nest, i int) (int, error) {
	for open.depth > 0 {
		i = s.space(i)
		if i >= len(s.b) {
			return 0, &syntaxError{i, "a closing bracket"}
		}
		object := open.inObject()
		switch {
		case s.b[i] == "]}"[b2i(object)]:
			open.depth--
			i++
		case s.b[i] == ',' && object:
			k, err := s.key(s.space(i + 1))
			if err != nil {
				return 0, err
			}
			return s.space(k.after), nil
		case s.b[i] == ',':
			return s.space(i + 1), nil
		default:
			return 0, &syntaxError{i, "a comma or a closing bracket"}
		}
	}
	return i, nil
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}

func (s *scanner) scalar(i int) (int, error) {
	if i >= len(s.b) {
		return 0, &syntaxError{i, "a value"}
	}
	switch c := s.b[i]; {
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
	return 0, &syntaxError{i, "a value"}
}

func (s *scanner) literal(i int, word string) (int, error) {
	if len(s.b)-i < len(word) || string(s.b[i:i+len(word)]) != word {
		return 0, &syntaxError{i, word}
	}
	return i + len(word), nil
}

func (s *scanner) number(i int) (int, error) {
	if s.b[i] == '-' {
		i++
	}
	digits := s.digits(i)
	if digits == i || s.b[i] == '0' && digits > i+1 {
		return 0, &syntaxError{i, "a number"}
	}
	i = digits
	if i < len(s.b) && s.b[i] == '.' {
		if digits = s.digits(i + 1); digits == i+1 {
			return 0, &syntaxError{digits, "a digit"}
		}
		i = digits
	}
	if i < len(s.b) && s.b[i]|0x20 == 'e' {
		i++
		if i < len(s.b) && (s.b[i] == '+' || s.b[i] == '-') {
			i++
		}
		if digits = s.digits(i); digits == i {
			return 0, &syntaxError{i, "a digit"}
		}
		i = digits
	}
	return i, nil
}

func (s *scanner) digits(i int) int {
	for i < len(s.b) && s.b[i]-'0' <= 9 {
		i++
	}
	return i
}

func (s *scanner) space(i int) int {
	for i < len(s.b) && s.b[i] <= ' ' && (s.b[i] == ' ' || s.b[i] == '\n' || s.b[i] == '\t' || s.b[i] == '\r') {
		i++
	}
	return i
}
