package meaning

import (
	"encoding/binary"

	"weir"
	"weir/cache"
	"weir/jsonscan"
)

// MaxText bounds the last turn of a request that is compared, in bytes. Embedding models
// read only the beginning of a longer text.
const MaxText = 1024

// Turn is a canonical body (see cache.Body) in two parts: the words of its last turn, and
// all the rest.
type Turn struct {
	Text string
	rest []byte
}

// TurnOf finds the last turn. ok is false if it is not one text of a user of at most
// MaxText bytes: then the request is compared with no other.
func TurnOf(op weir.Op, canonical []byte) (t Turn, ok bool) {
	var at jsonscan.Span
	s := jsonscan.Scanner{B: canonical}
	name := map[weir.Op]string{weir.OpChat: "messages", weir.OpMessages: "messages", weir.OpResponses: "input", weir.OpCompletions: "prompt"}[op]
	if name == "" || len(canonical) == 0 {
		return Turn{}, false
	}
	s.Members(0, func(key []byte, v jsonscan.Span) error {
		if string(key) == name {
			at, ok = textIn(&s, v, op != weir.OpCompletions)
		}
		return nil
	})
	if !ok || at.To-at.From-2 > MaxText {
		return Turn{}, false
	}
	t.Text = string(jsonscan.AppendUnescaped(nil, canonical[at.From+1:at.To-1]))
	t.rest = append(append(make([]byte, 0, len(canonical)), canonical[:at.From]...), canonical[at.To:]...)
	t.rest = binary.BigEndian.AppendUint64(t.rest, uint64(at.From)) // where the text was
	return t, t.Text != ""
}

// textIn finds the text of a prompt: itself, or that of the last message of a list.
func textIn(s *jsonscan.Scanner, v jsonscan.Span, list bool) (text jsonscan.Span, ok bool) {
	if s.B[v.From] == '"' {
		return v, true
	}
	if !list || s.B[v.From] != '[' {
		return text, false
	}
	var last jsonscan.Span
	s.Elements(v, func(e jsonscan.Span) error { last = e; return nil })
	if last.To == 0 || s.B[last.From] != '{' {
		return text, false
	}
	user := false
	s.Members(last.From, func(key []byte, v jsonscan.Span) error {
		switch string(key) {
		case "role":
			user = string(s.B[v.From:v.To]) == `"user"`
		case "content":
			text, ok = contentIn(s, v)
		}
		return nil
	})
	return text, ok && user
}

// contentIn finds the text of a message: its content, or that of its only part.
func contentIn(s *jsonscan.Scanner, v jsonscan.Span) (text jsonscan.Span, ok bool) {
	if s.B[v.From] == '"' {
		return v, true
	}
	if s.B[v.From] != '[' {
		return text, false
	}
	parts, plain := 0, false
	s.Elements(v, func(e jsonscan.Span) error {
		parts++
		if s.B[e.From] != '{' {
			return nil
		}
		s.Members(e.From, func(key []byte, v jsonscan.Span) error {
			switch string(key) {
			case "type":
				kind := string(s.B[v.From:v.To])
				plain = kind == `"text"` || kind == `"input_text"`
			case "text":
				text, ok = v, s.B[v.From] == '"'
			}
			return nil
		})
		return nil
	})
	return text, ok && plain && parts == 1
}

// Circle names requests that may be compared: they are of one scope (so of one tenant,
// unless the model's entries are shared), equal in all but the words of the last turn, and
// equal there in what the guard finds.
type Circle cache.Key

// CircleOf is the circle of a request whose texts are embedded by a model. ok is false if
// the guard cannot read its words.
func CircleOf(s *cache.Scope, t *Turn, embed string) (c Circle, ok bool) {
	guard, ok := Guard(t.Text)
	b := binary.AppendUvarint(nil, uint64(len(t.rest)))
	b = append(b, t.rest...)
	b = binary.AppendUvarint(b, uint64(len(embed)))
	b = append(append(b, embed...), guard...)
	return Circle(cache.KeyOf(s, b)), ok
}
