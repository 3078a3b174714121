package gateway

import (
	"bytes"

	"weir/jsonscan"
)

// An upstream's answers name the model as it calls it, which may be a path of
// its host. Callers see the name they asked for; the upstream's own goes into a
// header.

// renaming replaces the model's name in what one upstream answers.
type renaming struct {
	learned bool   // the name was seen, or cannot be
	there   []byte // "model":"its name", as it stands in the answer; nil: nothing is replaced
	here    []byte // what stands there instead
	scratch []byte // of one event
}

// maxRenamed bounds an upstream's name of a model, in bytes.
const maxRenamed = 1 << 10

// learn looks for the model's name in an answer or an event, of which the
// beginning is enough. as is what the caller is to read. It returns the
// upstream's own name where that is another.
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
// "message": where its name begins, quote included, and its value.
func modelIn(b []byte) (key int, value span) {
	s := jsonscan.Scanner{B: b}
	inside := func(name []byte, v span) error {
		if string(name) != "model" || b[v.From] != '"' {
			return nil
		}
		// The name stands before its colon.
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

// apply returns b with the name replaced, in memory that holds until the next
// call; b itself where there is nothing to replace. The text a model writes
// cannot hold what is looked for: its quotes are escaped.
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

// learnModel takes the upstream's name of the model from its answer.
func (c *call) learnModel(b []byte) {
	if own := c.renaming.learn(b, c.asked); own != "" {
		c.ownModel = own
	}
}

// sayModel tells the caller how the upstream calls the model, where it differs.
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
