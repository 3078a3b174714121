package node

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"weir/dispatch"
	"weir/observe"
)

// subscribed is an account that counts what it is asked.
type subscribed struct {
	ran      chan struct{}
	approved string
}

func (s *subscribed) Run(ctx context.Context) error { close(s.ran); <-ctx.Done(); return nil }
func (s *subscribed) Quota() any                    { return []string{"cores"} }
func (s *subscribed) Capacity() any                 { return []string{"m/there is 50"} }
func (s *subscribed) Approve(deployment string, units int64) error {
	if units != 50 {
		return errors.New("no change to that size is proposed")
	}
	s.approved = deployment
	return nil
}
func (s *subscribed) Levels() observe.Account {
	return observe.Account{
		Quotas:   []observe.AccountQuota{{Service: "compute", Location: "eastus", Name: "cores", Used: 6, Limit: 350}, {Service: "compute", Location: "eastus", Name: "unused"}, {Service: "compute", Location: "eastus", Name: "endless", Used: 1, Limit: -1}},
		Capacity: []observe.AccountCapacity{{Deployment: "m/there", Units: 150, Wanted: 50, Proposed: 50}, {Deployment: "gone", Units: 1}},
	}
}

func TestOperatorsSeeAndApproveWhatTheSubscriptionHas(t *testing.T) {
	dir := t.TempDir()
	o := optionsOf(t, dir, setupOf(dir, Deployment{Name: "m/there"}, answering(t, "there")))
	account := &subscribed{ran: make(chan struct{})}
	o.Account = func(h AccountHost) (Account, error) {
		if err := h.Capacity("m/there", dispatch.Quota{TokensPerMinute: 1000}); err != nil {
			t.Error(err)
		}
		return account, nil
	}
	n, _ := running(t, o)
	<-account.ran
	ask := func(method, path, body string, status int, part string) {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), method, "http://"+n.Operators().String()+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		a, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer a.Body.Close()
		text, _ := io.ReadAll(a.Body)
		if a.StatusCode != status || !strings.Contains(string(text), part) {
			t.Errorf("%s %s: %d %s, want %d with %q", method, path, a.StatusCode, text, status, part)
		}
	}
	ask("GET", "/admin/quota", "", 200, "cores")
	ask("GET", "/admin/capacity", "", 200, "m/there is 50")
	ask("POST", "/admin/capacity", `{"deployment": "m/there", "units": 100}`, 409, "no change to that size")
	ask("POST", "/admin/capacity", `{"deployment": "m/there"}`, 400, "want {")
	ask("POST", "/admin/capacity", `{"deployment": "m/there", "units": 50, "now": true}`, 400, "want {")
	ask("POST", "/admin/capacity", `{"deployment": "m/there", "units": 50}`, 200, "m/there")
	if account.approved != "m/there" {
		t.Errorf("approved %q", account.approved)
	}
	for _, line := range []string{
		`weir_azure_quota_used{location="eastus",name="cores",service="compute",workspace=""} 6`,
		`weir_azure_quota_limit{location="eastus",name="cores",service="compute",workspace=""} 350`,
		`weir_azure_capacity_units{deployment="m/there"} 150`,
		`weir_azure_capacity_wanted_units{deployment="m/there"} 50`,
		`weir_azure_capacity_proposed_units{deployment="m/there"} 50`,
		`weir_azure_quota_used{location="eastus",name="endless",service="compute",workspace=""} 1`,
	} {
		ask("GET", "/metrics", "", 200, line+"\n")
	}
}

func TestWithoutASubscriptionItsPathsSaySo(t *testing.T) {
	a := &adminAPI{metrics: http.NotFoundHandler(), ready: func() error { return nil }, note: func() string { return "" }}
	for _, path := range []string{"/admin/quota", "/admin/capacity"} {
		w := answerOf(a.handler(), path)
		if w.Code != 404 || !strings.Contains(w.Body.String(), "add azure:") {
			t.Errorf("%s: %d %s", path, w.Code, w.Body)
		}
	}
}

func answerOf(h http.Handler, path string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	r := httptest.NewRequest("GET", path, nil)
	r.Host = "localhost"
	h.ServeHTTP(w, r)
	return w
}
