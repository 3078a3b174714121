package upstream

import "strconv"

// response writes the events of the Responses API ("Streaming events",
// platform.openai.com): each item of the output is added, filled and done, then
// the response is what it is.
func (s *streamed) response(o object) {
	begun := o.with("status", `"in_progress"`).with("output", "[]").with("usage", "null")
	s.numbered("response.created", object{}.with("response", string(begun.append(nil))))
	s.numbered("response.in_progress", object{}.with("response", string(begun.append(nil))))
	for i, raw := range elements(o.get("output")) {
		s.item(i, objectOf(raw))
	}
	kind := "response.completed"
	switch status := text(o.get("status")); status {
	case "incomplete", "queued":
		kind = "response." + status
	case "in_progress": // in the background: it was said above
		return
	}
	s.numbered(kind, object{}.with("response", string(o.append(nil))))
}

// item writes one item of the output.
func (s *streamed) item(i int, item object) {
	at := object{}.with("output_index", strconv.Itoa(i))
	in := at
	if id := item.get("id"); id != nil {
		in = append(object{{"item_id", id}}, at...)
	}
	start := item
	if item.get("status") != nil {
		start = start.with("status", `"in_progress"`)
	}
	switch text(item.get("type")) {
	case "message":
		s.numbered("response.output_item.added", at.with("item", string(start.with("content", "[]").append(nil))))
		for j, raw := range elements(item.get("content")) {
			s.part(in.with("content_index", strconv.Itoa(j)), objectOf(raw))
		}
	case "reasoning":
		s.numbered("response.output_item.added", at.with("item", string(start.with("summary", "[]").append(nil))))
		for j, raw := range elements(item.get("summary")) {
			s.summary(in.with("summary_index", strconv.Itoa(j)), objectOf(raw))
		}
	case "function_call":
		s.argued(at, in, start, "arguments", "response.function_call_arguments")
	case "custom_tool_call":
		s.argued(at, in, start, "input", "response.custom_tool_call_input")
	case "mcp_call":
		s.argued(at, in, start, "arguments", "response.mcp_call_arguments")
	default:
		s.numbered("response.output_item.added", at.with("item", string(start.append(nil))))
	}
	s.numbered("response.output_item.done", at.with("item", string(item.append(nil))))
}

// argued writes a call whose arguments come as a text of their own.
func (s *streamed) argued(at, in, start object, member, kind string) {
	value := start.get(member)
	if value == nil {
		s.numbered("response.output_item.added", at.with("item", string(start.append(nil))))
		return
	}
	s.numbered("response.output_item.added", at.with("item", string(start.with(member, `""`).append(nil))))
	s.numbered(kind+".delta", in.with("delta", string(value)))
	s.numbered(kind+".done", in.with(member, string(value)))
}

// part writes one part of a message.
func (s *streamed) part(at, part object) {
	kind, member := "", ""
	switch text(part.get("type")) {
	case "output_text":
		kind, member = "response.output_text", "text"
	case "refusal":
		kind, member = "response.refusal", "refusal"
	}
	value := part.get(member)
	if value == nil {
		s.numbered("response.content_part.added", at.with("part", string(part.append(nil))))
		s.numbered("response.content_part.done", at.with("part", string(part.append(nil))))
		return
	}
	bare := part.with(member, `""`)
	if part.get("annotations") != nil {
		bare = bare.with("annotations", "[]")
	}
	s.numbered("response.content_part.added", at.with("part", string(bare.append(nil))))
	delta, done := at.with("delta", string(value)), at.with(member, string(value))
	if member == "text" {
		logprobs := part.get("logprobs")
		if logprobs == nil {
			logprobs = []byte("[]")
		}
		delta, done = delta.with("logprobs", string(logprobs)), done.with("logprobs", string(logprobs))
	}
	s.numbered(kind+".delta", delta)
	for i, a := range elements(part.get("annotations")) {
		s.numbered("response.output_text.annotation.added", at.with("annotation_index", strconv.Itoa(i)).with("annotation", string(a)))
	}
	s.numbered(kind+".done", done)
	s.numbered("response.content_part.done", at.with("part", string(part.append(nil))))
}

// summary writes one part of the summary of a reasoning.
func (s *streamed) summary(at, part object) {
	value := part.get("text")
	if value == nil {
		return
	}
	const kind = "response.reasoning_summary_"
	s.numbered(kind+"part.added", at.with("part", string(part.with("text", `""`).append(nil))))
	s.numbered(kind+"text.delta", at.with("delta", string(value)))
	s.numbered(kind+"text.done", at.with("text", string(value)))
	s.numbered(kind+"part.done", at.with("part", string(part.append(nil))))
}

// numbered appends an event of a response.
func (s *streamed) numbered(kind string, o object) {
	head := object{}.with("type", quoted(kind)).with("sequence_number", strconv.Itoa(s.sequence))
	s.sequence++
	s.event(kind, append(head, o...))
}
