package emulate

import (
	"encoding/json"
	"net/http"
)

func parseMessages(w http.ResponseWriter, r *http.Request, s *Server) (*call, *problem) {
	var q struct {
		Model    string          `json:"model"`
		System   json.RawMessage `json:"system"`
		Messages []struct {
			Content json.RawMessage `json:"content"`
		} `json:"messages"`
		MaxTokens int  `json:"max_tokens"`
		Stream    bool `json:"stream"`
	}
	if p := read(w, r, &q); p != nil {
		return nil, p
	}
	c := &call{model: q.Model, stream: q.Stream, limits: limits{most: q.MaxTokens}}
	if q.MaxTokens < 1 {
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
	room, p := s.admit(c, "messages")
	if p != nil {
		return nil, p
	}
	c.answer = write(c.prompt.hash, c.limits, room)
	c.dialect = messageDialect{}
	return c, nil
}

// messageDialect writes Anthropic's messages and their events.
type messageDialect struct{}

func (d messageDialect) open(b []byte, c *call) []byte {
	b = named(b, "message_start", fields{"type": "message_start", "message": d.message(c, []any{}, nil, usage{prompt: c.prompt.tokens})})
	return named(b, "content_block_start", fields{"type": "content_block_start", "index": 0, "content_block": fields{"type": "text", "text": ""}})
}

func (d messageDialect) token(b []byte, c *call, i int) []byte {
	b = append(b, `event: content_block_delta`+"\n"+`data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":`...)
	b = append(b, c.answer.quotedPiece(i)...)
	return append(b, "}}\n\n"...)
}

func (d messageDialect) close(b []byte, c *call, u usage) []byte {
	b = named(b, "content_block_stop", fields{"type": "content_block_stop", "index": 0})
	b = named(b, "message_delta", fields{
		"type": "message_delta", "delta": fields{"stop_reason": stopReason(c), "stop_sequence": nil},
		"usage": fields{"output_tokens": u.completion},
	})
	return named(b, "message_stop", fields{"type": "message_stop"})
}

func (d messageDialect) whole(c *call, u usage) any {
	return d.message(c, []any{fields{"type": "text", "text": c.answer.text(u.completion)}}, stopReason(c), u)
}

func stopReason(c *call) string {
	if c.answer.finish == length {
		return "max_tokens"
	}
	return "end_turn"
}

func (d messageDialect) message(c *call, content []any, reason any, u usage) fields {
	return fields{
		"id": "msg_" + c.id, "type": "message", "role": "assistant", "model": c.model, "content": content,
		"stop_reason": reason, "stop_sequence": nil,
		"usage": fields{"input_tokens": u.prompt - u.cached, "cache_read_input_tokens": u.cached, "output_tokens": u.completion},
	}
}
