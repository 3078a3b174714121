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

func TestTheReportTellsOfEachModel(t *testing.T) {
	answer := `[]`
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != "GET" || r.URL.Path != "/admin/cache/meaning" {
			t.Error(r.Method, r.URL.Path)
		}
		io.WriteString(w, answer)
	}))
	defer s.Close()
	var out bytes.Buffer
	if err := Report(t.Context(), &out, s.URL); err != nil || out.String() != "no request to a model with cache.semantic has come yet\n" {
		t.Error(out.String(), err)
	}
	answer = `[{"model":"chat","max_error":0.01,"shadow":false,"prompts":90,"embedded":2000,"late":3,"unread":4,"near":1500,"served":700,"expected_error":0.0062,
		"audited":40,"audited_wrong":1,"measured_error":0.025,"measured_error_most":0.15,"compared":798,"compared_wrong":9,"undone":2,"saved_dollars":12.3,"spent_dollars":0.04},
		{"model":"new","max_error":0.05,"shadow":true},{"model":"old"}]`
	out.Reset()
	if err := Report(t.Context(), &out, s.URL); err != nil {
		t.Fatal(err)
	}
	if want := `chat, max_error 1 %
  served    700 of 1500 requests that were near a stored prompt; 2000 embedded, 3 too late, 4 not compared
  expected  at most 0.62 % of them wrong
  measured  2.5 % wrong, at most 15 %: 1 of 40 answers that would have been served
  compared  798 answers near a stored prompt, 9 wrong; 2 came to nothing
  money     $12.30 saved, $0.04 spent on embeddings and judges
  prompts   90

new, max_error 5 %, shadow: nothing is served
  served    0 of 0 requests that were near a stored prompt; 0 embedded, 0 too late, 0 not compared
  compared  0 answers near a stored prompt, 0 wrong; 0 came to nothing
  money     $0.00 saved, $0.00 spent on embeddings and judges
  prompts   0

old, no longer with cache.semantic
  served    0 of 0 requests that were near a stored prompt; 0 embedded, 0 too late, 0 not compared
  compared  0 answers near a stored prompt, 0 wrong; 0 came to nothing
  money     $0.00 saved, $0.00 spent on embeddings and judges
  prompts   0
`; out.String() != want {
		t.Errorf("have\n%s\nwant\n%s", out.String(), want)
	}
}
