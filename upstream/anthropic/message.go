package anthropic

import "weir/upstream"

// messages is the format of the Messages API.
type messages struct{}

// event is the result of a walk over one event.
type event struct {
	*upstream.Stream
	fail   bool
	finish bool
	kind   []byte // the value of "type"
}

func (messages) Event(s *upstream.Stream, name []byte) upstream.Meaning {
	s.Begin()
	s.Counting = upstream.CountsParts
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

func (e *event) meaning() (kind upstream.EventKind, produced bool) {
	switch string(e.kind) {
	case "message_stop":
		return upstream.Done, false
	case "error":
		return upstream.Failed, false
	case "content_block_delta":
		return upstream.Token, true
	case "message_delta":
		if e.finish {
			return upstream.Finish, false
		}
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
		case "usage":
			e.Read(&e.Cursor)
		case "message", "delta":
			e.part()
		default:
			e.Skip()
		}
	}
}

// part walks over the message that an event starts, or the delta it adds.
func (e *event) part() {
	for first, in := true, e.Open('{'); in && e.Next('}', first); first = false {
		switch string(e.Key()) {
		case "usage":
			e.Read(&e.Cursor)
		case "stop_reason":
			e.finish = e.HasContent() || e.finish
		default:
			e.Skip()
		}
	}
}

func (messages) Answer(body []byte) upstream.Answer {
	stopped := false
	var w upstream.Whole
	w.Read(body, upstream.CountsParts, func(key []byte) {
		switch string(key) {
		case "content":
			w.Each(func() bool { return upstream.Says(&w.Cursor) })
		case "stop_reason":
			stopped = len(w.Text()) > 0
		case "type":
			w.Failed = string(w.Text()) == "error" || w.Failed
		default:
			w.Skip()
		}
	})
	return w.Is(w.Listed && (w.Parts > 0 || stopped)) // an answer may end its turn without any block
}

func (messages) Text(dst, data []byte) []byte { return upstream.AppendNamed(dst, data) }
