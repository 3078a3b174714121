package upstream

import (
	"bytes"

	"weir"
	"weir/jsonscan"
)

// found is what a walk over one object of a stream, or over an answer, saw.
type found struct {
	counts
	op        weir.Op
	hasUsage  bool // and it can be
	usageCame bool // whether or not it can be
	choices   bool // a choice, whatever is in it
	finish    bool
	produced  bool
	fail      bool
	output    bool   // a response with output
	kind      []byte // the value of "type" (responses, messages)
	progress
}

// classify says what an event's data mean. The text a model produces may hold
// anything, a "usage" or a [DONE] too: only where a key stands tells.
func (e *Events) classify(ev *Event, name []byte) {
	switch string(bytes.TrimSpace(ev.Data)) {
	case "[DONE]":
		ev.Kind = Done
		return
	case "": // a client would not dispatch it: a keep-alive
		return
	}
	s := jsonscan.At(ev.Data)
	if s.Peek() != '{' {
		ev.Kind = Malformed
		return
	}
	f := &e.seen
	*f = found{counts: f.counts, op: f.op, progress: f.progress}
	switch f.op {
	case weir.OpResponses:
		f.response(&s)
	case weir.OpMessages:
		f.message(&s)
	default:
		f.counts = counts{tier: f.tier}
		f.completion(&s)
	}
	if !s.Done() {
		ev.Kind = Malformed
		return
	}
	ev.Kind, ev.Produced = f.meaning(f.op, name), f.produced
	f.something = f.something || f.produced
	if f.hasUsage {
		ev.Usage = &f.usage
	}
	if ev.Kind == Failed {
		ev.Fail = readStreamFailure(ev.Data)
	}
}

// meaning sums up what was found.
func (f *found) meaning(op weir.Op, name []byte) EventKind {
	kind := f.kind
	if len(kind) == 0 {
		kind = name
	}
	switch {
	case f.fail, string(name) == "error":
		return Failed
	case op == weir.OpResponses:
		return f.responseMeaning(kind)
	case op == weir.OpMessages:
		return f.messageMeaning(kind)
	case f.finish:
		return Finish
	case f.produced:
		return Token
	case f.usageCame && !f.choices:
		return Usage
	}
	return Meta
}

// responseMeaning reads the types of the Responses API: what is produced comes
// in events that end in .delta.
func (f *found) responseMeaning(kind []byte) EventKind {
	switch string(kind) {
	case "response.completed":
		if !f.output && !f.something { // completed, and nothing is there
			return Meta
		}
		return Finish
	case "response.incomplete":
		return Finish
	case "response.output_item.done": // some servers repeat no item at the end
		f.something = true
		return Meta
	case "response.failed", "error":
		return Failed
	}
	if bytes.HasSuffix(kind, []byte(".delta")) {
		f.produced = true
		return Token
	}
	return Meta
}

func (f *found) messageMeaning(kind []byte) EventKind {
	switch string(kind) {
	case "message_stop":
		return Done
	case "error":
		return Failed
	case "content_block_delta":
		f.produced = true
		return Token
	case "message_delta":
		if f.finish {
			return Finish
		}
	}
	return Meta
}

// completion walks over a chunk, or a whole answer, of chat or completions.
func (f *found) completion(s *jsonscan.Cursor) {
	for first, in := true, s.Open('{'); in && s.Next('}', first); first = false {
		switch string(s.Key()) {
		case "choices":
			for first, in := true, s.Open('['); in && s.Next(']', first); first = false {
				f.choices = true
				f.choice(s)
			}
		case "usage", "usageMetadata":
			f.usageObject(s)
		case "x_groq":
			f.usageWithin(s)
		case "service_tier":
			f.tierOf(s)
			f.usage.Tier = f.tier
		case "error":
			f.fail = fails(s) || f.fail
		case "object": // an older vLLM: {"object":"error","message":...}
			f.fail = string(s.Text()) == "error" || f.fail
		default:
			s.Skip()
		}
	}
}

func (f *found) choice(s *jsonscan.Cursor) {
	index, before := int64(0), f.produced
	f.produced = false
	var finish []byte
	for first, in := true, s.Open('{'); in && s.Next('}', first); first = false {
		switch string(s.Key()) {
		case "index":
			index, _ = count(s)
		case "finish_reason":
			finish = reason(s)
		case "error":
			f.fail = fails(s) || f.fail
		case "text":
			f.produced = s.HasContent() || f.produced
		case "delta":
			f.delta(s)
		case "usage": // Moonshot's
			f.usageObject(s)
		default:
			s.Skip()
		}
	}
	f.fail = f.fail || broke(finish)
	f.finish = f.finish || len(finish) > 0
	f.saw(index, f.produced, len(finish) > 0)
	f.produced = f.produced || before
}

// delta: everything in it but the role is something produced (content,
// tool_calls, function_call, refusal, reasoning under its several names,
// audio), when there is something in it.
func (f *found) delta(s *jsonscan.Cursor) {
	for first, in := true, s.Open('{'); in && s.Next('}', first); first = false {
		switch string(s.Key()) {
		case "role", "annotations", "name", "id", "type", "provider_specific_fields":
			s.Skip()
		default:
			f.produced = s.HasContent() || f.produced
		}
	}
}

// response walks over an event of the Responses API.
func (f *found) response(s *jsonscan.Cursor) {
	for first, in := true, s.Open('{'); in && s.Next('}', first); first = false {
		switch string(s.Key()) {
		case "type":
			f.typed(s)
		case "error":
			f.fail = fails(s) || f.fail
		case "response":
			f.responseObject(s)
		default:
			s.Skip()
		}
	}
}

// responseObject walks over a response as an event of its own stream shows it.
func (f *found) responseObject(s *jsonscan.Cursor) {
	for first, in := true, s.Open('{'); in && s.Next('}', first); first = false {
		switch string(s.Key()) {
		case "usage":
			f.usageObject(s)
		case "service_tier":
			f.tierOf(s)
			f.usage.Tier = f.tier
		case "output":
			f.output = s.HasContent() || f.output
		case "status":
			f.fail = string(s.Text()) == "failed" || f.fail
		case "error":
			f.fail = fails(s) || f.fail
		default:
			s.Skip()
		}
	}
}

func (f *found) typed(s *jsonscan.Cursor) {
	if s.Peek() == '"' {
		f.kind = s.Text()
		return
	}
	s.Skip()
}

// message walks over an event of the Messages API.
func (f *found) message(s *jsonscan.Cursor) {
	for first, in := true, s.Open('{'); in && s.Next('}', first); first = false {
		switch string(s.Key()) {
		case "type":
			f.typed(s)
		case "error":
			f.fail = fails(s) || f.fail
		case "usage":
			f.usageObject(s)
		case "message", "delta":
			for first, in := true, s.Open('{'); in && s.Next('}', first); first = false {
				switch string(s.Key()) {
				case "usage":
					f.usageObject(s)
				case "stop_reason":
					f.finish = s.HasContent() || f.finish
				default:
					s.Skip()
				}
			}
		default:
			s.Skip()
		}
	}
}
