package openai

import (
	"strconv"

	"weir/jsonscan"
	"weir/sse"
)

// AsStream writes a chunk with the content of each choice and, for chat, another with
// its finish.
func (f completions) AsStream(o jsonscan.Object, usage bool) (out []byte) {
	told := o.Get("usage")
	chunk := o.Without("usage", "choices")
	if f.chat {
		chunk = chunk.With("object", `"chat.completion.chunk"`)
	}
	for i, raw := range jsonscan.Elements(o.Get("choices")) {
		c := jsonscan.ObjectOf(raw)
		if c.Get("index") == nil {
			c = c.With("index", strconv.Itoa(i))
		}
		if f.chat {
			finish := orNull(c.Get("finish_reason"))
			first := c.Without("message").With("delta", delta(c.Get("message"))).With("finish_reason", "null")
			out = sse.Append(out, "", chunk.With("choices", jsonscan.List(first)).Append(nil))
			c = jsonscan.Object{{Key: "index", Value: c.Get("index")}}.With("delta", "{}").With("finish_reason", finish)
		}
		out = sse.Append(out, "", chunk.With("choices", jsonscan.List(c)).Append(nil))
	}
	if usage && len(told) > 0 {
		out = sse.Append(out, "", chunk.With("choices", "[]").With("usage", string(told)).Append(nil))
	}
	return append(out, "data: [DONE]\n\n"...)
}

// delta is a message in the form of a chunk: its tool calls have indexes.
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

func orNull(v []byte) string {
	if len(v) == 0 {
		return "null"
	}
	return string(v)
}
