package emulate

import (
	"encoding/json"
	"net/http"
	"strconv"
)

// chatRequest is the members read from POST /v1/chat/completions.
type chatRequest struct {
	Model    string `json:"model"`
	Messages []struct {
		Role      string          `json:"role"`
		Content   json.RawMessage `json:"content"`
		ToolCalls json.RawMessage `json:"tool_calls"`
	} `json:"messages"`
	lengthRequest
	Tools          []chatTool      `json:"tools"`
	ToolChoice     json.RawMessage `json:"tool_choice"`
	ResponseFormat struct {
		Type       string `json:"type"`
		JSONSchema struct {
			Schema json.RawMessage `json:"schema"`
		} `json:"json_schema"`
	} `json:"response_format"`
}

type chatTool struct {
	Function struct {
		Name       string          `json:"name"`
		Parameters json.RawMessage `json:"parameters"`
	} `json:"function"`
}

// lengthRequest is the members that chats and completions share.
type lengthRequest struct {
	Stream        bool `json:"stream"`
	StreamOptions struct {
		IncludeUsage bool `json:"include_usage"`
	} `json:"stream_options"`
	N                   *int            `json:"n"`
	MaxTokens           *int            `json:"max_tokens"`
	MaxCompletionTokens *int            `json:"max_completion_tokens"`
	MinTokens           int             `json:"min_tokens"`
	IgnoreEOS           bool            `json:"ignore_eos"`
	Stop                json.RawMessage `json:"stop"`
	Logprobs            json.RawMessage `json:"logprobs"` // true for chats, a number for completions
}

func (q *lengthRequest) fill(c *call) *problem {
	c.stream, c.usage = q.Stream, q.StreamOptions.IncludeUsage
	c.limits = limits{least: q.MinTokens, ignoreEOS: q.IgnoreEOS}
	for _, most := range []*int{q.MaxTokens, q.MaxCompletionTokens} {
		if most != nil && *most < 1 {
			return bad("max_tokens", "max_tokens must be at least 1")
		}
		if most != nil {
			c.limits.most = *most
		}
	}
	c.choices = 1
	if q.N != nil {
		if c.choices = *q.N; c.choices < 1 || c.choices > maxChoices {
			return bad("n", "n: want 1 to 128")
		}
	}
	c.logprobs = len(q.Logprobs) > 0 && string(q.Logprobs) != "null" && string(q.Logprobs) != "false"
	return nil
}

func parseChat(w http.ResponseWriter, r *http.Request, s *Server) (*call, *problem) {
	var q chatRequest
	if p := read(w, r, &q); p != nil {
		return nil, p
	}
	c := &call{model: modelOf(r, q.Model)}
	if p := q.fill(c); p != nil {
		return nil, p
	}
	if len(q.Messages) == 0 {
		return nil, bad("messages", "messages is empty: want at least one")
	}
	for _, m := range q.Messages {
		text, err := content(m.Content)
		if err != nil {
			return nil, bad("messages", err.Error())
		}
		c.prompt.tokens += perMessage
		c.prompt.add(text)
		c.prompt.add(plainPrompt(string(m.ToolCalls)))
	}
	for _, t := range q.Tools {
		c.prompt.add(plainPrompt(t.Function.Name + string(t.Function.Parameters)))
	}
	room, p := s.admit(c, "messages")
	if p != nil {
		return nil, p
	}
	if p := q.write(c, room); p != nil {
		return nil, p
	}
	c.dialect = newChatDialect(c)
	return c, nil
}

// write decides the answer: a tool call if one is required, JSON if a format
// asks for it, else words.
func (q *chatRequest) write(c *call, room int) *problem {
	name, must, p := q.chosenTool()
	if p != nil {
		return p
	}
	want := wanted{tool: name, forced: must == "function", format: q.ResponseFormat.Type, schema: q.ResponseFormat.JSONSchema.Schema}
	for _, t := range q.Tools {
		if t.Function.Name == name {
			want.args = t.Function.Parameters
		}
	}
	if want.stops, p = readStops(q.Stop, "stop"); p != nil {
		return p
	}
	c.decide(want, room)
	if want.forced && c.answer.finish == called {
		c.answer.finish = stop // a tool forced by name ends as "stop", says OpenAI's reference
	}
	return nil
}

// chosenTool is the tool that must be called, and the word that requires it:
// "required" or "function"; "" if none.
func (q *chatRequest) chosenTool() (name, must string, p *problem) {
	var word string
	var choice chatTool
	switch {
	case len(q.ToolChoice) == 0 || string(q.ToolChoice) == "null":
		return "", "", nil
	case json.Unmarshal(q.ToolChoice, &word) == nil:
		if word != "required" {
			return "", "", nil
		}
		if len(q.Tools) == 0 {
			return "", "", bad("tool_choice", "tool_choice is required and tools is empty")
		}
		return q.Tools[0].Function.Name, word, nil
	case json.Unmarshal(q.ToolChoice, &choice) != nil || choice.Function.Name == "":
		return "", "", bad("tool_choice", `tool_choice: want "none", "auto", "required" or {"type":"function","function":{"name":...}}`)
	}
	for _, t := range q.Tools {
		if t.Function.Name == choice.Function.Name {
			return t.Function.Name, "function", nil
		}
	}
	return "", "", bad("tool_choice", "tool_choice names "+choice.Function.Name+", which is not among tools")
}

// modelOf is the requested model; below Azure's classic paths the deployment in
// the path replaces it, whatever its name.
func modelOf(r *http.Request, model string) string {
	if r.PathValue("deployment") != "" {
		return ""
	}
	return model
}

var finishWords = [...]string{stop: "stop", length: "length", called: "tool_calls", filtered: "content_filter"}

// chatDialect writes chat.completion objects and chunks. pre and post enclose
// the varying part of a chunk.
type chatDialect struct{ pre, post string }

func newChatDialect(c *call) chatDialect {
	d := chatDialect{
		pre: `data: {"id":"chatcmpl-` + c.id + `","object":"chat.completion.chunk","created":` + strconv.FormatInt(c.created, 10) +
			`,"model":` + string(mustJSON(c.model)) + `,"system_fingerprint":"` + Name + `","choices":[`,
		post: "]}\n\n",
	}
	if c.usage {
		d.post = `],"usage":null}` + "\n\n"
	}
	return d
}

func (d chatDialect) chunk(b []byte, choice int, delta, logprobs, finish string) []byte {
	b = append(b, d.pre...)
	b = append(b, `{"index":`...)
	b = strconv.AppendInt(b, int64(choice), 10)
	b = append(b, `,"delta":{`...)
	b = append(b, delta...)
	b = append(b, `},"logprobs":`...)
	b = append(b, logprobs...)
	b = append(b, `,"finish_reason":`...)
	b = append(b, finish...)
	b = append(b, '}')
	return append(b, d.post...)
}

func (d chatDialect) open(b []byte, c *call) []byte {
	for i := range c.choices {
		if c.answer.tool == "" {
			b = d.chunk(b, i, `"role":"assistant","content":""`, "null", "null")
			continue
		}
		b = d.chunk(b, i, `"role":"assistant","content":null,"tool_calls":[{"index":0,"id":"call_`+c.id+
			`","type":"function","function":{"name":`+string(mustJSON(c.answer.tool))+`,"arguments":""}}]`, "null", "null")
	}
	return b
}

func (d chatDialect) token(b []byte, c *call, i int) []byte {
	for n := range c.choices {
		text := c.of(n).quotedPiece(i)
		if c.answer.tool == "" {
			b = d.chunk(b, n, `"content":`+text, c.chatLogprobs(n, i, i+1), "null")
		} else {
			b = d.chunk(b, n, `"tool_calls":[{"index":0,"function":{"arguments":`+text+`}}]`, "null", "null")
		}
	}
	return b
}

func (d chatDialect) close(b []byte, c *call, u usage) []byte {
	for i := range c.choices {
		b = d.chunk(b, i, "", "null", `"`+finishWords[c.answer.finish]+`"`)
	}
	return closeOpenAI(b, c, u, d.pre)
}

// closeOpenAI appends the usage, if asked for, in a chunk without choices, and
// the end.
func closeOpenAI(b []byte, c *call, u usage, pre string) []byte {
	if c.usage {
		b = append(b, pre...)
		b = append(b, `],"usage":`...)
		b = append(b, mustJSON(openAIUsage(c, u))...)
		b = append(b, "}\n\n"...)
	}
	return append(b, "data: [DONE]\n\n"...)
}

func (d chatDialect) whole(c *call, u usage) any {
	choices := make([]any, c.choices)
	for i := range choices {
		message := map[string]any{"role": "assistant", "content": nil, "refusal": nil}
		text := c.of(i).text(u.completion)
		if c.answer.tool == "" {
			message["content"] = text
		} else {
			message["tool_calls"] = []any{map[string]any{"id": "call_" + c.id, "type": "function", "function": map[string]any{"name": c.answer.tool, "arguments": text}}}
		}
		choices[i] = map[string]any{"index": i, "message": message, "logprobs": json.RawMessage(c.chatLogprobs(i, 0, u.completion)), "finish_reason": finishWords[c.answer.finish]}
	}
	return map[string]any{
		"id": "chatcmpl-" + c.id, "object": "chat.completion", "created": c.created, "model": c.model, "system_fingerprint": Name,
		"choices": choices, "usage": openAIUsage(c, u),
	}
}

// openAIUsage is the usage of all choices together.
func openAIUsage(c *call, u usage) any {
	u.completion *= c.choices
	return map[string]any{
		"prompt_tokens": u.prompt, "completion_tokens": u.completion, "total_tokens": u.prompt + u.completion,
		"prompt_tokens_details": map[string]any{"cached_tokens": u.cached},
	}
}

// quotedPiece is a piece as a JSON string.
func (a *answer) quotedPiece(i int) string {
	if a.fixed == nil {
		return `"` + a.piece(i) + `"`
	}
	return string(mustJSON(a.fixed[i]))
}
