package anthropic

import (
	"strconv"

	"weir/jsonscan"
	"weir/sse"
)

// streamed collects events.
type streamed struct{ out []byte }

// AsStream writes the events of the Messages API ("Streaming messages",
// docs.anthropic.com), with one delta for each text of a block.
func (messages) AsStream(o jsonscan.Object, _ bool) []byte {
	s := &streamed{}
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
	return s.out
}

// block is how a content block starts in a stream, and its deltas. A block without
// deltas starts complete.
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

// typed appends an event named like the type of its data.
func (s *streamed) typed(kind string, o jsonscan.Object) {
	s.out = sse.Append(s.out, kind, append(jsonscan.Object{}.With("type", jsonscan.Quoted(kind)), o...).Append(nil))
}

func orNull(v []byte) string {
	if len(v) == 0 {
		return "null"
	}
	return string(v)
}
