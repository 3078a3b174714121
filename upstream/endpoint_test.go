package upstream_test

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"weir"
	. "weir/upstream"
)

// A managed online endpoint's 424 counts as the status of the container's own
// answer; without one, or with nonsense, it is the upstream's fault.
func TestAContainersStatusIsThatOfTheError(t *testing.T) {
	f := func(status int, inner string, want int, fault weir.Fault, throttled bool) {
		t.Helper()
		h := http.Header{}
		h.Set("ms-azureml-model-error-statuscode", inner)
		have := (&Operation{}).ReadFailure(status, h.Get, nil, time.Time{})
		if have.Status != want || have.Fault != fault || have.Throttled != throttled {
			t.Errorf("%d with %q: %+v", status, inner, have)
		}
	}
	f(424, "429", 429, weir.UpstreamFault, true)
	f(424, "400", 400, weir.CallerFault, false)
	f(424, "500", 500, weir.UpstreamFault, false)
	f(424, "", 424, weir.UpstreamFault, false)
	f(424, "200", 424, weir.UpstreamFault, false)
	f(424, "4000", 424, weir.UpstreamFault, false)
	f(400, "503", 400, weir.CallerFault, false)
	f(408, "", 408, weir.UpstreamFault, false)
	f(429, "", 429, weir.UpstreamFault, true)
}

// The header that picks a deployment is in every request.
func TestThePinIsInEveryRequest(t *testing.T) {
	var seen []string
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { seen = r.Header["Azureml-Model-Deployment"] }))
	defer s.Close()
	c, err := New(Options{Dialect: OpenAI, Pin: Field{Name: "azureml-model-deployment", Value: "blue"}})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	r, err := c.Do(t.Context(), s.URL, &Call{Op: weir.OpChat})
	if err != nil {
		t.Fatal(err)
	}
	r.Close()
	if len(seen) != 1 || seen[0] != "blue" {
		t.Errorf("%q", seen)
	}
}
