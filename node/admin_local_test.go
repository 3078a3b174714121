package node

import (
	"net/http"
	"net/http/httptest"
	"testing"
)

func TestTheAdminAddressWithoutATokenAnswersThisMachinesOwnRequestsOnly(t *testing.T) {
	h := local([]string{"ops.example.com"}, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(200) }))
	f := func(want int, host string, headers ...string) {
		t.Helper()
		for _, method := range []string{"GET", "POST"} {
			r := httptest.NewRequest(method, "http://x/admin/reload", nil)
			r.Host = host
			for i := 0; i < len(headers); i += 2 {
				r.Header.Add(headers[i], headers[i+1])
			}
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			if w.Code != want {
				t.Errorf("%s by %q with %v: %d, want %d", method, host, headers, w.Code, want)
			}
		}
	}
	for _, host := range []string{"localhost:8081", "LOCALHOST", "localhost.:8081", "weir.localhost:8081", "127.0.0.1:8081", "127.0.0.1", "[::1]:8081", "[::1]", "10.1.2.3:8081", "ops.example.com:8081", "Ops.Example.Com"} {
		f(200, host)
		f(200, host, "Origin", "http://"+host)
		f(200, host, "Sec-Fetch-Site", "same-origin")
		f(200, host, "Sec-Fetch-Site", "none")
		f(403, host, "Origin", "https://evil.example")
		f(403, host, "Origin", "null")
		f(403, host, "Origin", "")
		f(403, host, "Sec-Fetch-Site", "cross-site")
		f(403, host, "Sec-Fetch-Site", "same-site")
		f(403, host, "Origin", "http://"+host, "Origin", "https://evil.example")
	}
	for _, host := range []string{"evil.example", "evil.example:8081", "localhost.evil.example", "127.0.0.1.nip.io:8081", "notlocalhost", "", "ops.example.com.evil.example", "::1.example"} {
		f(403, host)
		f(403, host, "Origin", "http://"+host)
	}
	f(403, "127.0.0.1:8081", "Origin", "http://127.0.0.1:3000")
}

func TestWithATokenTheNameDoesNotMatter(t *testing.T) {
	a := adminAPI{token: "secret", metrics: http.NotFoundHandler()}
	for token, want := range map[string]int{"": 401, "Bearer secret": 404} {
		r := httptest.NewRequest("GET", "http://weir.monitoring.svc/metrics", nil)
		r.Header.Set("authorization", token)
		w := httptest.NewRecorder()
		a.handler().ServeHTTP(w, r)
		if w.Code != want {
			t.Errorf("%q: %d, want %d", token, w.Code, want)
		}
	}
}
