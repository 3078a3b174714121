package node

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"weir"
	"weir/cache"
	"weir/cache/memory"
)

func TestStoredAnswersAreShownAndPurgedAtTheAdminAddress(t *testing.T) {
	s := memory.New(memory.Options{}, nil)
	defer s.Close()
	for i, model := range []string{"m", "m", "other"} {
		e := &cache.Entry{Body: []byte(`{"id":"a"}`), Stored: weir.Instant(time.Now().UnixNano()), TTL: time.Hour, Generation: s.Generation(), Of: cache.Origin{Tenant: "t", Model: model}}
		s.Put(cache.Key{byte(i)}, e.Ready())
	}
	a := &adminAPI{cache: s, metrics: http.NotFoundHandler(), ready: func() error { return nil }, note: func() string { return "" }}
	h := a.handler()
	ask := func(method, path, body string) (int, string) {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(method, "http://127.0.0.1"+path, strings.NewReader(body)))
		return w.Code, strings.NewReplacer(" ", "", "\n", "").Replace(w.Body.String())
	}
	if code, body := ask("GET", "/admin/cache", ""); code != 200 || !strings.Contains(body, `"entries":3,`) || !strings.Contains(body, `"most_bytes":`) {
		t.Errorf("%d %s", code, body)
	}
	for body, want := range map[string]string{
		``:                        "wantoneof",
		`{}`:                      "",
		`{"modle":"m"}`:           "unknownfield",
		`{"model":"m","tag":"x"}`: "",
		`{"tag":"` + strings.Repeat("x", maxPurge) + `"}`: "toolarge",
	} {
		if code, answer := ask("POST", "/admin/cache/purge", body); code != 400 || !strings.Contains(answer, want) {
			t.Errorf("%.40s: %d %s", body, code, answer)
		}
	}
	if code, body := ask("POST", "/admin/cache/purge", `{"model":"m"}`); code != 200 || body != `{"purged":2}` {
		t.Errorf("%d %s", code, body)
	}
	if code, body := ask("GET", "/admin/cache", ""); code != 200 || !strings.Contains(body, `"entries":1,`) {
		t.Errorf("%d %s", code, body)
	}
}
