package gateway

import (
	"encoding/json"
	"strconv"

	"weir"
)

// quoteJSON appends s as a JSON string.
func quoteJSON(dst []byte, s string) []byte {
	q, _ := json.Marshal(s) // a string always marshals
	return append(dst, q...)
}

// anthropicKind is Anthropic's "type" of an error; of one that an upstream told
// by its status, that status' own.
func anthropicKind(p *problem, a answer) string {
	if p.is == errUpstreamSays {
		switch a.status {
		case 403:
			return "permission_error"
		case 404:
			return "not_found_error"
		case 413:
			return "request_too_large"
		case 429:
			return "rate_limit_error"
		}
	}
	return a.anthropic
}

// words says whether an upstream's error may go to the caller as it is. Servers
// that speak Anthropic's protocol beside OpenAI's word their errors in OpenAI's
// way below both.
func (d dialect) words(body []byte) bool {
	return d != anthropic || wordsAnthropic(body)
}

func wordsAnthropic(body []byte) bool {
	var e struct {
		Type  string
		Error struct{ Type, Message string }
	}
	return json.Unmarshal(body, &e) == nil && e.Type == "error" && e.Error.Type != "" && e.Error.Message != ""
}

// errorBody is an error as the dialect's own service words it. Azure's classic
// shape has the code first and says more below innererror; both it and OpenAI's
// carry "type" and "param", which OpenAI's SDKs read for either.
func errorBody(d dialect, p *problem, a answer) []byte {
	b := make([]byte, 0, 256)
	switch d {
	case anthropic:
		b = append(b, `{"type":"error","error":{"type":"`...)
		b = append(append(b, anthropicKind(p, a)...), `","message":`...)
		b = quoteJSON(b, p.Error())
		return append(b, "}}"...)
	case azure:
		code := a.azure
		if code == "" || p.code != "" {
			code = a.code
		}
		b = append(b, `{"error":{"code":`...)
		b = quoteJSON(b, code)
		b = append(b, `,"message":`...)
		b = quoteJSON(b, p.Error())
		b = appendTypeParam(b, p, a)
		b = append(b, `,"innererror":{"code":`...)
		b = quoteJSON(b, a.code)
		return append(b, "}}}"...)
	}
	b = append(b, `{"error":{"message":`...)
	b = quoteJSON(b, p.Error())
	b = appendTypeParam(b, p, a)
	b = append(b, `,"code":`...)
	b = quoteJSON(b, a.code)
	return append(b, "}}"...)
}

func appendTypeParam(b []byte, p *problem, a answer) []byte {
	b = append(append(append(b, `,"type":"`...), a.kind...), `","param":`...)
	if p.param == "" {
		return append(b, "null"...)
	}
	return quoteJSON(b, p.param)
}

// errorEvent is the last event of a stream that could not be finished, as the
// operation's own streams word it. sequence is the number of events before it,
// which the Responses API counts.
func errorEvent(d dialect, op weir.Op, p *problem, a answer, sequence int) []byte {
	switch op {
	case weir.OpMessages:
		return wrapEvent("event: error\n", errorBody(anthropic, p, a))
	case weir.OpResponses:
		b := append(make([]byte, 0, 256), `{"type":"error","code":`...)
		b = quoteJSON(b, a.code)
		b = append(b, `,"message":`...)
		b = quoteJSON(b, p.Error())
		b = append(b, `,"param":null,"sequence_number":`...)
		b = strconv.AppendInt(b, int64(sequence), 10)
		// OpenAI's SDKs raise on a member error only, and read the others as an event.
		b = append(b, `,"error":{"message":`...)
		b = quoteJSON(b, p.Error())
		b = appendTypeParam(b, p, a)
		b = append(b, `,"code":`...)
		b = quoteJSON(b, a.code)
		return wrapEvent("event: error\n", append(b, "}}"...))
	}
	return wrapEvent("", errorBody(d, p, a))
}

func wrapEvent(head string, data []byte) []byte {
	b := make([]byte, 0, len(head)+len(data)+8)
	b = append(append(b, head...), "data: "...)
	return append(append(b, data...), "\n\n"...)
}
