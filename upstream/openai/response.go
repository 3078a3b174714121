package openai

import (
	"bytes"

	"weir/jsonscan"
	"weir/upstream"
)

// responses is the format of the Responses API.
type responses struct{}

// event is the result of a walk over one event.
type event struct {
	*upstream.Stream
	fail   bool
	output bool   // a response with output
	kind   []byte // the value of "type"
}

func (responses) Event(s *upstream.Stream, name []byte) upstream.Meaning {
	s.Begin()
	e := event{Stream: s}
	e.walk()
	var m upstream.Meaning
	if s.Has {
		m.Usage = &s.Usage
	}
	if len(e.kind) == 0 {
		e.kind = name
	}
	if m.Kind = upstream.Failed; !e.fail && string(name) != "error" {
		m.Kind, m.Produced = e.meaning()
	}
	return m
}

// meaning classifies the types of events: those that end in .delta carry output.
func (e *event) meaning() (kind upstream.EventKind, produced bool) {
	switch string(e.kind) {
	case "response.completed":
		if !e.output && !e.Something { // completed, without any output
			return upstream.Meta, false
		}
		return upstream.Finish, false
	case "response.incomplete":
		return upstream.Finish, false
	case "response.output_item.done": // some servers do not repeat the items at the end
		e.Something = true
		return upstream.Meta, false
	case "response.failed", "error":
		return upstream.Failed, false
	}
	if bytes.HasSuffix(e.kind, []byte(".delta")) {
		return upstream.Token, true
	}
	return upstream.Meta, false
}

func (e *event) walk() {
	for first, in := true, e.Open('{'); in && e.Next('}', first); first = false {
		switch string(e.Key()) {
		case "type":
			e.kind = upstream.TypeOf(&e.Cursor, e.kind)
		case "error":
			e.fail = upstream.Fails(&e.Cursor) || e.fail
		case "response":
			e.response()
		default:
			e.Skip()
		}
	}
}

// response walks over a response inside an event.
func (e *event) response() {
	for first, in := true, e.Open('{'); in && e.Next('}', first); first = false {
		switch string(e.Key()) {
		case "usage":
			e.Read(&e.Cursor)
		case "service_tier":
			e.Usage.Tier = e.ReadTier(&e.Cursor)
		case "output":
			e.output = e.HasContent() || e.output
		case "status":
			e.fail = string(e.Text()) == "failed" || e.fail
		case "error":
			e.fail = upstream.Fails(&e.Cursor) || e.fail
		default:
			e.Skip()
		}
	}
}

func (responses) Answer(body []byte) upstream.Answer {
	var status string
	var w upstream.Whole
	w.Read(body, upstream.CountsBoth, func(key []byte) {
		switch string(key) {
		case "output":
			w.Each(func() bool { return upstream.Says(&w.Cursor) })
		case "status":
			status = string(w.Text())
		default:
			w.Skip()
		}
	})
	switch status {
	case "failed":
		return w.Is(false)
	case "incomplete", "in_progress", "queued": // the last two: in the background
		return w.Is(true)
	}
	return w.Is(w.Parts > 0)
}

// Text appends the text of an event or an answer. In a stream every text comes several
// times: as deltas, and whole when its part, its item and the response are done. Of an
// event only the delta counts; a whole answer has no type.
func (responses) Text(dst, data []byte) []byte {
	s := jsonscan.At(data)
	var kind, delta []byte
	for first, in := true, s.Open('{'); in && s.Next('}', first); first = false {
		key := s.Key()
		if s.Peek() != '"' {
			s.Skip()
			continue
		}
		switch v := s.Text(); string(key) {
		case "type":
			kind = v
		case "delta":
			delta = v
		}
	}
	switch {
	case bytes.HasSuffix(kind, []byte(".delta")):
		return jsonscan.AppendUnescaped(dst, delta)
	case len(kind) == 0:
		return upstream.AppendNamed(dst, data)
	}
	return dst
}
