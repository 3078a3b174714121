package jsonscan

import (
	"encoding/json"
	"slices"
)

// Object is a JSON object with its members in order, their values unparsed. It
// allocates, so it is for rare texts.
type Object []Member

// Member is one member of an object.
type Member struct {
	Key   string // the text between its quotes; escaped plain letters are unescaped
	Value []byte
}

// ObjectOf parses a valid object; nil for anything else.
func ObjectOf(raw []byte) (o Object) {
	c := At(raw)
	if c.Peek() != '{' {
		return nil
	}
	o = Object{}
	for first, in := true, c.Open('{'); in && c.Next('}', first); first = false {
		o = append(o, Member{plainKey(c.RawKey()), c.Raw()})
	}
	return o
}

// plainKey is the key for look-ups: escapes that only hide plain letters are resolved,
// any other key stays unchanged.
func plainKey(raw []byte) string {
	for _, c := range Unescaped(raw) {
		if c < ' ' || c > '~' || c == '"' || c == '\\' {
			return string(raw)
		}
	}
	return string(Unescaped(raw))
}

// Elements parses a valid list; nil for anything else.
func Elements(raw []byte) (list [][]byte) {
	c := At(raw)
	if c.Peek() != '[' {
		return nil
	}
	for first, in := true, c.Open('['); in && c.Next(']', first); first = false {
		list = append(list, c.Raw())
	}
	return list
}

// Get is the value of a member; nil if there is none.
func (o Object) Get(key string) []byte {
	for _, m := range o {
		if m.Key == key {
			return m.Value
		}
	}
	return nil
}

// With is o with a member replaced, or appended.
func (o Object) With(key, value string) Object {
	next := make(Object, len(o), len(o)+1)
	copy(next, o)
	for i := range next {
		if next[i].Key == key {
			next[i].Value = []byte(value)
			return next
		}
	}
	return append(next, Member{key, []byte(value)})
}

// Without is o without some members.
func (o Object) Without(keys ...string) Object {
	next := make(Object, 0, len(o))
	for _, m := range o {
		if !slices.Contains(keys, m.Key) {
			next = append(next, m)
		}
	}
	return next
}

// Append appends the object's text to dst.
func (o Object) Append(dst []byte) []byte {
	dst = append(dst, '{')
	for i, m := range o {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(append(append(dst, '"'), m.Key...), `":`...)
		dst = append(dst, m.Value...)
	}
	return append(dst, '}')
}

// String is the object's text.
func (o Object) String() string { return string(o.Append(nil)) }

// List is the text of a list of objects.
func List(of ...Object) string {
	b := []byte{'['}
	for i, o := range of {
		if i > 0 {
			b = append(b, ',')
		}
		b = o.Append(b)
	}
	return string(append(b, ']'))
}

// Quoted is a string encoded as JSON.
func Quoted(s string) string {
	q, _ := json.Marshal(s) // a string always marshals
	return string(q)
}

// TextOf is the decoded string; "" for any other value.
func TextOf(raw []byte) string {
	if len(raw) < 2 || raw[0] != '"' {
		return ""
	}
	return string(AppendUnescaped(nil, raw[1:len(raw)-1]))
}
