// Package anthropic is Anthropic's protocol: the Messages API.
//
// It owns paths, bodies and error shapes. It does not know connections, callers or
// prices.
package anthropic

import (
	"encoding/json"
	"strings"

	"weir"
	"weir/jsonscan"
	"weir/sse"
	"weir/upstream"
)

// Dialect is the protocol.
type Dialect struct{}

// Name is the protocol's name in weir.yaml.
func (Dialect) Name() string { return "anthropic" }

// Check refuses options that only Azure has.
func (d Dialect) Check(o *upstream.Options) error { return upstream.NoVersion(d, o) }

// Base appends /v1 to a path that does not end in a version segment.
func (Dialect) Base(_ *upstream.Options, path string) string {
	if upstream.EndsInVersion(path) {
		return path
	}
	return path + "/v1"
}

// version is sent if the caller named none; there is no other (docs.anthropic.com,
// "Versions").
const version = "2023-06-01"

// Target is /messages, with a version of the API.
func (Dialect) Target(*upstream.Options, weir.Op) upstream.Target {
	return upstream.Target{Path: "/messages", Header: upstream.Field{Name: "anthropic-version", Value: version}}
}

// Operation returns the only operation, or nil.
func (Dialect) Operation(op weir.Op) *upstream.Operation {
	if op != weir.OpMessages {
		return nil
	}
	return Messages
}

// Messages is the Messages API, on any server.
var Messages = &upstream.Operation{
	Op: weir.OpMessages, Format: messages{}, Tokens: upstream.AnswerTokens, Prompt: "messages", Streams: true,
	Ping: []byte("event: ping\ndata: {\"type\": \"ping\"}\n\n"), Broken: broken,
}

// Limit is max_tokens.
func (Dialect) Limit(*upstream.Options, weir.Op) string { return "max_tokens" }

// Key is the header x-api-key.
func (Dialect) Key(secret string) upstream.Field {
	return upstream.Field{Name: "x-api-key", Value: secret}
}

// Locate parses /v1/messages and the paths below it.
func (Dialect) Locate(path string) (upstream.Route, bool) {
	rest, ok := strings.CutPrefix(path, "/v1/messages")
	switch {
	case !ok || rest != "" && rest[0] != '/':
		return upstream.Route{}, false
	case rest == "":
		return upstream.Route{Service: upstream.CallModel, Op: weir.OpMessages}, true
	case rest == "/count_tokens":
		return upstream.Route{Service: upstream.CountTokens, Op: weir.OpMessages, Below: rest}, true
	}
	return upstream.Route{}, true
}

// Mark is a header that its SDKs send with every request.
func (Dialect) Mark() string { return "Anthropic-Version" }

// Version is "": the version is in a header.
func (Dialect) Version() string { return "" }

// kinds are the types of errors that differ from their status.
var kinds = map[string]string{
	"not_served": "invalid_request_error", "response_not_found": "not_found_error",
	"client_gone": "api_error", "client_slow": "api_error",
}

// kindOf is the "type" of an error.
func kindOf(p *upstream.Problem) string {
	if kind, ok := kinds[p.Reason]; ok {
		return kind
	}
	switch p.Status {
	case 401:
		return "authentication_error"
	case 403:
		return "permission_error"
	case 404:
		return "not_found_error"
	case 413:
		return "request_too_large"
	case 429:
		return "rate_limit_error"
	case 503:
		return "overloaded_error"
	}
	if p.Status >= 500 {
		return "api_error"
	}
	return "invalid_request_error"
}

// Error has type and message below error.
func (Dialect) Error(b []byte, p *upstream.Problem) []byte {
	b = append(b, `{"type":"error","error":{"type":"`...)
	b = append(append(b, kindOf(p)...), `","message":`...)
	return append(append(b, jsonscan.Quoted(p.Message)...), "}}"...)
}

func broken(p *upstream.Problem, _ int) []byte {
	return sse.Append(nil, "error", Dialect{}.Error(nil, p))
}

// Words says whether an error has this protocol's shape. Servers that also speak
// OpenAI's protocol use OpenAI's shape in both.
func (Dialect) Words(body []byte) bool {
	var e struct {
		Type  string
		Error struct{ Type, Message string }
	}
	return json.Unmarshal(body, &e) == nil && e.Type == "error" && e.Error.Type != "" && e.Error.Message != ""
}

// Models is Anthropic's list, on one page.
func (d Dialect) Models(b []byte, names []string) []byte {
	b = append(b, `{"has_more":false,"data":[`...)
	for i, name := range names {
		if i > 0 {
			b = append(b, ',')
		}
		b = d.Model(b, name)
	}
	b = append(b, ']')
	if n := len(names); n > 0 {
		b = append(append(b, `,"first_id":`...), jsonscan.Quoted(names[0])...)
		b = append(append(b, `,"last_id":`...), jsonscan.Quoted(names[n-1])...)
	}
	return append(b, '}')
}

// Model is one entry of the list.
func (Dialect) Model(b []byte, name string) []byte {
	b = append(append(b, `{"id":`...), jsonscan.Quoted(name)...)
	b = append(b, `,"type":"model","created_at":"1970-01-01T00:00:00Z","display_name":`...)
	return append(append(b, jsonscan.Quoted(name)...), '}')
}
