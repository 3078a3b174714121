package emulate

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// Kind is the kind of server. The zero Kind speaks every dialect and accepts
// every key, for demonstrations; the others refuse what the real servers
// refuse.
type Kind string

// The kinds of servers other than Azure OpenAI resources.
const (
	AsOpenAI    Kind = "openai"    // vLLM and similar servers: the OpenAI API, and Messages
	AsAnthropic Kind = "anthropic" // only Messages
)

// Task is the task of a model. A server with a Kind refuses the others.
type Task string

// The tasks of models.
const (
	Generate Task = "generate" // text
	Embed    Task = "embed"    // embeddings
)

func (k Kind) check(t Task) error {
	if !slices.Contains([]Kind{"", AsOpenAI, AsAnthropic}, k) {
		return fmt.Errorf("emulate: kind %q: want %q, %q, or none for a server that speaks everything", k, AsOpenAI, AsAnthropic)
	}
	if !slices.Contains([]Task{"", Generate, Embed}, t) {
		return fmt.Errorf("emulate: task %q: want %q, %q, or none for a model that does both", t, Generate, Embed)
	}
	return nil
}

// open are the paths that need no key on any server.
func open(path string) bool {
	return path == "/health" || path == "/metrics" || path == "/version" || strings.HasPrefix(path, "/admin/")
}

// refuses says why this kind of server refuses a request altogether.
func (s *Server) refuses(r *http.Request) *problem {
	path := r.URL.Path
	if open(path) {
		return nil
	}
	if s.o.Key != "" && !s.keyed(r) {
		return &problem{http.StatusUnauthorized, "authentication_error", "", "invalid_api_key", "the key is missing or wrong"}
	}
	switch {
	case s.o.Kind == "":
		return nil
	case s.o.Kind == AsAnthropic && !strings.HasPrefix(path, "/v1/messages") && !strings.HasPrefix(path, "/v1/models"),
		strings.HasPrefix(path, "/openai/"):
		return &problem{http.StatusNotFound, "invalid_request_error", "", "unknown_url", "unknown request URL: " + r.Method + " " + path}
	case s.o.Task == Generate && path == "/v1/embeddings":
		return notDone(s.o.Served, "Embeddings")
	case s.o.Task == Embed && r.Method == http.MethodPost && path != "/v1/embeddings":
		return notDone(s.o.Served, strings.TrimPrefix(path, "/v1/"))
	}
	return nil
}

// notDone is 404, vLLM's answer at a path outside the model's task.
func notDone(model, api string) *problem {
	return &problem{http.StatusNotFound, "invalid_request_error", "model", "not_supported", "The model " + model + " does not support the " + api + " API"}
}

// keyed says whether a request has the key where this kind of server looks for
// it.
func (s *Server) keyed(r *http.Request) bool {
	if s.o.Kind == AsAnthropic {
		return r.Header.Get("X-Api-Key") == s.o.Key
	}
	return r.Header.Get("Authorization") == "Bearer "+s.o.Key
}
