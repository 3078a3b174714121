package operate

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"weir/cache"
)

func TestAPurgeIsPostedWithItsToken(t *testing.T) {
	var asked string
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		asked = r.Method + " " + r.URL.Path + " " + r.Header.Get("Authorization") + " " + string(body)
		if strings.Contains(string(body), "other") {
			http.Error(w, "no", http.StatusBadGateway)
			return
		}
		io.WriteString(w, `{"purged":3}`)
	}))
	defer s.Close()
	t.Setenv(TokenVariable, "secret")
	var out bytes.Buffer
	if err := Purge(t.Context(), &out, strings.TrimPrefix(s.URL, "http://"), cache.Selector{Tag: "faq"}); err != nil || out.String() != "3 stored answers purged\n" {
		t.Errorf("%q, %v", out.String(), err)
	}
	if want := `POST /admin/cache/purge Bearer secret {"tag":"faq"}`; asked != want {
		t.Errorf("have %s, want %s", asked, want)
	}
	if err := Purge(t.Context(), &out, s.URL, cache.Selector{Tag: "other"}); err == nil || !strings.Contains(err.Error(), "status 502: no") {
		t.Error(err)
	}
	if err := Purge(t.Context(), &out, s.URL, cache.Selector{}); err == nil {
		t.Error("nothing was named")
	}
	if err := Purge(t.Context(), &out, "127.0.0.1:1", cache.Selector{All: true}); err == nil || !strings.Contains(err.Error(), "--admin") {
		t.Error(err)
	}
}
