package upstream_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"

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

// Of a managed online endpoint's two 429, the one for too many requests in flight is no
// reason to avoid it. A deployment that it does not have is not the caller's mistake.
func TestWhatAManagedEndpointRefuses(t *testing.T) {
	read := func(status int, body string, headers ...string) Failure {
		h := http.Header{}
		for i := 0; i < len(headers); i += 2 {
			h.Set(headers[i], headers[i+1])
		}
		return (&Operation{}).ReadFailure(status, h.Get, []byte(body), time.Time{})
	}
	for body, full := range map[string]bool{"Too many pending requests": true, `{"error":{"message":"Too many pending requests"}}`: true, "Rate limit is exceeded": false, "": false} {
		if have := read(429, body); have.Full != full || !have.Throttled || !have.Retryable {
			t.Errorf("%s: %+v", body, have)
		}
	}
	if have := read(429, "Too many pending requests", "Retry-After", "3"); have.Full {
		t.Errorf("with a time: %+v", have)
	}
	if have := read(404, "No valid deployments to route to. Please check that the endpoint has"); have.Fault != weir.UpstreamFault || !have.Retryable {
		t.Errorf("no deployment: %+v", have)
	}
	if have := read(404, "No such file"); have.Fault != weir.CallerFault || have.Retryable {
		t.Errorf("no object: %+v", have)
	}
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

// numbered gives tokens t1, t2 and so on.
type numbered struct{ n atomic.Int64 }

func (s *numbered) GetToken(context.Context, policy.TokenRequestOptions) (azcore.AccessToken, error) {
	return azcore.AccessToken{Token: fmt.Sprint("t", s.n.Add(1)), ExpiresOn: time.Now().Add(time.Hour)}, nil
}

// A call whose token is refused is sent once more with the new one, whole; one that
// is refused again fails.
func TestARefusedCallIsSentOnceMore(t *testing.T) {
	var right atomic.Value
	right.Store("Bearer t2")
	var calls atomic.Int64
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		calls.Add(1)
		body, err := io.ReadAll(r.Body)
		if err != nil || r.Header.Get("Authorization") != right.Load() || string(body) != `{"a":1}` {
			w.WriteHeader(http.StatusUnauthorized)
		}
	}))
	defer s.Close()
	o := Options{Dialect: OpenAI}
	o.Credential, o.Renew = Renewed(new(numbered), "")
	c, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	ask := func() int {
		t.Helper()
		r, err := c.Do(t.Context(), s.URL, &Call{Op: weir.OpChat, Body: [][]byte{[]byte(`{"a":`), []byte(`1}`)}})
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		return r.Status
	}
	if status := ask(); status != http.StatusOK || calls.Load() != 2 {
		t.Errorf("%d after %d calls", status, calls.Load())
	}
	right.Store("Bearer none")
	if status := ask(); status != http.StatusUnauthorized || calls.Load() != 3 {
		t.Errorf("%d after %d calls", status, calls.Load())
	}
}
