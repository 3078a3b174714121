package upstream

import (
	"bytes"
	"slices"
	"strconv"

	"weir/jsonscan"
)

// Merge collects an object from the parts that a stream's events bring: the members of
// later parts are added to those of earlier ones. The zero value is empty.
//
// A text of a name that is known to come in pieces is continued; any other member must
// stay what it was, so an answer is never put together by a guess.
type Merge struct{ root merged }

// merged is one value.
type merged struct {
	raw     []byte // of a scalar; of a string the text between its quotes
	kind    byte   // '{', '[', '"', or any other for a scalar; 0: nothing yet
	members []mergedMember
	items   []*merged
	indexed bool // its items have an index, by which parts are added
}

type mergedMember struct {
	key   string
	value *merged
}

// pieces are the names of texts that come in pieces.
var pieces = map[string]bool{
	"content": true, "text": true, "arguments": true, "input": true, "refusal": true, "reasoning": true, "reasoning_content": true, "reasoning_text": true,
	"thinking": true, "summary": true, "data": true, "transcript": true, "partial_json": true,
}

// Add adds the part raw, a valid object. It returns false if it does not fit.
func (m *Merge) Add(raw []byte) bool { return m.root.add("", raw) }

// Append appends the object's text; "{}" if nothing was added.
func (m *Merge) Append(dst []byte) []byte {
	if m.root.kind == 0 {
		return append(dst, "{}"...)
	}
	return m.root.append(dst)
}

func (m *merged) add(name string, raw []byte) bool {
	kind := raw[0]
	switch {
	case kind == 'n' && m.kind != 0: // null adds nothing
		return true
	case m.kind == 0 || m.kind == 'n':
		m.kind = kind
	case m.kind != kind && (kind == '{' || kind == '[' || kind == '"' || m.kind == '{' || m.kind == '[' || m.kind == '"'):
		return false
	}
	switch kind {
	case '{':
		return m.addObject(raw)
	case '[':
		return m.addList(raw)
	case '"':
		text := raw[1 : len(raw)-1]
		if pieces[name] || m.raw == nil || len(m.raw) == 0 {
			m.raw = append(m.raw, text...)
			return true
		}
		return len(text) == 0 || bytes.Equal(m.raw, text)
	}
	if m.raw != nil && !bytes.Equal(m.raw, raw) && string(m.raw) != "null" {
		return false
	}
	m.raw = slices.Clone(raw)
	return true
}

func (m *merged) addObject(raw []byte) bool {
	for _, part := range jsonscan.ObjectOf(raw) {
		if !m.member(part.Key).add(part.Key, part.Value) {
			return false
		}
	}
	return true
}

func (m *merged) member(key string) *merged {
	for i := range m.members {
		if m.members[i].key == key {
			return m.members[i].value
		}
	}
	m.members = append(m.members, mergedMember{key, &merged{}})
	return m.members[len(m.members)-1].value
}

// maxIndex bounds the index of an item.
const maxIndex = 1 << 10

// addList adds items: by their index if they have one, else at the end.
func (m *merged) addList(raw []byte) bool {
	for _, item := range jsonscan.Elements(raw) {
		o := jsonscan.ObjectOf(item)
		if at := o.Get("index"); at != nil {
			n, err := strconv.Atoi(string(at))
			if err != nil || n < 0 || n > maxIndex || len(m.items) > 0 && !m.indexed {
				return false
			}
			m.indexed = true
			for len(m.items) <= n {
				m.items = append(m.items, &merged{})
			}
			item = o.Without("index").Append(nil)
			if !m.items[n].add("", item) {
				return false
			}
			continue
		}
		if m.indexed {
			return false
		}
		one := &merged{}
		if !one.add("", item) {
			return false
		}
		m.items = append(m.items, one)
	}
	return true
}

func (m *merged) append(dst []byte) []byte {
	switch m.kind {
	case '{':
		dst = append(dst, '{')
		for i, p := range m.members {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = append(append(append(dst, '"'), p.key...), `":`...)
			dst = p.value.append(dst)
		}
		return append(dst, '}')
	case '[':
		dst = append(dst, '[')
		n := 0
		for _, item := range m.items {
			if item.kind == 0 { // an index that no part had
				continue
			}
			if n++; n > 1 {
				dst = append(dst, ',')
			}
			dst = item.append(dst)
		}
		return append(dst, ']')
	case '"':
		return append(append(append(dst, '"'), m.raw...), '"')
	case 0:
		return append(dst, "null"...)
	}
	return append(dst, m.raw...)
}
