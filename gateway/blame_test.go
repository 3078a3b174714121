package gateway

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"weir"
)

// picky is a server that answers supported requests and fails others as real servers
// do: with 404, 501 and 500, or by not answering.
func picky(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	say := func(status int, text string) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		io.WriteString(w, text)
	}
	switch {
	case strings.Contains(string(body), "bad"):
		say(500, `{"error":{"message":"list index out of range"}}`)
	case strings.Contains(string(body), "slow"):
		<-r.Context().Done()
	case strings.Contains(string(body), "crash"):
		panic(http.ErrAbortHandler)
	case strings.Contains(string(body), `"image_url"`):
		say(500, `{"error":{"code":500,"message":"image input is not supported - hint: provide the mmproj","type":"server_error"}}`)
	case r.URL.Path == "/v1/embeddings":
		say(404, `{"detail":"Not Found"}`)
	case r.URL.Path == "/v1/responses":
		say(501, `{"error":{"code":501,"message":"This server does not support responses"}}`)
	default:
		r.Body = io.NopCloser(strings.NewReader(string(body)))
		answering(w, r)
	}
}

// attackerAndVictim is a gateway with one deployment of so many replicas, and two keys.
func attackerAndVictim(t *testing.T, replicas int) *running {
	c := config("")
	c.Models[0].Deployments[0].Upstream.BaseURL = ""
	for range replicas {
		c.Models[0].Deployments[0].Addrs = append(c.Models[0].Deployments[0].Addrs, newBackend(t, picky).URL)
	}
	c.Models[0].Deployments[0].Upstream.HeaderTimeout = 60 * time.Millisecond
	c.Tenants = append(c.Tenants, Tenant{Name: "attacker", Keys: []Key{{Name: "bad", SHA256: sum("attacker_key")}}})
	return start(t, c)
}

// attacks are requests that the servers cannot serve, and their caller's error if there
// is more than one replica.
var attacks = []struct {
	name, path, body string
	status           int
	code             string
}{
	{"500", chatPath, `{"model":"m","messages":[{"role":"user","content":"bad"}]}`, 422, "request_fails"},
	{"slow", chatPath, `{"model":"m","messages":[{"role":"user","content":"slow"}]}`, 422, "request_fails"},
	{"crash", chatPath, `{"model":"m","messages":[{"role":"user","content":"crash"}]}`, 422, "request_fails"},
	{"stream", chatPath, `{"model":"m","stream":true,"messages":[{"role":"user","content":"bad"}]}`, 422, "request_fails"},
	{"image", chatPath, `{"model":"m","messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"http://x"}}]}]}`, 400, "unsupported_operation"},
	{"embeddings", "/v1/embeddings", `{"model":"m","input":"x"}`, 400, "unsupported_operation"},
	{"responses", "/v1/responses", `{"model":"m","input":"x"}`, 400, "unsupported_operation"},
}

// Unservable requests of one key shut out no other key, and their caller learns that
// the fault is its own.
func TestOneKeysBadRequestsCloseNothing(t *testing.T) {
	for _, a := range attacks {
		for _, replicas := range []int{1, 2, 3} {
			t.Run(fmt.Sprintf("%s/%d", a.name, replicas), func(t *testing.T) {
				r := attackerAndVictim(t, replicas)
				for range replicas {
					r.post(chatPath, chatBody)
				}
				for i := range 40 {
					if i%4 == 0 {
						resp, answer := r.post(a.path, a.body, "Authorization", "Bearer attacker_key")
						fault := resp.Header.Get("X-Weir-Fault")
						if replicas > 1 || a.status == 400 {
							if resp.StatusCode != a.status || fault != "caller" || !strings.Contains(answer, a.code) {
								t.Fatalf("the attacker was told %d %s %s", resp.StatusCode, fault, answer)
							}
						}
					}
					if resp, answer := r.post(chatPath, chatBody); resp.StatusCode != 200 {
						t.Fatalf("the victim's request %d of 40: %d %s", i+1, resp.StatusCode, answer)
					}
				}
			})
		}
	}
}

// A request that one deployment cannot serve goes to another one, and later ones go
// there at once.
func TestARequestGoesWhereItCanBeServed(t *testing.T) {
	text, eyes := newBackend(t, picky), newBackend(t, answering)
	c := config(text.URL, eyes.URL)
	c.Models[0].Deployments[1].Tier = 1
	r := start(t, c)
	for _, a := range []struct{ path, body string }{
		{chatPath, `{"model":"m","messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"http://x"}}]}]}`},
		{"/v1/embeddings", `{"model":"m","input":"x"}`},
	} {
		before := text.calls.Load()
		for range 5 {
			if resp, answer := r.post(a.path, a.body); resp.StatusCode != 200 || resp.Header.Get("X-Weir-Deployment") != "d1" {
				t.Fatalf("%d %s", resp.StatusCode, answer)
			}
			if rec := r.rec(); rec.Outcome != weir.Completed {
				t.Errorf("%+v", rec)
			}
		}
		if n := text.calls.Load() - before; n != 1 {
			t.Errorf("%s: the server that cannot was asked %d times", a.path, n)
		}
	}
	if resp, _ := r.post(chatPath, chatBody); resp.Header.Get("X-Weir-Deployment") != "d0" {
		t.Error("text went to", resp.Header.Get("X-Weir-Deployment"))
	}
}

// An upstream that does not know the model's name is not broken: no circuit opens, and
// the request goes to the next.
func TestAnUnknownNameOpensNothing(t *testing.T) {
	lost := newBackend(t, func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(404)
		io.WriteString(w, `{"object":"error","message":"The model 'up' does not exist.","type":"NotFoundError","code":404}`)
	})
	r := start(t, config(lost.URL))
	for range 6 {
		resp, answer := r.post(chatPath, chatBody)
		if resp.StatusCode != 502 || resp.Header.Get("X-Weir-Fault") != "upstream" || !strings.Contains(answer, "does not know the model name") {
			t.Errorf("%d %s", resp.StatusCode, answer)
		}
	}
	if n := lost.calls.Load(); n != 6 {
		t.Errorf("asked %d times for 6 requests", n)
	}
}
