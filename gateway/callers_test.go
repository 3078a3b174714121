package gateway

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"weir"
)

func TestTheKnownKeyAmongThoseSentCounts(t *testing.T) {
	b := newBackend(t, answering)
	r := start(t, twoTenants(config(b.URL)))
	f := func(want int, tenant string, headers ...string) {
		t.Helper()
		resp, answer := r.post(chatPath, chatBody, append([]string{"Authorization", ""}, headers...)...)
		if rec := r.rec(); resp.StatusCode != want || rec.Tenant != tenant {
			t.Errorf("%v: %d %s, of %q", headers, resp.StatusCode, answer, rec.Tenant)
		}
	}
	f(200, "demo", "Authorization", "Bearer "+testKey)
	f(200, "demo", "Authorization", "bearer  "+testKey+" ")
	f(200, "demo", "X-Api-Key", testKey)
	f(200, "demo", "Api-Key", testKey)
	f(200, "demo", "Authorization", "Bearer", "X-Api-Key", testKey)
	f(200, "demo", "Authorization", "Bearer ", "Api-Key", testKey)
	f(200, "demo", "Authorization", "Bearer sk-of-elsewhere", "X-Api-Key", testKey)
	f(200, "demo", "Authorization", "Basic dTpw", "Api-Key", testKey)
	f(200, "demo", "Authorization", "Bearer "+testKey, "X-Api-Key", "dummy")
	f(200, "demo", "Api-Key", "not-used", "X-Api-Key", testKey)
	f(200, "demo", "Authorization", "Bearer "+testKey, "Api-Key", testKey, "X-Api-Key", testKey)
	f(401, "", "Authorization", "Bearer "+testKey, "X-Api-Key", "their-key")
	f(401, "", "Api-Key", "their-key", "X-Api-Key", testKey)
	f(200, "demo", "Authorization", "Bearer sk-of-elsewhere", "Authorization", "Bearer "+testKey)
	f(200, "demo", "X-Api-Key", "dummy", "X-Api-Key", testKey)
	f(401, "", "Authorization", "Bearer "+testKey, "Authorization", "Bearer their-key")
	f(401, "", "X-Api-Key", testKey, "X-Api-Key", "their-key")
	f(401, "", "Authorization", "Bearer wrong", "X-Api-Key", "wrong")
	f(401, "", "Authorization", "Bearer", "X-Api-Key", "wrong")
	f(401, "", "Authorization", "Bearer "+strings.Repeat("x", 5000), "Api-Key", "wrong")
	f(401, "")
}

func TestEveryLineOfAListReachesTheUpstream(t *testing.T) {
	b := newBackend(t, answering)
	r := start(t, config(b.URL))
	req, _ := http.NewRequest("POST", r.url+chatPath, strings.NewReader(chatBody))
	req.Header = http.Header{"Authorization": {"Bearer " + testKey}, "Anthropic-Beta": {"a-2025", "b-2025", "", "c-2025,d-2025"}, "Openai-Beta": {"x", "y"}, "Idempotency-Key": {"1", "2"}}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	_, _, h := b.last()
	for name, want := range map[string]string{"Anthropic-Beta": "[a-2025 b-2025 c-2025,d-2025]", "Openai-Beta": "[x y]", "Idempotency-Key": "[1]"} {
		if got := fmt.Sprint(h.Values(name)); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
}

// An exhausted account is not throttling: no request waits for it, the next tier
// serves, and the account is not used for a while.
func TestAnAccountThatIsUsedUpIsPassedOver(t *testing.T) {
	first := newBackend(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Retry-After", "1")
		w.WriteHeader(429)
		fmt.Fprint(w, `{"error":{"message":"You exceeded your current quota, please check your plan and billing details.","type":"insufficient_quota","param":null,"code":"insufficient_quota"}}`)
	})
	second := newBackend(t, answering)
	c := config(first.URL, second.URL)
	c.Models[0].Deployments[1].Tier = 1
	r := start(t, c)
	for range 3 {
		if resp, answer := r.post(chatPath, chatBody); resp.StatusCode != 200 || resp.Header.Get("X-Weir-Deployment") != "d1" {
			t.Errorf("%d %s", resp.StatusCode, answer)
		}
	}
	if n := first.calls.Load(); n != 1 {
		t.Errorf("it was asked %d times", n)
	}
	r = start(t, config(first.URL))
	resp, answer := r.post(chatPath, chatBody)
	if resp.StatusCode == 429 && resp.Header.Get("Retry-After") == "1" || !strings.Contains(answer, "quota or credit") {
		t.Errorf("%d %v %s", resp.StatusCode, resp.Header, answer)
	}
	if rec := r.rec(); rec.Outcome != weir.Failure || rec.Code != "upstream_quota_exhausted" || first.calls.Load() != 2 {
		t.Errorf("%+v after %d calls", rec, first.calls.Load())
	}
}

func TestATimeBeyondBeliefIsSaid(t *testing.T) {
	b := newBackend(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Retry-After", "86400")
		w.WriteHeader(429)
	})
	r := start(t, config(b.URL))
	resp, answer := r.post(chatPath, chatBody)
	if resp.StatusCode != 429 || resp.Header.Get("Retry-After") != "3600" || !strings.Contains(answer, "asks for 24h0m0s, of which 1h0m0s are believed") {
		t.Errorf("%d %v %s", resp.StatusCode, resp.Header, answer)
	}
}
