package upstream

import (
	"bytes"
	"encoding/json"
	"strconv"

	"weir"
)

// AsStream is the stream that an answer which came whole would have been, for a
// caller who asked for one: every member of the answer is in it, in the events
// the operation's own service sends. body is an answer that ReadAnswer finds
// whole. usage says whether a stream of chat or completions ends with its usage.
// It invents no finish: one that the answer lacks the stream lacks.
func AsStream(op weir.Op, body []byte, usage bool) []byte {
	var line bytes.Buffer
	if json.Compact(&line, body) != nil { // an event's data is one line
		return nil
	}
	answer := objectOf(line.Bytes())
	s := &streamed{}
	switch op {
	case weir.OpResponses:
		s.response(answer)
	case weir.OpMessages:
		s.message(answer)
	default:
		s.completion(answer, op, usage)
	}
	return s.out
}

// streamed collects events.
type streamed struct {
	out      []byte
	sequence int // events of a response so far
}

// event appends one. name "" leaves the event's name out.
func (s *streamed) event(name string, o object) {
	if name != "" {
		s.out = append(append(append(s.out, "event: "...), name...), '\n')
	}
	s.out = append(o.append(append(s.out, "data: "...)), "\n\n"...)
}

// completion writes a chunk with what each choice holds and, for chat, one with
// its finish.
func (s *streamed) completion(o object, op weir.Op, usage bool) {
	told := o.get("usage")
	chunk := o.without("usage", "choices")
	if op == weir.OpChat {
		chunk = chunk.with("object", `"chat.completion.chunk"`)
	}
	for i, raw := range elements(o.get("choices")) {
		c := objectOf(raw)
		if c.get("index") == nil {
			c = c.with("index", strconv.Itoa(i))
		}
		if op == weir.OpChat {
			finish := orNull(c.get("finish_reason"))
			first := c.without("message").with("delta", delta(c.get("message"))).with("finish_reason", "null")
			s.event("", chunk.with("choices", list(first)))
			c = object{{"index", c.get("index")}}.with("delta", "{}").with("finish_reason", finish)
		}
		s.event("", chunk.with("choices", list(c)))
	}
	if usage && len(told) > 0 {
		s.event("", chunk.with("choices", "[]").with("usage", string(told)))
	}
	s.out = append(s.out, "data: [DONE]\n\n"...)
}

// delta is a message as a chunk has it: its tool calls are numbered.
func delta(message []byte) string {
	m := objectOf(message)
	if m == nil {
		return "{}"
	}
	if calls := elements(m.get("tool_calls")); len(calls) > 0 {
		numbered := make([]object, len(calls))
		for i, raw := range calls {
			c := objectOf(raw)
			if c.get("index") == nil {
				c = append(object{{"index", strconv.AppendInt(nil, int64(i), 10)}}, c...)
			}
			numbered[i] = c
		}
		m = m.with("tool_calls", list(numbered...))
	}
	return string(m.append(nil))
}

// message writes the events of the Messages API ("Streaming messages",
// docs.anthropic.com): what a block says comes in deltas, one each.
func (s *streamed) message(o object) {
	used := objectOf(o.get("usage"))
	begun := o.with("content", "[]").with("stop_reason", "null").with("stop_sequence", "null")
	if used != nil {
		begun = begun.with("usage", string(used.with("output_tokens", "0").append(nil)))
	}
	s.typed("message_start", object{}.with("message", string(begun.append(nil))))
	for i, raw := range elements(o.get("content")) {
		at := object{}.with("index", strconv.Itoa(i))
		start, deltas := block(objectOf(raw))
		s.typed("content_block_start", at.with("content_block", string(start.append(nil))))
		for _, d := range deltas {
			s.typed("content_block_delta", at.with("delta", string(d.append(nil))))
		}
		s.typed("content_block_stop", at)
	}
	end := object{}.with("stop_reason", orNull(o.get("stop_reason"))).with("stop_sequence", orNull(o.get("stop_sequence")))
	last := object{}.with("delta", string(end.append(nil)))
	if used != nil {
		last = last.with("usage", string(used.append(nil)))
	}
	s.typed("message_delta", last)
	s.typed("message_stop", object{})
}

// block is how a block of content starts in a stream, and its deltas. What has
// no deltas starts whole.
func block(b object) (start object, deltas []object) {
	part := func(kind, member, key string) {
		if v := b.get(key); len(v) > 0 && v[0] == '"' {
			start = start.with(key, `""`)
			deltas = append(deltas, object{}.with("type", quoted(kind)).with(member, string(v)))
		}
	}
	start = b
	switch text(b.get("type")) {
	case "text":
		part("text_delta", "text", "text")
		for _, c := range elements(b.get("citations")) {
			start = start.with("citations", "[]")
			deltas = append(deltas, object{}.with("type", `"citations_delta"`).with("citation", string(c)))
		}
	case "thinking":
		part("thinking_delta", "thinking", "thinking")
		part("signature_delta", "signature", "signature")
	case "tool_use", "server_tool_use":
		if in := b.get("input"); in != nil {
			start = start.with("input", "{}")
			deltas = append(deltas, object{}.with("type", `"input_json_delta"`).with("partial_json", quoted(string(in))))
		}
	}
	return start, deltas
}

// typed appends an event whose name is its data's type too.
func (s *streamed) typed(kind string, o object) {
	s.event(kind, append(object{}.with("type", quoted(kind)), o...))
}

func orNull(v []byte) string {
	if len(v) == 0 {
		return "null"
	}
	return string(v)
}
