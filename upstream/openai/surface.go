package openai

import (
	"strconv"
	"strings"

	"weir"
	"weir/jsonscan"
	"weir/sse"
	"weir/upstream"
)

// Surface is OpenAI's protocol as its callers see it.
type Surface struct{}

// Locate parses a path below /v1/.
func (Surface) Locate(path string) (upstream.Route, bool) {
	rest, ok := strings.CutPrefix(path, "/v1/")
	if !ok {
		return upstream.Route{}, false
	}
	return Below(rest), true
}

// Below parses the part of the path after /v1/.
func Below(rest string) upstream.Route {
	switch rest {
	case "chat/completions":
		return upstream.Route{Service: upstream.CallModel, Op: weir.OpChat}
	case "completions":
		return upstream.Route{Service: upstream.CallModel, Op: weir.OpCompletions}
	case "embeddings":
		return upstream.Route{Service: upstream.CallModel, Op: weir.OpEmbeddings}
	case "responses":
		return upstream.Route{Service: upstream.CallModel, Op: weir.OpResponses}
	case "models":
		return upstream.Route{Service: upstream.ListModels}
	}
	if model, ok := strings.CutPrefix(rest, "models/"); ok && model != "" {
		return upstream.Route{Service: upstream.ShowModel, Model: model}
	}
	if id, ok := strings.CutPrefix(rest, "vector_stores/"); ok {
		if id, ok = strings.CutSuffix(id, "/search"); ok && id != "" && !strings.Contains(id, "/") {
			return upstream.Route{Service: upstream.SearchStore, ID: id}
		}
		return upstream.Route{}
	}
	if below, ok := strings.CutPrefix(rest, "responses/"); ok {
		return kept(below)
	}
	return upstream.Route{}
}

// kept parses the part after responses/: an answer's ID with an action, or a verb.
func kept(below string) upstream.Route {
	r := upstream.Route{Op: weir.OpResponses}
	switch below {
	case "":
		return upstream.Route{}
	case "input_tokens":
		r.Service, r.Below = upstream.CountTokens, "/input_tokens"
		return r
	case "compact":
		r.Service, r.Below = upstream.NotServed, "/compact"
		return r
	}
	id, rest, more := strings.Cut(below, "/")
	switch {
	case !more:
	case rest == "cancel", rest == "input_items":
		r.Below = "/" + rest
	default:
		return upstream.Route{}
	}
	r.Service, r.ID = upstream.KeptAnswer, id
	return r
}

// Mark is "": no other protocol shares its paths.
func (Surface) Mark() string { return "" }

// Version is "": the version is in the path.
func (Surface) Version() string { return "" }

// Error puts message, type, param and code in error.
func (Surface) Error(b []byte, p *upstream.Problem) []byte {
	b = append(append(b, `{"error":`...), '{')
	return append(appendError(b, p), "}}"...)
}

// appendError appends the members of an error, without braces.
func appendError(b []byte, p *upstream.Problem) []byte {
	b = append(b, `"message":`...)
	b = append(b, jsonscan.Quoted(p.Message)...)
	b = AppendKind(b, p)
	b = append(b, `,"code":`...)
	return append(b, jsonscan.Quoted(p.Code)...)
}

// AppendKind appends the members type and param, which OpenAI's SDKs also read in
// Azure's errors.
func AppendKind(b []byte, p *upstream.Problem) []byte {
	b = append(append(append(b, `,"type":"`...), p.Kind...), `","param":`...)
	if p.Param == "" {
		return append(b, "null"...)
	}
	return append(b, jsonscan.Quoted(p.Param)...)
}

// broken is the last event of a Responses API stream, whose events are numbered.
// OpenAI's SDKs raise only on a member error and treat the other members as an event.
func broken(p *upstream.Problem, sequence int) []byte {
	b := append(make([]byte, 0, 256), `{"type":"error","code":`...)
	b = append(b, jsonscan.Quoted(p.Code)...)
	b = append(b, `,"message":`...)
	b = append(b, jsonscan.Quoted(p.Message)...)
	b = append(b, `,"param":null,"sequence_number":`...)
	b = strconv.AppendInt(b, int64(sequence), 10)
	b = append(b, `,"error":{`...)
	return sse.Append(nil, "error", append(appendError(b, p), "}}"...))
}

// Words accepts any error: servers of this protocol report errors in many forms, and
// its callers know them.
func (Surface) Words([]byte) bool { return true }

// Models is OpenAI's list.
func (s Surface) Models(b []byte, names []string) []byte {
	b = append(b, `{"object":"list","data":[`...)
	for i, name := range names {
		if i > 0 {
			b = append(b, ',')
		}
		b = s.Model(b, name)
	}
	return append(b, "]}"...)
}

// Model is one entry of the list.
func (Surface) Model(b []byte, name string) []byte {
	b = append(append(b, `{"id":`...), jsonscan.Quoted(name)...)
	return append(b, `,"object":"model","created":0,"owned_by":"weir"}`...)
}
