package upstream

import "encoding/json"

// object is a JSON object in the order of its members, whose values are not
// read. It is for answers that are rare: it allocates.
type object []member

type member struct {
	key   string // between its quotes, escapes as they are
	value []byte
}

// objectOf reads an object that is valid JSON; nil is anything else.
func objectOf(raw []byte) (o object) {
	s := scanner{b: raw}
	if s.peek() != '{' {
		return nil
	}
	o = object{}
	for first, in := true, s.open('{'); in && s.next('}', first); first = false {
		key := string(s.key())
		s.space()
		from := s.i
		s.skip()
		o = append(o, member{key, raw[from:s.i]})
	}
	return o
}

// elements reads a list that is valid JSON; anything else has none.
func elements(raw []byte) (list [][]byte) {
	s := scanner{b: raw}
	if s.peek() != '[' {
		return nil
	}
	for first, in := true, s.open('['); in && s.next(']', first); first = false {
		s.space()
		from := s.i
		s.skip()
		list = append(list, raw[from:s.i])
	}
	return list
}

func (o object) get(key string) []byte {
	for _, m := range o {
		if m.key == key {
			return m.value
		}
	}
	return nil
}

// with is o with a member set, in its place or at the end.
func (o object) with(key, value string) object {
	next := make(object, len(o), len(o)+1)
	copy(next, o)
	for i := range next {
		if next[i].key == key {
			next[i].value = []byte(value)
			return next
		}
	}
	return append(next, member{key, []byte(value)})
}

func (o object) without(keys ...string) object {
	next := make(object, 0, len(o))
members:
	for _, m := range o {
		for _, key := range keys {
			if m.key == key {
				continue members
			}
		}
		next = append(next, m)
	}
	return next
}

func (o object) append(dst []byte) []byte {
	dst = append(dst, '{')
	for i, m := range o {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(append(append(dst, '"'), m.key...), `":`...)
		dst = append(dst, m.value...)
	}
	return append(dst, '}')
}

// list is a list of objects.
func list(of ...object) string {
	b := []byte{'['}
	for i, o := range of {
		if i > 0 {
			b = append(b, ',')
		}
		b = o.append(b)
	}
	return string(append(b, ']'))
}

func quoted(s string) string {
	q, _ := json.Marshal(s) // a string always marshals
	return string(q)
}

// text is the text of a string; "" is any other value.
func text(raw []byte) string {
	if len(raw) < 2 || raw[0] != '"' {
		return ""
	}
	return string(unquote(nil, raw[1:len(raw)-1]))
}
