package upstream

import (
	"bytes"
	"encoding/json"
	"strconv"

	"weir"
	"weir/jsonscan"
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
	answer := jsonscan.ObjectOf(line.Bytes())
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
func (s *streamed) event(name string, o jsonscan.Object) {
	if name != "" {
		s.out = append(append(append(s.out, "event: "...), name...), '\n')
	}
	s.out = append(o.Append(append(s.out, "data: "...)), "\n\n"...)
}

// completion writes a chunk with what each choice holds and, for chat, one with
// its finish.
func (s *streamed) completion(o jsonscan.Object, op weir.Op, usage bool) {
	told := o.Get("usage")
	chunk := o.Without("usage", "choices")
	if op == weir.OpChat {
		chunk = chunk.With("object", `"chat.completion.chunk"`)
	}
	for i, raw := range jsonscan.Elements(o.Get("choices")) {
		c := jsonscan.ObjectOf(raw)
		if c.Get("index") == nil {
			c = c.With("index", strconv.Itoa(i))
		}
		if op == weir.OpChat {
			finish := orNull(c.Get("finish_reason"))
			first := c.Without("message").With("delta", delta(c.Get("message"))).With("finish_reason", "null")
			s.event("", chunk.With("choices", jsonscan.List(first)))
			c = jsonscan.Object{{Key: "index", Value: c.Get("index")}}.With("delta", "{}").With("finish_reason", finish)
		}
		s.event("", chunk.With("choices", jsonscan.List(c)))
	}
	if usage && len(told) > 0 {
		s.event("", chunk.With("choices", "[]").With("usage", string(told)))
	}
	s.out = append(s.out, "data: [DONE]\n\n"...)
}

// delta is a message as a chunk has it: its tool calls are numbered.
func delta(message []byte) string {
	m := jsonscan.ObjectOf(message)
	if m == nil {
		return "{}"
	}
	if calls := jsonscan.Elements(m.Get("tool_calls")); len(calls) > 0 {
		numbered := make([]jsonscan.Object, len(calls))
		for i, raw := range calls {
			c := jsonscan.ObjectOf(raw)
			if c.Get("index") == nil {
				c = append(jsonscan.Object{{Key: "index", Value: strconv.AppendInt(nil, int64(i), 10)}}, c...)
			}
			numbered[i] = c
		}
		m = m.With("tool_calls", jsonscan.List(numbered...))
	}
	return m.String()
}

// message writes the events of the Messages API ("Streaming messages",
// docs.anthropic.com): what a block says comes in deltas, one each.
func (s *streamed) message(o jsonscan.Object) {
	used := jsonscan.ObjectOf(o.Get("usage"))
	begun := o.With("content", "[]").With("stop_reason", "null").With("stop_sequence", "null")
	if used != nil {
		begun = begun.With("usage", used.With("output_tokens", "0").String())
	}
	s.typed("message_start", jsonscan.Object{}.With("message", begun.String()))
	for i, raw := range jsonscan.Elements(o.Get("content")) {
		at := jsonscan.Object{}.With("index", strconv.Itoa(i))
		start, deltas := block(jsonscan.ObjectOf(raw))
		s.typed("content_block_start", at.With("content_block", start.String()))
		for _, d := range deltas {
			s.typed("content_block_delta", at.With("delta", d.String()))
		}
		s.typed("content_block_stop", at)
	}
	end := jsonscan.Object{}.With("stop_reason", orNull(o.Get("stop_reason"))).With("stop_sequence", orNull(o.Get("stop_sequence")))
	last := jsonscan.Object{}.With("delta", end.String())
	if used != nil {
		last = last.With("usage", used.String())
	}
	s.typed("message_delta", last)
	s.typed("message_stop", jsonscan.Object{})
}

// block is how a block of content starts in a stream, and its deltas. What has
// no deltas starts whole.
func block(b jsonscan.Object) (start jsonscan.Object, deltas []jsonscan.Object) {
	part := func(kind, member, key string) {
		if v := b.Get(key); len(v) > 0 && v[0] == '"' {
			start = start.With(key, `""`)
			deltas = append(deltas, jsonscan.Object{}.With("type", jsonscan.Quoted(kind)).With(member, string(v)))
		}
	}
	start = b
	switch jsonscan.TextOf(b.Get("type")) {
	case "text":
		part("text_delta", "text", "text")
		for _, c := range jsonscan.Elements(b.Get("citations")) {
			start = start.With("citations", "[]")
			deltas = append(deltas, jsonscan.Object{}.With("type", `"citations_delta"`).With("citation", string(c)))
		}
	case "thinking":
		part("thinking_delta", "thinking", "thinking")
		part("signature_delta", "signature", "signature")
	case "tool_use", "server_tool_use":
		if in := b.Get("input"); in != nil {
			start = start.With("input", "{}")
			deltas = append(deltas, jsonscan.Object{}.With("type", `"input_json_delta"`).With("partial_json", jsonscan.Quoted(string(in))))
		}
	}
	return start, deltas
}

// typed appends an event whose name is its data's type too.
func (s *streamed) typed(kind string, o jsonscan.Object) {
	s.event(kind, append(jsonscan.Object{}.With("type", jsonscan.Quoted(kind)), o...))
}

func orNull(v []byte) string {
	if len(v) == 0 {
		return "null"
	}
	return string(v)
}
