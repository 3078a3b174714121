package gateway

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
)

// keeper is a server of the Responses API that continues only its own answers. Its IDs
// begin with name.
type keeperServer struct {
	*backend
	mu   sync.Mutex
	n    int
	kept map[string]bool
}

func keeperOf(t *testing.T, name string) *keeperServer {
	k := &keeperServer{kept: map[string]bool{}}
	k.backend = newBackend(t, func(w http.ResponseWriter, r *http.Request) {
		k.mu.Lock()
		defer k.mu.Unlock()
		_, id, below := strings.Cut(r.URL.Path, "/responses/")
		if below {
			id, _, _ = strings.Cut(id, "/")
			if !k.kept[id] {
				http.Error(w, `{"error":{"message":"no such response"}}`, 404)
				return
			}
			if r.Method == http.MethodDelete {
				delete(k.kept, id)
			}
			fmt.Fprintf(w, `{"id":%q,"object":"response","asked":"%s %s"}`, id, r.Method, r.URL.RequestURI())
			return
		}
		var ask struct {
			Previous string `json:"previous_response_id"`
		}
		body, _ := io.ReadAll(r.Body)
		_ = json.Unmarshal(body, &ask)
		if ask.Previous != "" && !k.kept[ask.Previous] {
			http.Error(w, `{"error":{"message":"previous response not found","code":"previous_response_not_found"}}`, 400)
			return
		}
		k.n++
		id = fmt.Sprintf("%s_%d", name, k.n)
		k.kept[id] = true
		fmt.Fprintf(w, `{"object":"response","id":%q,"status":"completed","output":[{"type":"message","id":"msg","role":"assistant","content":[{"type":"output_text","text":"hi"}]}],`+
			`"usage":{"input_tokens":3,"output_tokens":1,"total_tokens":4}}`, id)
	})
	return k
}

func idOf(t *testing.T, answer string) string {
	t.Helper()
	var v struct{ ID string }
	if err := json.Unmarshal([]byte(answer), &v); err != nil || v.ID == "" {
		t.Fatalf("no id in %s", answer)
	}
	return v.ID
}

// chains walks five chains of five answers side by side.
func chains(t *testing.T, r *running) {
	t.Helper()
	last := make([]string, 5)
	for turn := range 5 {
		for i := range last {
			body := `{"model":"m","input":"hi"}`
			if turn > 0 {
				body = fmt.Sprintf(`{"model":"m","input":"more","previous_response_id":%q}`, last[i])
			}
			resp, answer := r.post(responsesPath, body)
			if resp.StatusCode != 200 {
				t.Fatalf("chain %d, turn %d: %d %s", i, turn, resp.StatusCode, answer)
			}
			last[i] = idOf(t, answer)
			r.rec()
		}
	}
}

func TestAChainStaysWhereItsAnswersAreKept(t *testing.T) {
	a, b := keeperOf(t, "a"), keeperOf(t, "b")
	t.Run("two deployments", func(t *testing.T) { chains(t, start(t, config(a.URL, b.URL))) })
	t.Run("two addresses", func(t *testing.T) {
		c := config(a.URL)
		c.Models[0].Deployments[0].Addrs = []string{a.URL, b.URL}
		chains(t, start(t, c))
	})
	t.Run("a later tier", func(t *testing.T) {
		c := config(a.URL, b.URL)
		c.Models[0].Deployments[1].Tier = 1
		r := start(t, c)
		chains(t, r)
	})
	if a.calls.Load() == 0 || b.calls.Load() == 0 {
		t.Error("all chains were at one server")
	}
}

func TestAChainStaysAtItsAddressWhenAddressesAreListedOtherwise(t *testing.T) {
	a, b := keeperOf(t, "a"), keeperOf(t, "b")
	c := config(a.URL)
	c.Models[0].Deployments[0].Addrs = []string{a.URL, b.URL}
	r := start(t, c)
	_, first := r.post(responsesPath, `{"model":"m","input":"hi"}`)
	r.rec()
	more := fmt.Sprintf(`{"model":"m","input":"more","previous_response_id":%q}`, idOf(t, first))
	apply := func(addrs ...string) {
		t.Helper()
		c := config(a.URL)
		c.Models[0].Deployments[0].Addrs = addrs
		if err := r.Apply(c); err != nil {
			t.Fatal(err)
		}
	}
	apply(b.URL, a.URL)
	if resp, answer := r.post(responsesPath, more); resp.StatusCode != 200 {
		t.Errorf("%d %s", resp.StatusCode, answer)
	}
	r.rec()
	kept := a
	if strings.HasPrefix(idOf(t, first), "a_") {
		kept = b
	}
	apply(kept.URL)
	if resp, answer := r.post(responsesPath, more); resp.StatusCode != 400 || !strings.Contains(answer, "any more") {
		t.Errorf("with its address gone: %d %s", resp.StatusCode, answer)
	}
	r.rec()
}

func TestAChainWhoseKeeperIsDownIsRefusedAndNotSentElsewhere(t *testing.T) {
	a, b := keeperOf(t, "a"), keeperOf(t, "b")
	r := start(t, config(a.URL, b.URL))
	_, answer := r.post(responsesPath, `{"model":"m","input":"hi"}`)
	id := idOf(t, answer)
	other := b
	if strings.HasPrefix(id, "b") {
		other = a
		b.Close()
	} else {
		a.Close()
	}
	before := other.calls.Load()
	for range 3 {
		resp, answer := r.post(responsesPath, fmt.Sprintf(`{"model":"m","input":"more","previous_response_id":%q}`, id))
		if resp.StatusCode < 500 {
			t.Errorf("%d %s", resp.StatusCode, answer)
		}
	}
	if other.calls.Load() != before {
		t.Error("another server was asked for what it does not keep")
	}
}

func TestAnAnswerThatIsKeptIsReadAndDeletedByItsOwnTenant(t *testing.T) {
	a, b := keeperOf(t, "a"), keeperOf(t, "b")
	r := start(t, twoTenants(config(a.URL, b.URL)))
	ask := func(key, method, path string) (int, string) {
		t.Helper()
		q, _ := http.NewRequestWithContext(t.Context(), method, r.url+path, nil)
		q.Header.Set("Authorization", "Bearer "+key)
		resp, err := http.DefaultClient.Do(q)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		body, _ := io.ReadAll(resp.Body)
		return resp.StatusCode, string(body)
	}
	f := func(key, method, path string, status int, want string) {
		t.Helper()
		if have, body := ask(key, method, path); have != status || !strings.Contains(body, want) {
			t.Errorf("%s %s: %d %s", method, path, have, body)
		}
	}
	for range 4 {
		_, answer := r.post(responsesPath, `{"model":"m","input":"hi"}`)
		id := idOf(t, answer)
		f("their-key", "GET", "/v1/responses/"+id, 404, "response_not_found")
		f("wrong", "GET", "/v1/responses/"+id, 401, "invalid_api_key")
		f(testKey, "PUT", "/v1/responses/"+id, 405, "method_not_allowed")
		f(testKey, "GET", "/v1/responses/"+id+"?stream=true&starting_after=3", 200, "?stream=true&starting_after=3")
		f(testKey, "GET", "/openai/v1/responses/"+id+"/input_items?api-version=preview&limit=2", 200, "/input_items?limit=2")
		f(testKey, "POST", "/v1/responses/"+id+"/cancel", 200, "POST /v1/responses/"+id+"/cancel")
		f(testKey, "DELETE", "/v1/responses/"+id, 200, "DELETE")
		f(testKey, "GET", "/v1/responses/"+id, 404, "no such response")
	}
	f(testKey, "GET", "/v1/responses/never", 404, "response_not_found")
	f(testKey, "GET", "/v1/responses/..%2Fmodels", 404, "error")
	f(testKey, "POST", "/v1/responses/compact", 404, "not_served")
}

func TestTokensAreCountedByTheUpstreamElseEstimated(t *testing.T) {
	counts := true
	b := newBackend(t, func(w http.ResponseWriter, r *http.Request) {
		if !counts || !strings.HasSuffix(r.URL.Path, "_tokens") {
			http.Error(w, `{"detail":"Not Found"}`, 404)
			return
		}
		io.WriteString(w, `{"input_tokens":17}`)
	})
	c := config(b.URL)
	c.Models[0].Deployments[0].Upstream.Dialect = anthropic
	r := start(t, c)
	const ask = `{"model":"m","messages":[{"role":"user","content":"how many are these?"}]}`
	resp, answer := r.post("/v1/messages/count_tokens?beta=true", ask)
	if resp.StatusCode != 200 || answer != `{"input_tokens":17}` || resp.Header.Get("X-Weir-Estimated") != "" {
		t.Error(resp.StatusCode, answer)
	}
	if path, body, _ := b.last(); path != "/v1/messages/count_tokens" || !strings.Contains(body, `"model":"up"`) {
		t.Error(path, body)
	}
	counts = false
	resp, answer = r.post("/v1/messages/count_tokens?beta=true", ask)
	var n struct {
		InputTokens int `json:"input_tokens"`
	}
	if err := json.Unmarshal([]byte(answer), &n); err != nil || n.InputTokens < 5 || n.InputTokens > 20 || resp.Header.Get("X-Weir-Estimated") != "input_tokens" {
		t.Error(resp.Header, answer, err)
	}
}

// Every failure below /v1/messages has Anthropic's form.
func TestErrorsBelowMessagesAreAnthropics(t *testing.T) {
	b := newBackend(t, func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(400)
		io.WriteString(w, `{"error":{"code":400,"message":"bad thing","type":"invalid_request_error"}}`)
	})
	c := config(b.URL)
	c.Models[0].Deployments[0].Upstream.Dialect = anthropic
	c.Bounds.MaxBody = 1000
	r := start(t, c)
	f := func(method, path, body, key string, status int, kind string) {
		t.Helper()
		q, _ := http.NewRequestWithContext(t.Context(), method, r.url+path, strings.NewReader(body))
		q.Header.Set("X-Api-Key", key)
		resp, err := http.DefaultClient.Do(q)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		text, _ := io.ReadAll(resp.Body)
		var e struct {
			Type  string
			Error struct{ Type, Message string }
		}
		if json.Unmarshal(text, &e) != nil || resp.StatusCode != status || e.Type != "error" || e.Error.Type != kind || e.Error.Message == "" {
			t.Errorf("%s %s: %d %s", method, path, resp.StatusCode, text)
		}
	}
	const ask = `{"model":"m","max_tokens":4,"messages":[]}`
	for _, path := range []string{"/v1/messages", "/v1/messages/count_tokens"} {
		f("POST", path, ask, "wrong", 401, "authentication_error")
		f("GET", path, "", testKey, 405, "invalid_request_error")
		f("POST", path, "{", testKey, 400, "invalid_request_error")
		f("POST", path, strings.Repeat("x", 2000), testKey, 413, "request_too_large")
		f("POST", path, `{"model":"no"}`, testKey, 404, "not_found_error")
		f("POST", path, ask, testKey, 400, "invalid_request_error") // the upstream's own error, in OpenAI's form
	}
	f("GET", "/v1/messages/batches", "", testKey, 404, "not_found_error")
	f("POST", "/v1/messages/", "{}", testKey, 404, "not_found_error")
}

// The deployment that stores an answer may have changed its protocol since.
func TestAChainWhoseKeeperSpeaksAnotherProtocolSinceIsRefused(t *testing.T) {
	a, b := keeperOf(t, "a"), keeperOf(t, "b")
	c := config(a.URL, b.URL)
	c.Models[0].Deployments[1].Tier = 1
	r := start(t, c)
	_, answer := r.post(responsesPath, `{"model":"m","input":"hi"}`)
	r.rec()
	c = config(a.URL, b.URL)
	c.Models[0].Deployments[0].Upstream.Dialect = anthropic
	if err := r.Apply(c); err != nil {
		t.Fatal(err)
	}
	resp, answer := r.post(responsesPath, fmt.Sprintf(`{"model":"m","input":"more","previous_response_id":%q}`, idOf(t, answer)))
	if rec := r.rec(); resp.StatusCode != 400 || rec.Code != "previous_response_not_found" || b.calls.Load() > 0 {
		t.Errorf("%d %s %+v", resp.StatusCode, answer, rec)
	}
}
