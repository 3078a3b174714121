package emulate

import (
	"encoding/json"
	"net/http"
	"strconv"
)

func parseCompletion(w http.ResponseWriter, r *http.Request, s *Server) (*call, *problem) {
	var q struct {
		Model  string          `json:"model"`
		Prompt json.RawMessage `json:"prompt"`
		lengthRequest
	}
	if p := read(w, r, &q); p != nil {
		return nil, p
	}
	c := &call{model: modelOf(r, q.Model)}
	if p := q.fill(c); p != nil {
		return nil, p
	}
	if c.limits.most == 0 {
		c.limits.most = 16 // OpenAI's default for this API
	}
	ps, err := texts(q.Prompt)
	if err != nil {
		return nil, bad("prompt", "prompt: "+err.Error())
	}
	if len(ps) != 1 {
		return nil, bad("prompt", "the emulator answers one prompt at a time: prompt has "+strconv.Itoa(len(ps)))
	}
	c.prompt = ps[0]
	room, p := s.admit(c, "prompt")
	if p != nil {
		return nil, p
	}
	var want wanted
	if want.stops, p = readStops(q.Stop, "stop"); p != nil {
		return nil, p
	}
	c.decide(want, room)
	c.dialect = newCompletionDialect(c)
	return c, nil
}

// completionDialect writes text_completion objects.
type completionDialect struct{ pre, post string }

func newCompletionDialect(c *call) completionDialect {
	d := completionDialect{
		pre: `data: {"id":"cmpl-` + c.id + `","object":"text_completion","created":` + strconv.FormatInt(c.created, 10) +
			`,"model":` + string(mustJSON(c.model)) + `,"system_fingerprint":"` + Name + `","choices":[`,
		post: "]}\n\n",
	}
	if c.usage {
		d.post = `],"usage":null}` + "\n\n"
	}
	return d
}

func (d completionDialect) open(b []byte, _ *call) []byte { return b }

func (d completionDialect) token(b []byte, c *call, i int) []byte {
	for n := range c.choices {
		b = d.chunk(b, n, c.of(n).quotedPiece(i), c.textLogprobs(n, i, i+1), "null")
	}
	return b
}

func (d completionDialect) chunk(b []byte, choice int, text, logprobs, finish string) []byte {
	b = append(b, d.pre...)
	b = append(b, `{"index":`...)
	b = strconv.AppendInt(b, int64(choice), 10)
	b = append(b, `,"text":`...)
	b = append(b, text...)
	b = append(b, `,"logprobs":`...)
	b = append(b, logprobs...)
	b = append(b, `,"finish_reason":`...)
	b = append(b, finish...)
	b = append(b, '}')
	return append(b, d.post...)
}

func (d completionDialect) close(b []byte, c *call, u usage) []byte {
	for i := range c.choices {
		b = d.chunk(b, i, `""`, "null", `"`+finishWords[c.answer.finish]+`"`)
	}
	return closeOpenAI(b, c, u, d.pre)
}

func (d completionDialect) whole(c *call, u usage) any {
	choices := make([]any, c.choices)
	for i := range choices {
		choices[i] = map[string]any{"index": i, "text": c.of(i).text(u.completion), "logprobs": json.RawMessage(c.textLogprobs(i, 0, u.completion)), "finish_reason": finishWords[c.answer.finish]}
	}
	return map[string]any{
		"id": "cmpl-" + c.id, "object": "text_completion", "created": c.created, "model": c.model, "system_fingerprint": Name,
		"choices": choices, "usage": openAIUsage(c, u),
	}
}
