package emulate

import (
	"encoding/json"
	"net/http"
)

func parseResponse(w http.ResponseWriter, r *http.Request, s *Server) (*call, *problem) {
	var q struct {
		Model           string          `json:"model"`
		Input           json.RawMessage `json:"input"`
		Instructions    string          `json:"instructions"`
		Stream          bool            `json:"stream"`
		MaxOutputTokens *int            `json:"max_output_tokens"`
		Previous        string          `json:"previous_response_id"`
		Store           *bool           `json:"store"`
		Tools           []namedTool     `json:"tools"`
		ToolChoice      json.RawMessage `json:"tool_choice"`
		Text            struct {
			Format struct {
				Type   string          `json:"type"`
				Schema json.RawMessage `json:"schema"`
			} `json:"format"`
		} `json:"text"`
	}
	if p := read(w, r, &q); p != nil {
		return nil, p
	}
	c := &call{model: modelOf(r, q.Model), stream: q.Stream}
	if q.MaxOutputTokens != nil {
		if c.limits.most = *q.MaxOutputTokens; c.limits.most < 1 {
			return nil, bad("max_output_tokens", "max_output_tokens must be at least 1")
		}
	}
	if q.Instructions != "" {
		c.prompt.tokens += perMessage
		c.prompt.add(plainPrompt(q.Instructions))
	}
	if p := readInput(&c.prompt, q.Input); p != nil {
		return nil, p
	}
	for _, t := range q.Tools {
		c.prompt.add(plainPrompt(t.Name + string(t.args())))
	}
	if p := s.kept.goesOn(q.Previous); p != nil {
		return nil, p
	}
	room, p := s.admit(c, "input")
	if p != nil {
		return nil, p
	}
	want := wanted{format: q.Text.Format.Type, schema: q.Text.Format.Schema}
	if p := want.mustCall(q.Tools, q.ToolChoice, "required"); p != nil {
		return nil, p
	}
	c.decide(want, room)
	d := &responseDialect{previous: q.Previous}
	if q.Store == nil || *q.Store {
		d.keep = func(response fields) { s.kept.put("resp_"+c.id, keptAnswer{response, inputItems(q.Input)}) }
	}
	c.dialect = d
	return c, nil
}

// readInput reads a string, or the items of a conversation.
func readInput(into *prompt, raw json.RawMessage) *problem {
	var one string
	if json.Unmarshal(raw, &one) == nil {
		into.tokens += perMessage
		into.add(plainPrompt(one))
		return nil
	}
	var items []struct {
		Content   json.RawMessage `json:"content"`
		Output    json.RawMessage `json:"output"`
		Arguments string          `json:"arguments"`
	}
	if json.Unmarshal(raw, &items) != nil || len(items) == 0 {
		return bad("input", "input: want a string or a non-empty array of items")
	}
	for _, it := range items {
		text, err := content(it.Content)
		if err != nil {
			return bad("input", "input: "+err.Error())
		}
		into.tokens += perMessage
		into.add(text)
		into.add(plainPrompt(string(it.Output) + it.Arguments))
	}
	return nil
}

// inputItems is the input as a list of items.
func inputItems(raw json.RawMessage) any {
	var one string
	if json.Unmarshal(raw, &one) == nil {
		return []any{fields{"id": "msg_in", "type": "message", "role": "user", "content": []any{fields{"type": "input_text", "text": one}}}}
	}
	return raw
}

// responseDialect writes the events of OpenAI's Responses API, numbered in
// one sequence.
type responseDialect struct {
	seq      int
	previous string
	keep     func(response fields) // nil: the answer is not kept
}

type fields = map[string]any

func (d *responseDialect) event(b []byte, kind string, data fields) []byte {
	data["type"], data["sequence_number"] = kind, d.seq
	d.seq++
	return named(b, kind, data)
}

func (d *responseDialect) open(b []byte, c *call) []byte {
	b = d.event(b, "response.created", fields{"response": d.response(c, "in_progress", nil, nil)})
	b = d.event(b, "response.in_progress", fields{"response": d.response(c, "in_progress", nil, nil)})
	b = d.event(b, "response.output_item.added", fields{"output_index": 0, "item": d.item(c, "in_progress", "", false)})
	if c.answer.tool != "" {
		return b
	}
	return d.event(b, "response.content_part.added", fields{"item_id": "msg_" + c.id, "output_index": 0, "content_index": 0, "part": d.part("")})
}

func (d *responseDialect) token(b []byte, c *call, i int) []byte {
	if c.answer.tool != "" {
		return d.event(b, "response.function_call_arguments.delta", fields{"item_id": "fc_" + c.id, "output_index": 0, "delta": c.answer.piece(i)})
	}
	return d.event(b, "response.output_text.delta", fields{"item_id": "msg_" + c.id, "output_index": 0, "content_index": 0, "delta": c.answer.piece(i), "logprobs": []any{}})
}

func (d *responseDialect) close(b []byte, c *call, u usage) []byte {
	text, status := c.answer.text(u.completion), responseStatus(c)
	if c.answer.tool != "" {
		b = d.event(b, "response.function_call_arguments.done", fields{"item_id": "fc_" + c.id, "output_index": 0, "name": c.answer.tool, "arguments": text})
	} else {
		at := func(more fields) fields {
			more["item_id"], more["output_index"], more["content_index"] = "msg_"+c.id, 0, 0
			return more
		}
		b = d.event(b, "response.output_text.done", at(fields{"text": text, "logprobs": []any{}}))
		b = d.event(b, "response.content_part.done", at(fields{"part": d.part(text)}))
	}
	item := d.item(c, status, text, true)
	b = d.event(b, "response.output_item.done", fields{"output_index": 0, "item": item})
	return d.event(b, "response."+status, fields{"response": d.ended(c, status, item, &u)})
}

func (d *responseDialect) whole(c *call, u usage) any {
	status := responseStatus(c)
	return d.ended(c, status, d.item(c, status, c.answer.text(u.completion), true), &u)
}

// ended is the whole answer, kept if requested.
func (d *responseDialect) ended(c *call, status string, item fields, u *usage) fields {
	r := d.response(c, status, []any{item}, u)
	if d.keep != nil {
		d.keep(r)
	}
	return r
}

func responseStatus(c *call) string {
	if c.answer.finish == length {
		return "incomplete"
	}
	return "completed"
}

func (d *responseDialect) part(text string) fields {
	return fields{"type": "output_text", "text": text, "annotations": []any{}, "logprobs": []any{}}
}

// item is the answer: a message, or a call of a tool. ended: with its text.
func (d *responseDialect) item(c *call, status, text string, ended bool) fields {
	if c.answer.tool != "" {
		return fields{"id": "fc_" + c.id, "type": "function_call", "call_id": "call_" + c.id, "name": c.answer.tool, "arguments": text, "status": status}
	}
	parts := []any{}
	if ended {
		parts = append(parts, d.part(text))
	}
	return fields{"id": "msg_" + c.id, "type": "message", "role": "assistant", "status": status, "content": parts}
}

func (d *responseDialect) response(c *call, status string, output []any, u *usage) fields {
	if output == nil {
		output = []any{}
	}
	r := fields{
		"id": "resp_" + c.id, "object": "response", "created_at": c.created, "status": status, "model": c.model, "output": output,
		"error": nil, "incomplete_details": nil, "instructions": nil, "metadata": fields{}, "parallel_tool_calls": true,
		"tool_choice": "auto", "tools": []any{}, "temperature": 1, "top_p": 1, "usage": nil,
		"previous_response_id": orNull(d.previous), "store": d.keep != nil,
	}
	if status == "incomplete" {
		r["incomplete_details"] = fields{"reason": "max_output_tokens"}
	}
	if u != nil {
		r["usage"] = fields{
			"input_tokens": u.prompt, "input_tokens_details": fields{"cached_tokens": u.cached},
			"output_tokens": u.completion, "output_tokens_details": fields{"reasoning_tokens": 0}, "total_tokens": u.prompt + u.completion,
		}
	}
	return r
}
