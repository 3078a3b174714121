package gateway

import (
	"bytes"

	"weir/jsonscan"
)

// An upstream's answers contain its own model name, which may be a path on its host.
// Callers see the name they used; the upstream's name goes into a header.

// renaming replaces the model's name in one upstream's answer.
type renaming struct {
	learned bool   // the name was seen, or will not appear
	there   []byte // "model":"its name", as written in the answer; nil: nothing is replaced
	here    []byte // the replacement
	scratch []byte // memory for one event
}

// maxRenamed bounds an upstream's model name, in bytes.
const maxRenamed = 1 << 10

// learn looks for the model's name in an answer or an event, whose beginning is enough.
// as is the name for the caller. It returns the upstream's own name if that differs.
func (n *renaming) learn(b []byte, as string) (own string) {
	if n.learned || as == "" {
		return ""
	}
	key, value := modelIn(b)
	if value.Absent() {
		return ""
	}
	n.learned = true
	own = quotedText(b, value)
	if own == as || own == "" || value.To-value.From > maxRenamed {
		return ""
	}
	n.there = bytes.Clone(b[key:value.To])
	n.here = quoteJSON(bytes.Clone(b[key:value.From]), as)
	return own
}

// modelIn finds the member "model" of an object, or of its member "response" or
// "message": the position of its key, including the quote, and its value.
func modelIn(b []byte) (key int, value span) {
	s := jsonscan.Scanner{B: b}
	inside := func(name []byte, v span) error {
		if string(name) != "model" || b[v.From] != '"' {
			return nil
		}
		// The key is before its colon.
		key, value = bytes.LastIndex(b[:v.From], []byte(`"model"`)), v
		return errFound
	}
	s.Members(0, func(name []byte, v span) error {
		if (string(name) == "response" || string(name) == "message") && b[v.From] == '{' {
			_, err := s.Members(v.From, inside)
			return err
		}
		return inside(name, v)
	})
	return key, value
}

// apply returns b with the name replaced, in memory valid until the next call, or b
// itself if there is nothing to replace. Text written by a model cannot match: its
// quotes are escaped.
func (n *renaming) apply(b []byte) []byte {
	if n.there == nil {
		return b
	}
	i := bytes.Index(b, n.there)
	if i < 0 {
		return b
	}
	n.scratch = append(append(append(n.scratch[:0], b[:i]...), n.here...), b[i+len(n.there):]...)
	return n.scratch
}

// learnModel takes the upstream's model name from its answer.
func (c *call) learnModel(b []byte) {
	if own := c.renaming.learn(b, c.asked); own != "" {
		c.ownModel = own
	}
}

// sayModel reports the upstream's model name to the caller, if it differs.
func (c *call) sayModel() {
	if c.ownModel != "" && saneHeader(c.ownModel) {
		c.x.set("X-Weir-Upstream-Model", c.ownModel)
	}
}

// saneHeader says whether a text can be a header's value.
func saneHeader(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] >= 0x7f {
			return false
		}
	}
	return true
}
