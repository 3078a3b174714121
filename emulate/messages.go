package emulate

import (
	"encoding/json"
	"net/http"
	"strings"
)

func parseMessages(w http.ResponseWriter, r *http.Request, s *Server) (*call, *problem) {
	var q struct {
		Model    string          `json:"model"`
		System   json.RawMessage `json:"system"`
		Messages []struct {
			Content json.RawMessage `json:"content"`
		} `json:"messages"`
		MaxTokens    int             `json:"max_tokens"`
		Stops        json.RawMessage `json:"stop_sequences"`
		Tools        []namedTool     `json:"tools"`
		ToolChoice   json.RawMessage `json:"tool_choice"`
		OutputConfig struct {
			Format struct {
				Type   string          `json:"type"`
				Schema json.RawMessage `json:"schema"`
			} `json:"format"`
		} `json:"output_config"`
		Stream bool `json:"stream"`
	}
	if p := read(w, r, &q); p != nil {
		return nil, p
	}
	c := &call{model: q.Model, stream: q.Stream, limits: limits{most: q.MaxTokens}}
	if q.MaxTokens < 1 && !strings.HasSuffix(r.URL.Path, "/count_tokens") {
		return nil, bad("max_tokens", "max_tokens: want at least 1")
	}
	if len(q.Messages) == 0 {
		return nil, bad("messages", "messages: want at least one")
	}
	raws := []json.RawMessage{q.System}
	for _, m := range q.Messages {
		raws = append(raws, m.Content)
	}
	for _, raw := range raws {
		text, err := content(raw)
		if err != nil {
			return nil, bad("messages", err.Error())
		}
		c.prompt.add(text)
	}
	c.prompt.tokens += perMessage * len(q.Messages)
	for _, t := range q.Tools {
		c.prompt.add(plainPrompt(t.Name + string(t.args())))
	}
	room, p := s.admit(c, "messages")
	if p != nil {
		return nil, p
	}
	want := wanted{format: q.OutputConfig.Format.Type, schema: q.OutputConfig.Format.Schema}
	if want.stops, p = readStops(q.Stops, "stop_sequences"); p != nil {
		return nil, p
	}
	if p := want.mustCall(q.Tools, q.ToolChoice, "any"); p != nil {
		return nil, p
	}
	c.decide(want, room)
	c.dialect = messageDialect{}
	return c, nil
}

// messageDialect writes Anthropic's messages and their events.
type messageDialect struct{}

func (d messageDialect) open(b []byte, c *call) []byte {
	b = named(b, "message_start", fields{"type": "message_start", "message": d.message(c, []any{}, nil, usage{prompt: c.prompt.tokens})})
	block := fields{"type": "text", "text": ""}
	if c.answer.tool != "" {
		block = d.toolUse(c, fields{})
	}
	return named(b, "content_block_start", fields{"type": "content_block_start", "index": 0, "content_block": block})
}

func (d messageDialect) toolUse(c *call, input any) fields {
	return fields{"type": "tool_use", "id": "toolu_" + c.id, "name": c.answer.tool, "input": input}
}

func (d messageDialect) token(b []byte, c *call, i int) []byte {
	if c.answer.tool != "" {
		return named(b, "content_block_delta", fields{"type": "content_block_delta", "index": 0, "delta": fields{"type": "input_json_delta", "partial_json": c.answer.piece(i)}})
	}
	b = append(b, `event: content_block_delta`+"\n"+`data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":`...)
	b = append(b, c.answer.quotedPiece(i)...)
	return append(b, "}}\n\n"...)
}

func (d messageDialect) close(b []byte, c *call, u usage) []byte {
	b = named(b, "content_block_stop", fields{"type": "content_block_stop", "index": 0})
	b = named(b, "message_delta", fields{
		"type": "message_delta", "delta": fields{"stop_reason": stopReason(c), "stop_sequence": orNull(c.answer.ended)},
		"usage": fields{"output_tokens": u.completion},
	})
	return named(b, "message_stop", fields{"type": "message_stop"})
}

func (d messageDialect) whole(c *call, u usage) any {
	text := c.answer.text(u.completion)
	block := fields{"type": "text", "text": text}
	if c.answer.tool != "" {
		input := fields{} // an answer that was cut has no object to show
		_ = json.Unmarshal([]byte(text), &input)
		block = d.toolUse(c, input)
	}
	return d.message(c, []any{block}, stopReason(c), u)
}

func stopReason(c *call) string {
	switch {
	case c.answer.finish == length:
		return "max_tokens"
	case c.answer.tool != "":
		return "tool_use"
	case c.answer.ended != "":
		return "stop_sequence"
	}
	return "end_turn"
}

func (d messageDialect) message(c *call, content []any, reason any, u usage) fields {
	return fields{
		"id": "msg_" + c.id, "type": "message", "role": "assistant", "model": c.model, "content": content,
		"stop_reason": reason, "stop_sequence": endedBy(c, reason),
		"usage": fields{"input_tokens": u.prompt - u.cached, "cache_read_input_tokens": u.cached, "output_tokens": u.completion},
	}
}

// endedBy is the stop text that ended the answer; null while it goes on.
func endedBy(c *call, reason any) any {
	if reason == nil {
		return nil
	}
	return orNull(c.answer.ended)
}
