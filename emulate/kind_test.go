package emulate

import (
	"net/http"
	"strings"
	"testing"
)

// A server of a kind refuses what a real one of that kind refuses.
func TestAServerOfAKindRefusesTheOthers(t *testing.T) {
	const chat, messages, embeddings = "/v1/chat/completions", "/v1/messages", "/v1/embeddings"
	bodies := map[string]string{
		chat:       `{"model":"there","messages":[{"role":"user","content":"x"}],"max_tokens":3}`,
		messages:   `{"model":"there","messages":[{"role":"user","content":"x"}],"max_tokens":3}`,
		embeddings: `{"model":"there","input":"x"}`,
		"/openai/deployments/there/chat/completions": `{"messages":[{"role":"user","content":"x"}],"max_tokens":3}`,
	}
	f := func(o Options, header, path string, status int, want string) {
		t.Helper()
		o.Served = "there"
		emulated(t, o, func(s *server) {
			name, value, _ := strings.Cut(header, ": ")
			if name != "" {
				s.header = http.Header{name: {value}}
			}
			have, _, body := s.ask("POST", path, bodies[path])
			if have != status || !strings.Contains(string(body), want) {
				t.Errorf("%+v %s: %d %s, want %d %q", o, path, have, body, status, want)
			}
		})
	}
	f(Options{}, "", chat, 200, "")
	f(Options{}, "", embeddings, 200, "")
	f(Options{}, "", "/openai/deployments/there/chat/completions", 200, "")
	f(Options{Kind: AsOpenAI}, "", chat, 200, `"model":"there"`)
	f(Options{Kind: AsOpenAI}, "", messages, 200, "")
	f(Options{Kind: AsOpenAI}, "", "/openai/deployments/there/chat/completions", 404, "unknown_url")
	f(Options{Kind: AsOpenAI, Task: Generate}, "", embeddings, 404, "does not support the Embeddings API")
	f(Options{Kind: AsOpenAI, Task: Embed}, "", chat, 404, "does not support the chat/completions API")
	f(Options{Kind: AsOpenAI, Task: Embed}, "", embeddings, 200, "")
	f(Options{Kind: AsAnthropic}, "", chat, 404, "unknown_url")
	f(Options{Kind: AsAnthropic}, "", messages, 200, "")
	f(Options{Kind: AsOpenAI, Key: "k"}, "", chat, 401, "invalid_api_key")
	f(Options{Kind: AsOpenAI, Key: "k"}, "Authorization: Bearer k", chat, 200, "")
	f(Options{Kind: AsAnthropic, Key: "k"}, "Authorization: Bearer k", messages, 401, "authentication_error")
	f(Options{Kind: AsAnthropic, Key: "k"}, "X-Api-Key: k", messages, 200, "")
}
