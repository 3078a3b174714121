package emulate

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"

	"weir/engine"
)

// maxBody bounds a request's body, maxDimensions an embedding.
const (
	maxBody       = 32 << 20
	maxDimensions = 8192
)

// routes are the OpenAI API, also below Azure OpenAI's two prefixes,
// Anthropic's messages, and the operator's paths.
func (s *Server) routes() http.Handler {
	m := http.NewServeMux()
	for path, h := range map[string]http.HandlerFunc{
		"/chat/completions": s.infer(&openAIErrors, parseChat),
		"/completions":      s.infer(&openAIErrors, parseCompletion),
		"/responses":        s.infer(&openAIErrors, parseResponse),
		"/embeddings":       s.embeddings,
	} {
		m.HandleFunc("POST /v1"+path, h)
		m.HandleFunc("POST /openai/v1"+path, h)
		m.HandleFunc("POST /openai/deployments/{deployment}"+path, h)
	}
	m.HandleFunc("POST /v1/messages", s.infer(&anthropicErrors, parseMessages))
	m.HandleFunc("POST /v1/messages/count_tokens", s.count(&anthropicErrors, parseMessages, ""))
	for _, prefix := range []string{"/v1", "/openai/v1", "/openai"} {
		m.HandleFunc("POST "+prefix+"/responses/input_tokens", s.count(&openAIErrors, parseResponse, "response.input_tokens"))
		m.HandleFunc("GET "+prefix+"/responses/{id}", s.kept.serve)
		m.HandleFunc("DELETE "+prefix+"/responses/{id}", s.kept.serve)
		m.HandleFunc("POST "+prefix+"/responses/{id}/{what}", s.kept.serve)
		m.HandleFunc("GET "+prefix+"/responses/{id}/{what}", s.kept.serve)
	}
	for _, prefix := range []string{"/v1", "/openai/v1"} {
		m.HandleFunc("GET "+prefix+"/models", s.models)
		m.HandleFunc("GET "+prefix+"/models/{model...}", s.model)
	}
	m.HandleFunc("GET /health", s.health)
	m.HandleFunc("GET /version", func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, http.StatusOK, map[string]string{"version": Name})
	})
	m.HandleFunc("GET /metrics", s.metrics)
	m.HandleFunc("/admin/faults", s.faults.admin)
	m.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		openAIErrors.write(w, problem{http.StatusNotFound, "invalid_request_error", "", "unknown_url", "unknown request URL: " + r.Method + " " + r.URL.Path})
	})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Server", Name)
		if id := r.Header.Get("X-Request-Id"); id != "" && len(id) <= 200 {
			w.Header().Set("X-Request-Id", id)
		}
		if p := s.refuses(r); p != nil {
			shapeOf(r.URL.Path).write(w, *p)
			return
		}
		if r = s.faults.before(w, r); r != nil {
			m.ServeHTTP(w, r)
		}
	})
}

func (s *Server) health(w http.ResponseWriter, _ *http.Request) {
	if err := s.loop.ready(); err != nil {
		openAIErrors.write(w, unavailable(err))
	}
}

func (s *Server) modelCard() map[string]any {
	return map[string]any{
		"id": s.o.Served, "object": "model", "created": 0, "owned_by": Name,
		"root": s.o.Model, "parent": nil, "max_model_len": s.o.Context,
	}
}

func (s *Server) models(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, http.StatusOK, map[string]any{"object": "list", "data": []any{s.modelCard()}})
}

func (s *Server) model(w http.ResponseWriter, r *http.Request) {
	if p := s.known(r.PathValue("model")); p != nil {
		openAIErrors.write(w, *p)
		return
	}
	writeJSON(w, http.StatusOK, s.modelCard())
}

// known refuses a model that is not served. Without a name, the served model is
// meant.
func (s *Server) known(model string) *problem {
	if model == "" || model == s.o.Served {
		return nil
	}
	return &problem{http.StatusNotFound, "invalid_request_error", "model", "model_not_found", "the model " + model + " does not exist here: only " + s.o.Served + " is emulated"}
}

// read decodes a request's body.
func read(w http.ResponseWriter, r *http.Request, into any) *problem {
	b, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if tooLong := (*http.MaxBytesError)(nil); errors.As(err, &tooLong) {
		return &problem{http.StatusRequestEntityTooLarge, "invalid_request_error", "", "request_too_large", "the body is longer than 32 MiB"}
	}
	if err != nil {
		return bad("", "the body could not be read: "+err.Error())
	}
	if err := json.Unmarshal(b, into); err != nil {
		return bad("", "the body is not valid JSON for this request: "+err.Error())
	}
	return nil
}

// A problem is why a request gets no answer.
type problem struct {
	status                     int
	kind, param, code, message string
}

func bad(param, message string) *problem {
	return &problem{http.StatusBadRequest, "invalid_request_error", param, "invalid_value", message}
}

func unavailable(err error) problem {
	switch {
	case errors.Is(err, errFull):
		return problem{http.StatusServiceUnavailable, "server_error", "", "queue_full", err.Error()}
	case errors.Is(err, engine.ErrTooLong):
		return problem{http.StatusBadRequest, "invalid_request_error", "messages", "context_length_exceeded", err.Error()}
	}
	return problem{http.StatusServiceUnavailable, "server_error", "", "unavailable", err.Error()}
}

// errorShape is a dialect's format of errors.
type errorShape struct {
	body func(problem) any
	more string // follows an error inside a stream
}

var openAIErrors = errorShape{
	body: func(p problem) any {
		return map[string]any{"error": map[string]any{"message": p.message, "type": p.kind, "param": orNull(p.param), "code": orNull(p.code)}}
	},
	// vLLM ends a failed stream like this: a gateway must not take it for a
	// good end.
	more: "data: [DONE]\n\n",
}

var anthropicErrors = errorShape{body: func(p problem) any {
	kind := map[int]string{400: "invalid_request_error", 401: "authentication_error", 404: "not_found_error", 413: "request_too_large", 429: "rate_limit_error", 503: "overloaded_error"}[p.status]
	if kind == "" {
		kind = "api_error"
	}
	return map[string]any{"type": "error", "error": map[string]any{"type": kind, "message": p.message}}
}}

// shapeOf is the format of errors at a path.
func shapeOf(path string) *errorShape {
	if strings.HasSuffix(path, "/messages") {
		return &anthropicErrors
	}
	return &openAIErrors
}

func (e *errorShape) write(w http.ResponseWriter, p problem) { writeJSON(w, p.status, e.body(p)) }

func orNull(s string) any {
	if s == "" {
		return nil
	}
	return s
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(append(mustJSON(v), '\n')) // a client that has gone needs no answer
}
