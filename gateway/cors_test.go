package gateway

import (
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

const (
	page        = "https://app.example.com"
	compactPath = "/v1/responses/compact"
)

func withCORS(c Config, origins ...string) Config {
	c.CORS = CORS{Origins: origins, MaxAge: 10*time.Minute + 500*time.Millisecond}
	return c
}

// ask sends a request without a key and without a body.
func (r *running) ask(method, path string, headers ...string) (*http.Response, string) {
	r.t.Helper()
	req, err := http.NewRequestWithContext(r.t.Context(), method, r.url+path, nil)
	if err != nil {
		r.t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		r.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	return resp, string(body)
}

// methods are the methods of each kind of path.
var methods = [...]struct{ path, methods string }{
	{"/v1/chat/completions", "POST"}, {"/v1/completions", "POST"}, {"/v1/embeddings", "POST"}, {"/v1/responses", "POST"}, {"/v1/messages", "POST"},
	{"/v1/messages/count_tokens?beta=true", "POST"}, {"/v1/responses/input_tokens", "POST"}, {compactPath, "POST"},
	{"/v1/responses/resp_1", "GET, HEAD, DELETE"}, {"/v1/responses/resp_1/cancel", "POST"}, {"/v1/responses/resp_1/input_items", "GET, HEAD"},
	{"/v1/models", "GET, HEAD"}, {"/v1/models/m", "GET, HEAD"}, {"/v1/models/not-there", "GET, HEAD"},
	{"/openai/deployments/m/chat/completions?api-version=2024-10-21", "POST"}, {"/openai/responses", "POST"}, {"/openai/v1/models", "GET, HEAD"},
	{"/healthz", "GET, HEAD"}, {"/health", "GET, HEAD"}, {"/readyz", "GET, HEAD"},
}

func TestAPreflightIsAnsweredBeforeTheKey(t *testing.T) {
	r := start(t, withCORS(config("http://127.0.0.1:1"), page, "http://localhost:3000"))
	for _, p := range append(methods[:len(methods):len(methods)], struct{ path, methods string }{"/v1/nothing", "GET, HEAD, POST, DELETE"}) {
		resp, body := r.ask("OPTIONS", p.path, "Origin", page, "Access-Control-Request-Method", "POST", "Access-Control-Request-Headers", "authorization,content-type")
		want := http.Header{
			"Access-Control-Allow-Origin": {page}, "Access-Control-Allow-Methods": {p.methods}, "Access-Control-Allow-Headers": {"authorization, content-type"},
			"Access-Control-Max-Age": {"600"}, "Vary": {"Origin"}, "Access-Control-Allow-Credentials": nil, "Content-Length": nil,
		}
		for name, values := range want {
			if got := strings.Join(resp.Header[name], "|"); got != strings.Join(values, "|") {
				t.Errorf("%s: %s: %q, want %q", p.path, name, got, values)
			}
		}
		if resp.StatusCode != 204 || body != "" {
			t.Errorf("%s: %d %s", p.path, resp.StatusCode, body)
		}
	}
	if l := r.Levels(); l.Arrived != 0 {
		t.Errorf("preflights count as requests: %+v", l)
	}
}

func TestAForeignOriginIsTold(t *testing.T) {
	b := newBackend(t, answering)
	r := start(t, withCORS(config(b.URL), page))
	for _, origin := range []string{"https://evil.example", "null", "http://app.example.com", page + ":8443", page + ".evil.example", strings.ToUpper(page)} {
		resp, body := r.ask("OPTIONS", chatPath, "Origin", origin, "Access-Control-Request-Method", "POST")
		if resp.StatusCode != 403 || !strings.Contains(body, "origin_not_allowed") || !strings.Contains(body, "server.cors.origins") {
			t.Errorf("%s: %d %s", origin, resp.StatusCode, body)
		}
		real, body := r.post(chatPath, chatBody, "Origin", origin)
		if real.StatusCode != 200 {
			t.Errorf("%s: %d %s", origin, real.StatusCode, body)
		}
		for _, resp := range []*http.Response{resp, real} {
			if said := spoken(resp.Header); said != "" || resp.Header.Get("Vary") != "Origin" {
				t.Errorf("%s: %d: %s, Vary %q", origin, resp.StatusCode, said, resp.Header.Get("Vary"))
			}
		}
	}
}

// spoken returns the CORS headers of an answer, in one line.
func spoken(h http.Header) string {
	var said []string
	for name := range h {
		if strings.HasPrefix(name, "Access-Control-") {
			said = append(said, name)
		}
	}
	return strings.Join(said, " ")
}

func TestHeadersAPageMaySend(t *testing.T) {
	c := withCORS(config("http://127.0.0.1:1"), page)
	c.Models[0].Sticky = Sticky{By: StickyHeader, Header: "X-User-Id"}
	r := start(t, c)
	f := func(asked, want string) {
		t.Helper()
		resp, _ := r.ask("OPTIONS", chatPath, "Origin", page, "Access-Control-Request-Method", "POST", "Access-Control-Request-Headers", asked)
		if got := resp.Header.Get("Access-Control-Allow-Headers"); got != want || resp.StatusCode != 204 {
			t.Errorf("%s: %d %q", asked, resp.StatusCode, got)
		}
	}
	// As openai-node, AzureOpenAI and Anthropic's SDK ask with dangerouslyAllowBrowser.
	f("authorization,content-type,openai-organization,openai-project,user-agent,x-stainless-arch,x-stainless-lang,x-stainless-retry-count,x-stainless-timeout",
		"authorization, content-type, openai-organization, openai-project, user-agent, x-stainless-arch, x-stainless-lang, x-stainless-retry-count, x-stainless-timeout")
	f("api-key, idempotency-key", "api-key, idempotency-key")
	f("anthropic-beta,anthropic-dangerous-direct-browser-access,anthropic-version,x-api-key,x-stainless-helper-method",
		"anthropic-beta, anthropic-dangerous-direct-browser-access, anthropic-version, x-api-key, x-stainless-helper-method")
	f("X-Weir-Class, X-Weir-Session,traceparent,tracestate,x-request-id,x-ms-client-request-id", "x-weir-class, x-weir-session, traceparent, tracestate, x-request-id, x-ms-client-request-id")
	f("x-user-id", "x-user-id")
	f("x-evil,cookie,x-stainless,authorization-x,,content-type", "content-type")
	f("x-weir-a b,x-weir-\xff", "")
	f("cookie", "")
}

func TestEveryAnswerSaysThatThePageMayReadIt(t *testing.T) {
	b := newBackend(t, func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Access-Control-Allow-Origin", "*")
		h.Set("Access-Control-Allow-Credentials", "true")
		h.Set("Access-Control-Expose-Headers", "x-theirs")
		h.Set("Vary", "Accept-Encoding")
		answering(w, r)
	})
	c := withCORS(config(b.URL), page)
	c.Bounds.MaxBody = 1000
	two := config("http://127.0.0.1:1").Models[0]
	two.Name, two.Attempts, two.Deployments[0].Name = "down", 1, "down"
	c.Models = append(c.Models, two)
	r := start(t, c)
	f := func(status int, path, body string, headers ...string) {
		t.Helper()
		resp, answer := r.post(path, body, append(headers, "Origin", page)...)
		h := resp.Header
		if resp.StatusCode != status || strings.Join(h["Access-Control-Allow-Origin"], "|") != page || strings.Join(h["Vary"], "|") != "Origin" ||
			strings.Join(h["Access-Control-Expose-Headers"], "|") != corsExposed || h["Access-Control-Allow-Credentials"] != nil {
			t.Errorf("%s: %d %v %s", path, resp.StatusCode, h, answer)
		}
	}
	f(200, chatPath, chatBody)
	f(200, chatPath, streamed)
	f(401, chatPath, chatBody, "Authorization", "")
	f(404, chatPath, strings.Replace(chatBody, `"m"`, `"else"`, 1))
	f(404, "/v1/nothing", chatBody)
	f(404, "/v1/responses/compact", chatBody)
	f(405, "/v1/models", chatBody)
	f(400, chatPath, `{`)
	f(413, chatPath, strings.Replace(chatBody, "hi", strings.Repeat("x", 2000), 1))
	f(502, chatPath, strings.Replace(chatBody, `"m"`, `"down"`, 1))
	f(200, "/v1/messages/count_tokens", chatBody)
}

func TestEveryOriginAndNone(t *testing.T) {
	b := newBackend(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Access-Control-Allow-Origin", "*")
		answering(w, r)
	})
	all := withCORS(config(b.URL), "*")
	r := start(t, all)
	for _, origin := range []string{page, "null", ""} {
		resp, answer := r.post(chatPath, streamed, "Origin", origin)
		if h := resp.Header; resp.StatusCode != 200 || strings.Join(h["Access-Control-Allow-Origin"], "|") != "*" || h["Access-Control-Allow-Credentials"] != nil || h["Vary"] != nil {
			t.Errorf("%q: %d %v %s", origin, resp.StatusCode, h, answer)
		}
	}
	if resp, _ := r.ask("OPTIONS", chatPath, "Origin", page, "Access-Control-Request-Method", "POST"); resp.StatusCode != 204 || resp.Header.Get("Access-Control-Allow-Origin") != "*" {
		t.Errorf("%d %v", resp.StatusCode, resp.Header)
	}
	// Without it in the file, no answer has CORS headers.
	if err := r.Apply(config(b.URL)); err != nil {
		t.Fatal(err)
	}
	resp, _ := r.post(chatPath, chatBody, "Origin", page)
	preflight, _ := r.ask("OPTIONS", chatPath, "Origin", page, "Access-Control-Request-Method", "POST")
	for _, resp := range []*http.Response{resp, preflight} {
		if said := spoken(resp.Header); said != "" || resp.Header["Vary"] != nil {
			t.Errorf("%d: %s %v", resp.StatusCode, said, resp.Header["Vary"])
		}
	}
	for _, origins := range [][]string{{"*", page}, {"app.example.com"}, {""}} {
		if err := r.Apply(withCORS(config(b.URL), origins...)); err == nil {
			t.Errorf("%q was taken", origins)
		}
	}
}

func TestOptionsSaysWhatAPathTakes(t *testing.T) {
	for _, c := range []Config{config("http://127.0.0.1:1"), withCORS(config("http://127.0.0.1:1"), page)} {
		r := start(t, c)
		for _, p := range methods {
			for _, headers := range [][]string{nil, {"Origin", page}, {"Access-Control-Request-Method", "POST"}} {
				resp, body := r.ask("OPTIONS", p.path, headers...)
				if resp.StatusCode != 204 || resp.Header.Get("Allow") != p.methods+", OPTIONS" || body != "" {
					t.Errorf("%s: %d %q %s", p.path, resp.StatusCode, resp.Header.Get("Allow"), body)
				}
			}
			resp, _ := r.ask("PATCH", p.path)
			if p.path == compactPath { // whatever the method
				continue
			}
			if resp.StatusCode != 405 || resp.Header.Get("Allow") != p.methods+", OPTIONS" {
				t.Errorf("PATCH %s: %d %q", p.path, resp.StatusCode, resp.Header.Get("Allow"))
			}
		}
		for _, path := range []string{"/", "/v1", "/v1/nothing", "/openai/deployments/m/else"} {
			if resp, body := r.ask("OPTIONS", path); resp.StatusCode != 404 || !strings.Contains(body, `"error"`) {
				t.Errorf("%s: %d %s", path, resp.StatusCode, body)
			}
		}
	}
}

func TestHeadIsServedWhereGetIs(t *testing.T) {
	b := newBackend(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method != "GET" {
			w.WriteHeader(405)
			return
		}
		io.WriteString(w, `{"id":"resp_1","object":"response"}`)
	})
	r := start(t, config(b.URL))
	for _, p := range methods {
		if !strings.Contains(p.methods, "GET") {
			if resp, body := r.ask("HEAD", p.path, "Authorization", "Bearer "+testKey); p.path != compactPath && resp.StatusCode != 405 || body != "" {
				t.Errorf("HEAD %s: %d %s", p.path, resp.StatusCode, body)
			}
			continue
		}
		get, body := r.ask("GET", p.path, "Authorization", "Bearer "+testKey)
		head, none := r.ask("HEAD", p.path, "Authorization", "Bearer "+testKey)
		if get.StatusCode != head.StatusCode || body == "" || none != "" || get.ContentLength != head.ContentLength || get.Header.Get("Content-Type") != head.Header.Get("Content-Type") {
			t.Errorf("%s: GET %d %v %s, HEAD %d %v %s", p.path, get.StatusCode, get.Header, body, head.StatusCode, head.Header, none)
		}
		if want := !strings.HasSuffix(p.path, "not-there"); want != (head.StatusCode == 200) {
			t.Errorf("%s: %d", p.path, head.StatusCode)
		}
	}
	r.settled()
}

// Pages can read every header that Weir writes.
func TestPagesCanReadWhatWeirWrites(t *testing.T) {
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	written := regexp.MustCompile(`\.set\("(X-[A-Za-z-]+|Retry-[A-Za-z-]+)"`)
	found := 0
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range written.FindAllStringSubmatch(string(text), -1) {
			if found++; !listed(corsExposed, m[1]) {
				t.Errorf("%s: %s is not in corsExposed", file, m[1])
			}
		}
	}
	if found < 10 {
		t.Error("only", found, "headers found")
	}
}
