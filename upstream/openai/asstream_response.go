package openai

import (
	"strconv"

	"weir/jsonscan"
	"weir/sse"
)

// streamed collects events.
type streamed struct {
	out      []byte
	sequence int // events so far
}

// AsStream writes the events of the Responses API ("Streaming events",
// platform.openai.com): each output item is added, filled and done; the complete
// response comes last.
func (responses) AsStream(o jsonscan.Object, _ bool) []byte {
	s := &streamed{}
	begun := o.With("status", `"in_progress"`).With("output", "[]").With("usage", "null")
	s.numbered("response.created", jsonscan.Object{}.With("response", begun.String()))
	s.numbered("response.in_progress", jsonscan.Object{}.With("response", begun.String()))
	for i, raw := range jsonscan.Elements(o.Get("output")) {
		s.item(i, jsonscan.ObjectOf(raw))
	}
	kind := "response.completed"
	switch status := jsonscan.TextOf(o.Get("status")); status {
	case "incomplete", "queued":
		kind = "response." + status
	case "in_progress": // in the background: already sent above
		return s.out
	}
	s.numbered(kind, jsonscan.Object{}.With("response", o.String()))
	return s.out
}

// item writes one item of the output.
func (s *streamed) item(i int, item jsonscan.Object) {
	at := jsonscan.Object{}.With("output_index", strconv.Itoa(i))
	in := at
	if id := item.Get("id"); id != nil {
		in = append(jsonscan.Object{{Key: "item_id", Value: id}}, at...)
	}
	start := item
	if item.Get("status") != nil {
		start = start.With("status", `"in_progress"`)
	}
	switch jsonscan.TextOf(item.Get("type")) {
	case "message":
		s.numbered("response.output_item.added", at.With("item", start.With("content", "[]").String()))
		for j, raw := range jsonscan.Elements(item.Get("content")) {
			s.part(in.With("content_index", strconv.Itoa(j)), jsonscan.ObjectOf(raw))
		}
	case "reasoning":
		s.numbered("response.output_item.added", at.With("item", start.With("summary", "[]").String()))
		for j, raw := range jsonscan.Elements(item.Get("summary")) {
			s.summary(in.With("summary_index", strconv.Itoa(j)), jsonscan.ObjectOf(raw))
		}
	case "function_call":
		s.argued(at, in, start, "arguments", "response.function_call_arguments")
	case "custom_tool_call":
		s.argued(at, in, start, "input", "response.custom_tool_call_input")
	case "mcp_call":
		s.argued(at, in, start, "arguments", "response.mcp_call_arguments")
	default:
		s.numbered("response.output_item.added", at.With("item", start.String()))
	}
	s.numbered("response.output_item.done", at.With("item", item.String()))
}

// argued writes a call whose arguments are sent as deltas.
func (s *streamed) argued(at, in, start jsonscan.Object, member, kind string) {
	value := start.Get(member)
	if value == nil {
		s.numbered("response.output_item.added", at.With("item", start.String()))
		return
	}
	s.numbered("response.output_item.added", at.With("item", string(start.With(member, `""`).Append(nil))))
	s.numbered(kind+".delta", in.With("delta", string(value)))
	s.numbered(kind+".done", in.With(member, string(value)))
}

// part writes one part of a message.
func (s *streamed) part(at, part jsonscan.Object) {
	kind, member := "", ""
	switch jsonscan.TextOf(part.Get("type")) {
	case "output_text":
		kind, member = "response.output_text", "text"
	case "refusal":
		kind, member = "response.refusal", "refusal"
	}
	value := part.Get(member)
	if value == nil {
		s.numbered("response.content_part.added", at.With("part", part.String()))
		s.numbered("response.content_part.done", at.With("part", part.String()))
		return
	}
	bare := part.With(member, `""`)
	if part.Get("annotations") != nil {
		bare = bare.With("annotations", "[]")
	}
	s.numbered("response.content_part.added", at.With("part", bare.String()))
	delta, done := at.With("delta", string(value)), at.With(member, string(value))
	if member == "text" {
		logprobs := part.Get("logprobs")
		if logprobs == nil {
			logprobs = []byte("[]")
		}
		delta, done = delta.With("logprobs", string(logprobs)), done.With("logprobs", string(logprobs))
	}
	s.numbered(kind+".delta", delta)
	for i, a := range jsonscan.Elements(part.Get("annotations")) {
		s.numbered("response.output_text.annotation.added", at.With("annotation_index", strconv.Itoa(i)).With("annotation", string(a)))
	}
	s.numbered(kind+".done", done)
	s.numbered("response.content_part.done", at.With("part", part.String()))
}

// summary writes one part of a reasoning summary.
func (s *streamed) summary(at, part jsonscan.Object) {
	value := part.Get("text")
	if value == nil {
		return
	}
	const kind = "response.reasoning_summary_"
	s.numbered(kind+"part.added", at.With("part", part.With("text", `""`).String()))
	s.numbered(kind+"text.delta", at.With("delta", string(value)))
	s.numbered(kind+"text.done", at.With("text", string(value)))
	s.numbered(kind+"part.done", at.With("part", part.String()))
}

// numbered appends an event with the next sequence number.
func (s *streamed) numbered(kind string, o jsonscan.Object) {
	head := jsonscan.Object{}.With("type", jsonscan.Quoted(kind)).With("sequence_number", strconv.Itoa(s.sequence))
	s.sequence++
	s.out = sse.Append(s.out, kind, append(head, o...).Append(nil))
}
