package emulate

import (
	"encoding/json"
	"strings"
)

// wanted is the kind of answer a request asks for, in any dialect.
type wanted struct {
	tool   string          // must be called; "": none
	args   json.RawMessage // the schema of its arguments
	forced bool            // called by name, not chosen among several
	format string          // "json_schema", "json_object"; "": words
	schema json.RawMessage
	stops  []string // texts that end the answer
}

// decide makes the answer: a tool call if one is required, JSON if a format
// asks for it, else words; up to the first stop text.
func (c *call) decide(w wanted, room int) {
	switch {
	case w.tool != "":
		args := "{}"
		if v, ok := invent(w.args, c.prompt.hash).(map[string]any); ok {
			args = string(mustJSON(v))
		}
		c.answer = exact(args, c.limits, room, called)
		c.answer.tool = w.tool
		return
	case w.format == "json_schema":
		c.answer = exact(string(mustJSON(invent(w.schema, c.prompt.hash))), c.limits, room, stop)
	case w.format == "json_object":
		c.answer = exact(`{"answer":"emulated"}`, c.limits, room, stop)
	default:
		c.answer = write(c.prompt.hash, c.limits, room)
	}
	c.answer.endAt(w.stops)
}

// maxStops bounds the stop texts, as OpenAI does.
const maxStops = 4

// endAt ends the answer before the first of these texts in it.
func (a *answer) endAt(stops []string) {
	if len(stops) == 0 {
		return
	}
	text := a.text(a.tokens)
	at := -1
	for _, s := range stops {
		if i := strings.Index(text, s); s != "" && i >= 0 && (at < 0 || i < at) {
			at, a.ended = i, s
		}
	}
	if at < 0 {
		return
	}
	n, length := 0, 0
	for ; length < at; n++ {
		length += len(a.piece(n))
	}
	pieces := make([]string, 0, n+1)
	for i := range n {
		pieces = append(pieces, a.piece(i))
	}
	if n > 0 {
		pieces[n-1] = pieces[n-1][:len(pieces[n-1])-(length-at)]
	} else {
		pieces = append(pieces, "") // the token that ended it has no text
	}
	a.fixed, a.tokens, a.finish = pieces, len(pieces), stop
}

// readStops reads one text or a list of them.
func readStops(raw json.RawMessage, param string) ([]string, *problem) {
	if len(raw) == 0 || string(raw) == "null" {
		return nil, nil
	}
	var one string
	if json.Unmarshal(raw, &one) == nil {
		return []string{one}, nil
	}
	var many []string
	if json.Unmarshal(raw, &many) != nil || param == "stop" && len(many) > maxStops {
		return nil, bad(param, param+": want a text or a list of at most 4")
	}
	return many, nil
}

// namedTool is a tool in the Responses and Messages APIs.
type namedTool struct {
	Name       string          `json:"name"`
	Parameters json.RawMessage `json:"parameters"`
	Schema     json.RawMessage `json:"input_schema"`
}

func (t *namedTool) args() json.RawMessage {
	if t.Schema != nil {
		return t.Schema
	}
	return t.Parameters
}

// mustCall reads the tool that must be called: a word, or
// {"type":...,"name":...}. required is the word for "any of them".
func (w *wanted) mustCall(tools []namedTool, choice json.RawMessage, required string) *problem {
	var word string
	var named struct{ Type, Name string }
	if len(choice) == 0 || string(choice) == "null" {
		return nil
	}
	if json.Unmarshal(choice, &word) != nil {
		if json.Unmarshal(choice, &named) != nil {
			return bad("tool_choice", "tool_choice: want a word or an object")
		}
		word = named.Type
	}
	if word != required && named.Name == "" {
		return nil
	}
	for i := range tools {
		if t := &tools[i]; t.Name != "" && (named.Name == "" || t.Name == named.Name) {
			w.tool, w.args, w.forced = t.Name, t.args(), named.Name != ""
			return nil
		}
	}
	return bad("tool_choice", "tool_choice asks for a function that is not among tools")
}
