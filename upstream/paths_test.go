package upstream_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"weir"
	. "weir/upstream"
)

func TestPathsFollowTheProtocol(t *testing.T) {
	f := func(o Options, op weir.Op, want string) {
		t.Helper()
		asked := ""
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { asked = r.RequestURI }))
		defer server.Close()
		u, err := url.Parse(o.BaseURL)
		if err != nil {
			t.Fatal(err)
		}
		base := o.BaseURL
		o.BaseURL = server.URL + u.EscapedPath()
		if _, _, err := ask(t.Context(), newClient(t, o), &Call{Op: op}); err != nil || asked != want {
			t.Errorf("%s %s %s: %s, want %s (%v)", o.Dialect.Name(), base, op, asked, want, err)
		}
	}
	f(Options{Dialect: OpenAI, BaseURL: "http://gpu:8000"}, weir.OpChat, "/v1/chat/completions")
	f(Options{Dialect: OpenAI, BaseURL: "http://gpu:8000/"}, weir.OpCompletions, "/v1/completions")
	f(Options{Dialect: OpenAI, BaseURL: "https://api.openai.com/v1"}, weir.OpEmbeddings, "/v1/embeddings")
	f(Options{Dialect: OpenAI, BaseURL: "https://x.example/a%20b/v4/"}, weir.OpResponses, "/a%20b/v4/responses")
	f(Options{Dialect: OpenAI, BaseURL: "https://x.example/vllm"}, weir.OpMessages, "/vllm/v1/messages")
	f(Options{Dialect: Anthropic, BaseURL: "https://api.anthropic.com"}, weir.OpMessages, "/v1/messages")

	az := Options{Dialect: AzureOpenAI, BaseURL: "https://res.openai.azure.com", Model: "gpt 4o"}
	f(az, weir.OpChat, "/openai/v1/chat/completions")
	az.BaseURL += "/openai/v1/"
	f(az, weir.OpResponses, "/openai/v1/responses")
	az.APIVersion, az.BaseURL = "2024-10-21", "https://res.openai.azure.com/openai"
	f(az, weir.OpEmbeddings, "/openai/deployments/gpt%204o/embeddings?api-version=2024-10-21")
	f(az, weir.OpResponses, "/openai/responses?api-version=2024-10-21")
	az.BaseURL = "https://apim.example/team"
	f(az, weir.OpChat, "/team/openai/deployments/gpt%204o/chat/completions?api-version=2024-10-21")
}

func TestBadOptionsAreAllNamed(t *testing.T) {
	err := Options{BaseURL: "ftp://x", StallTimeout: -1, MaxConns: -2}.Validate()
	for _, part := range []string{"Dialect is missing", `"ftp://x"`, "StallTimeout", "MaxConns -2"} {
		if err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("%v does not name %s", err, part)
		}
	}
	f := func(o Options, want string) {
		t.Helper()
		if err := o.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: want %s", err, want)
		}
	}
	f(Options{Dialect: AzureOpenAI, APIVersion: "2024-10-21"}, "needs Model")
	f(Options{Dialect: OpenAI, APIVersion: "2024-10-21"}, "azureopenai")
	f(Options{Dialect: OpenAI, BaseURL: "http://user:pw@x"}, "without user")
	f(Options{Dialect: OpenAI, BaseURL: "http://x/?a=b"}, "query")
	f(Options{Dialect: OpenAI, BaseURL: "http:///x"}, "no host")
	f(Options{Dialect: OpenAI, BaseURL: "http://x/%zz"}, "base URL")
	if err := (Options{Dialect: OpenAI}).Validate(); err != nil {
		t.Error(err)
	}
}
