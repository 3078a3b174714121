package node

import (
	"net/http"
	"net/http/httptest"
	"testing"
)

func TestTheAdminAddressWantsItsToken(t *testing.T) {
	a := &adminAPI{token: "secret", metrics: http.NotFoundHandler(), ready: func() error { return nil }, note: func() string { return "" }}
	h := a.handler()
	get := func(path, auth string) int {
		r := httptest.NewRequest("GET", path, nil)
		r.Header.Set("authorization", auth)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		return w.Code
	}
	for path, want := range map[string]int{"/metrics": 401, "/admin/replicas": 401, "/debug/pprof/": 401, "/healthz": 200, "/readyz": 200} {
		if have := get(path, ""); have != want {
			t.Errorf("%s without a token: %d, want %d", path, have, want)
		}
	}
	if have := get("/metrics", "Bearer secret"); have != 404 {
		t.Errorf("with the token: %d", have)
	}
}
