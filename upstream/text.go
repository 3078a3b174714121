package upstream

import (
	"math"

	"weir/jsonscan"
)

// AppendNamed appends generated text to dst, unescaped: the strings under keys that
// name generated text in any API. Tool calls count with their names and arguments, and
// so does visible reasoning.
func AppendNamed(dst, data []byte) []byte {
	t := texts{dst: dst, limit: math.MaxInt}
	s := jsonscan.At(data)
	t.named(&s)
	return t.dst
}

// texts collects strings from JSON.
type texts struct {
	dst     []byte
	limit   int // of len(dst); text beyond it is only counted
	total   int64
	numbers int64
}

func (t *texts) add(quoted []byte) {
	t.total += int64(len(quoted))
	if room := t.limit - len(t.dst); len(quoted) <= room {
		t.dst = jsonscan.AppendUnescaped(t.dst, quoted)
	}
}

// named collects the strings under keys that name generated text.
func (t *texts) named(s *jsonscan.Cursor) {
	switch s.Peek() {
	case '[':
		for first, in := true, s.Open('['); in && s.Next(']', first); first = false {
			t.named(s)
		}
	case '{':
		for first, in := true, s.Open('{'); in && s.Next('}', first); first = false {
			t.member(s, s.Key())
		}
	default:
		s.Skip()
	}
}

func (t *texts) member(s *jsonscan.Cursor, key []byte) {
	if s.Peek() != '"' {
		t.named(s)
		return
	}
	v := s.Text()
	switch string(key) {
	case "content", "reasoning_content", "reasoning", "refusal", "text", "arguments", "name", "thinking", "partial_json":
		t.add(v)
	}
}

// prompt collects the text that a request gives the model.
func (t *texts) prompt(s *jsonscan.Cursor) (messages int64) {
	for first, in := true, s.Open('{'); in && s.Next('}', first); first = false {
		switch string(s.Key()) {
		case "messages":
			for first, in := true, s.Open('['); in && s.Next(']', first); first = false {
				messages++
				t.all(s)
			}
		case "prompt", "input", "instructions", "system", "tools", "functions":
			t.all(s)
		default:
			s.Skip()
		}
	}
	return messages
}

// all collects every string except those that are not text for the model: pictures,
// sounds and files in base64, IDs. Numbers are counted: a prompt may be token IDs.
func (t *texts) all(s *jsonscan.Cursor) {
	switch c := s.Peek(); {
	case c == '"':
		t.add(s.Text())
	case c == '[':
		for first, in := true, s.Open('['); in && s.Next(']', first); first = false {
			t.all(s)
		}
	case c == '{':
		for first, in := true, s.Open('{'); in && s.Next('}', first); first = false {
			switch string(s.Key()) {
			case "image_url", "input_audio", "audio", "file", "file_data", "source", "data", "id", "call_id", "tool_call_id", "type", "role", "cache_control":
				s.Skip()
			default:
				t.all(s)
			}
		}
	case c == '-' || c >= '0' && c <= '9':
		t.numbers++
		s.Skip()
	default:
		s.Skip()
	}
}
