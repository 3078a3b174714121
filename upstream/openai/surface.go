package openai

import (
	"strconv"
	"strings"

	"weir"
	"weir/jsonscan"
	"weir/sse"
	"weir/upstream"
)

// Surface is what callers of OpenAI's protocol see.
type Surface struct{}

// Locate reads a path below /v1/.
func (Surface) Locate(path string) (upstream.Route, bool) {
	rest, ok := strings.CutPrefix(path, "/v1/")
	if !ok {
		return upstream.Route{}, false
	}
	return Below(rest), true
}

// Below reads what follows /v1/.
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
	if below, ok := strings.CutPrefix(rest, "responses/"); ok {
		return kept(below)
	}
	return upstream.Route{}
}

// kept reads what follows responses/: an answer's id and what is asked of it, or a
// verb.
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

// Mark is none: paths below /v1/ are its own.
func (Surface) Mark() string { return "" }

// Version is "": the path says it.
func (Surface) Version() string { return "" }

// Error has message, type, param and code below error.
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

// AppendKind appends the members type and param, which OpenAI's SDKs read of Azure's
// errors too.
func AppendKind(b []byte, p *upstream.Problem) []byte {
	b = append(append(append(b, `,"type":"`...), p.Kind...), `","param":`...)
	if p.Param == "" {
		return append(b, "null"...)
	}
	return append(b, jsonscan.Quoted(p.Param)...)
}

// broken is the last event of a stream of the Responses API, which counts them.
// OpenAI's SDKs raise on a member error only, and read the others as an event.
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

// Words lets every server's words through: those that speak this protocol word their
// errors in many ways, and its callers know them.
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
