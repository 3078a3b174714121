package openai

import (
	"weir/jsonscan"
	"weir/upstream"
)

// completions is the format of chat and of completions, which differ in the content of
// a choice.
type completions struct{ chat bool }

// chunk is the result of a walk over one event.
type chunk struct {
	*upstream.Stream
	choices  bool // it has a choice, of any content
	finish   bool
	produced bool
	fail     bool
}

func (completions) Event(s *upstream.Stream, name []byte) upstream.Meaning {
	s.Restart()
	c := chunk{Stream: s}
	c.walk()
	m := upstream.Meaning{Kind: upstream.Meta, Produced: c.produced}
	if s.Has {
		m.Usage = &s.Usage
	}
	switch {
	case c.fail, string(name) == "error":
		m.Kind = upstream.Failed
	case c.finish:
		m.Kind = upstream.Finish
	case c.produced:
		m.Kind = upstream.Token
	case s.Came && !c.choices:
		m.Kind = upstream.Usage
	}
	return m
}

func (c *chunk) walk() {
	for first, in := true, c.Open('{'); in && c.Next('}', first); first = false {
		switch string(c.Key()) {
		case "choices":
			for first, in := true, c.Open('['); in && c.Next(']', first); first = false {
				c.choices = true
				c.choice()
			}
		case "usage", "usageMetadata":
			c.Read(&c.Cursor)
		case "x_groq":
			c.ReadWithin(&c.Cursor)
		case "service_tier":
			c.Usage.Tier = c.ReadTier(&c.Cursor)
		case "error":
			c.fail = upstream.Fails(&c.Cursor) || c.fail
		case "object": // an older vLLM: {"object":"error","message":...}
			c.fail = string(c.Text()) == "error" || c.fail
		default:
			c.Skip()
		}
	}
}

func (c *chunk) choice() {
	index, before := int64(0), c.produced
	c.produced = false
	var finish []byte
	for first, in := true, c.Open('{'); in && c.Next('}', first); first = false {
		switch string(c.Key()) {
		case "index":
			index, _ = upstream.Count(&c.Cursor)
		case "finish_reason":
			finish = reason(&c.Cursor)
		case "error":
			c.fail = upstream.Fails(&c.Cursor) || c.fail
		case "text":
			c.produced = c.HasContent() || c.produced
		case "delta":
			c.delta()
		case "usage": // Moonshot's
			c.Read(&c.Cursor)
		default:
			c.Skip()
		}
	}
	c.fail = c.fail || broke(finish)
	c.finish = c.finish || len(finish) > 0
	c.Saw(index, c.produced, len(finish) > 0)
	c.produced = c.produced || before
}

// delta: every member except the role and a few others carries output (content,
// tool_calls, function_call, refusal, reasoning under its several names, audio), if it
// has content.
func (c *chunk) delta() {
	for first, in := true, c.Open('{'); in && c.Next('}', first); first = false {
		switch string(c.Key()) {
		case "role", "annotations", "name", "id", "type", "provider_specific_fields":
			c.Skip()
		default:
			c.produced = c.HasContent() || c.produced
		}
	}
}

func (f completions) Answer(body []byte) upstream.Answer {
	var w upstream.Whole
	w.Read(body, upstream.CountsBoth, func(key []byte) {
		if string(key) == "choices" {
			w.Each(func() bool { return f.choice(&w) })
			return
		}
		w.Skip()
	})
	return w.Is(w.Parts > 0)
}

// choice says whether a choice is an answer: a message or text that has content or is
// complete. Azure leaves out the message if its filter removed everything.
func (f completions) choice(w *upstream.Whole) bool {
	var has, says bool
	var finish []byte
	for first, in := true, w.Open('{'); in && w.Next('}', first); first = false {
		switch string(w.Key()) {
		case "message":
			h, y := message(&w.Cursor)
			has, says = has || h && f.chat, says || y
		case "text":
			has = has || !f.chat && w.Peek() == '"'
			says = w.HasContent() || says
		case "finish_reason":
			finish = reason(&w.Cursor)
		case "error":
			w.Failed = upstream.Fails(&w.Cursor) || w.Failed
		default:
			w.Skip()
		}
	}
	if broke(finish) {
		w.Failed = true
	}
	return has && (says || len(finish) > 0) || string(finish) == "content_filter"
}

// message says whether a message is present, and whether it has content.
func message(s *jsonscan.Cursor) (is, says bool) {
	for first, in := true, s.Open('{'); in && s.Next('}', first); first = false {
		is = true
		if string(s.Key()) == "role" {
			s.Skip()
		} else {
			says = s.HasContent() || says
		}
	}
	return is, says
}

// broke says whether a finish_reason means that the server gave up: abort in vLLM and
// SGLang, error in OpenRouter and newer vLLM.
func broke(finish []byte) bool { return string(finish) == "error" || string(finish) == "abort" }

// reason reads a finish_reason: a word or, in older SGLang, an object with the word as
// its type.
func reason(s *jsonscan.Cursor) (word []byte) {
	if s.Peek() != '{' {
		return s.Text()
	}
	for first, in := true, s.Open('{'); in && s.Next('}', first); first = false {
		if string(s.Key()) == "type" {
			word = s.Text()
		} else {
			s.Skip()
		}
	}
	return word
}

func (completions) Text(dst, data []byte) []byte { return upstream.AppendNamed(dst, data) }
