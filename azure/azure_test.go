package azure

import (
	"bytes"
	"context"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	azruntime "github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
)

const secret = "s3cret~of-the-application"

// issuer is Entra's token endpoint and Azure Resource Manager in one server, over
// TLS with its own CA.
func issuer(t *testing.T, arm http.HandlerFunc) Options {
	mux := http.NewServeMux()
	s := httptest.NewTLSServer(mux)
	t.Cleanup(s.Close)
	mux.HandleFunc("/tenant/v2.0/.well-known/openid-configuration", func(w http.ResponseWriter, r *http.Request) {
		at := s.URL + "/tenant"
		fmt.Fprintf(w, `{"issuer":%q,"authorization_endpoint":%q,"token_endpoint":%q}`, at+"/v2.0", at+"/oauth2/v2.0/authorize", at+"/oauth2/v2.0/token")
	})
	mux.HandleFunc("/tenant/oauth2/v2.0/token", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("content-type", "application/json")
		if r.FormValue("client_secret") != secret {
			w.WriteHeader(http.StatusUnauthorized)
			fmt.Fprintf(w, `{"error":"invalid_client","error_description":"AADSTS7000215: Invalid client secret provided: %s"}`, r.FormValue("client_secret"))
			return
		}
		fmt.Fprintf(w, `{"token_type":"Bearer","expires_in":3599,"access_token":"eyJhbGciOiJub25lIn0.eyJhdWQiOiJ4In0."}`)
	})
	mux.HandleFunc("/subscriptions/", arm)
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	return Options{
		Subscription: "sub", Identity: "secret", Tenant: "tenant", ClientID: "app", ClientSecret: secret,
		Endpoints: Endpoints{Authority: s.URL, ResourceManager: s.URL, Audience: "https://arm.test", CAFile: ca},
	}
}

// get asks Azure Resource Manager as the SDKs' clients do.
func get(t *testing.T, a *Account) (string, error) {
	t.Helper()
	at := a.cloud.Services[cloud.ResourceManager]
	o := a.client()
	p := azruntime.NewPipeline("weir", "test", azruntime.PipelineOptions{
		PerRetry: []policy.Policy{azruntime.NewBearerTokenPolicy(a.Credential(), []string{at.Audience + "/.default"}, nil)},
	}, &o)
	r, err := azruntime.NewRequest(t.Context(), http.MethodGet, at.Endpoint+"/subscriptions/sub")
	if err != nil {
		t.Fatal(err)
	}
	resp, err := p.Do(r)
	if err != nil {
		return "", err
	}
	if resp.StatusCode != http.StatusOK {
		return "", azruntime.NewResponseError(resp)
	}
	body, err := io.ReadAll(resp.Body)
	return string(body), err
}

func TestTheApplicationsSecretOpensTheSubscription(t *testing.T) {
	var seen http.Header
	a, err := New(issuer(t, func(w http.ResponseWriter, r *http.Request) { seen = r.Header; fmt.Fprint(w, "ok") }))
	if err != nil {
		t.Fatal(err)
	}
	if body, err := get(t, a); body != "ok" || err != nil {
		t.Fatalf("%q, %v", body, err)
	}
	if !strings.HasPrefix(seen.Get("Authorization"), "Bearer eyJ") || !strings.HasPrefix(seen.Get("User-Agent"), "weir ") {
		t.Errorf("headers %v", seen)
	}
}

// Nothing that is said of a failure contains a secret, even where Azure repeats it.
func TestNoSecretIsSaidOfAFailure(t *testing.T) {
	o := issuer(t, func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusBadRequest)
		fmt.Fprintf(w, `{"error":{"code":"BadArgument","message":"primaryKey: abc123, %s,\n %s"}}`, r.Header.Get("Authorization"), secret)
	})
	right, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	_, refused := get(t, right)
	o.ClientSecret = "wrong-" + secret
	wrong, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	_, denied := get(t, wrong)
	for _, said := range []string{right.Reason(refused), wrong.Reason(denied)} {
		if strings.Contains(said, secret) || strings.Contains(said, "eyJ") || strings.Contains(said, "abc123") || strings.Contains(said, "\n") {
			t.Errorf("said: %s", said)
		}
	}
	if said := right.Reason(refused); !strings.HasPrefix(said, "400 BadArgument: [hidden], [hidden]") {
		t.Errorf("said: %s", said)
	}
	if !Refused(denied) || Refused(refused) {
		t.Errorf("refused: %v, %v", Refused(denied), Refused(refused))
	}
}

// A wait that Azure asks for is handed on, not slept through.
func TestALongRetryAfterIsTheCallersToWait(t *testing.T) {
	calls := 0
	a, err := New(issuer(t, func(w http.ResponseWriter, r *http.Request) {
		calls++
		w.Header().Set("Retry-After", "17")
		w.WriteHeader(http.StatusTooManyRequests)
		fmt.Fprint(w, `{"error":{"code":"SubscriptionRequestsThrottled","message":"Number of requests exceeded."}}`)
	}))
	if err != nil {
		t.Fatal(err)
	}
	_, err = get(t, a)
	have, ok := a.Explain(err)
	want := Trouble{429, "SubscriptionRequestsThrottled", "Number of requests exceeded.", 17 * time.Second}
	if !ok || have != want || calls != 1 {
		t.Errorf("%+v, %v, after %d calls", have, ok, calls)
	}
}

// A clock that is years ahead does not keep Weir away for years.
func TestAWaitHasABound(t *testing.T) {
	for _, h := range []http.Header{
		{"Retry-After": {"Fri, 01 Jan 2100 00:00:00 GMT"}},
		{"Retry-After": {"999999999999"}},
		{"Retry-After-Ms": {"999999999999999"}},
	} {
		if have := RetryAfter(h); have != maxWait {
			t.Errorf("%v: %v, want %v", h, have, maxWait)
		}
	}
}

func TestTheInnermostCodeCounts(t *testing.T) {
	f := func(body, code, message string) {
		t.Helper()
		a := &Account{}
		err := &azcore.ResponseError{StatusCode: 400, ErrorCode: "outer", RawResponse: &http.Response{Header: http.Header{}, Body: io.NopCloser(bytes.NewBufferString(body))}}
		have, ok := a.Explain(fmt.Errorf("asked: %w", err))
		if !ok || have.Code != code || have.Message != message {
			t.Errorf("%s: %+v", body, have)
		}
	}
	f(`{"error":{"code":"BadRequest","message":"a","details":[{"code":"OutOfQuota","message":"b"}]}}`, "OutOfQuota", "b")
	f(`{"status":"Failed","error":{"code":"OutOfCapacity","message":"no H100"}}`, "OutOfCapacity", "no H100")
	f(`{"error":{"code":"X","message":"m","details":[{"code":"a"},{"code":"b"}]}}`, "X", "m")
	f(`no JSON`, "outer", "")
	f(``, "outer", "")
}

func TestWhatIsWrongWithTheOptionsIsSaid(t *testing.T) {
	f := func(o Options, want string) {
		t.Helper()
		if _, err := New(o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
	f(Options{}, "Subscription is missing")
	f(Options{Subscription: "s", Cloud: "moon"}, `cloud "moon" is not known`)
	f(Options{Subscription: "s", Identity: "me"}, "unknown; want default")
	f(Options{Subscription: "s", Endpoints: Endpoints{CAFile: "azure_test.go"}}, "no certificate in PEM")
	f(Options{Subscription: "s", Endpoints: Endpoints{CAFile: "none"}}, "CA: open none")
}

func TestEachCloudHasItsScope(t *testing.T) {
	for name, want := range map[string]string{"": "https://ml.azure.com/.default", "china": "https://ml.azure.cn/.default", "government": "https://ml.azure.us/.default"} {
		a, err := New(Options{Subscription: "s", Cloud: name})
		if err != nil || a.MLScope() != want {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestAnErrorWithoutAnAnswerIsNoTroubleOfAzure(t *testing.T) {
	if got, ok := (&Account{}).Explain(errors.Join(context.DeadlineExceeded)); ok || got.Message != "context deadline exceeded" {
		t.Errorf("%+v, %v", got, ok)
	}
}
