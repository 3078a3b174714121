package wire

import (
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	azfake "github.com/Azure/azure-sdk-for-go/sdk/azcore/fake"

	"weir/azure"
	"weir/config"
	"weir/node"
	"weir/price"
)

const managed = `
azure: {subscription: 00000000-0000-0000-0000-000000000001, resource_group: rg}
tenants: [{name: t, keys: [{name: k, hash: "sha256:abababababababababababababababababababababababababababababababab"}]}]
models:
- name: llama
  deployments:
  - name: llama/blue
    azure_ml: {workspace: inference, endpoint: llama, deployment: blue}
    scaling: {min: 1, max: 8, price: {vm: Standard_NC24ads_A100_v4, region: swedencentral}}
`

// lists answers every list with what a test says, in Azure's JSON.
type lists struct{ usages string }

func (l *lists) Do(r *http.Request) (*http.Response, error) {
	body := `{"value": []}`
	switch path := r.URL.Path; {
	case strings.HasSuffix(path, "/workspaces/inference"):
		body = `{"location": "swedencentral"}`
	case strings.Contains(path, "MachineLearning") && strings.HasSuffix(path, "/usages"):
		body = `{"value": [` + l.usages + `]}`
	}
	return &http.Response{StatusCode: 200, Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(strings.NewReader(body)), Request: r}, nil
}

// Quotas bound the instances of a managed endpoint: by a reading, its own count as they
// were then. A quota that counts none of those that are there is not theirs.
func TestQuotasBoundInstances(t *testing.T) {
	c, err := config.Parse("weir.yaml", []byte(managed))
	if err != nil {
		t.Fatal(err)
	}
	at := &lists{}
	a, err := azure.New(azure.Options{Subscription: c.Azure.Subscription, Credential: &azfake.TokenCredential{}, Transport: at})
	if err != nil {
		t.Fatal(err)
	}
	s := &subscription{prices: price.Default}
	if _, _, known := s.instances("llama/blue", 1); known {
		t.Error("known before it is opened")
	}
	if err := s.open(c, a, node.AccountHost{Log: slog.New(slog.DiscardHandler)}); err != nil {
		t.Fatal(err)
	}
	f := func(have, most int, known bool, text string) {
		t.Helper()
		n, said, is := s.instances("llama/blue", have)
		if n != most || is != known || said != text {
			t.Errorf("with %d there: %d %v %q, want %d %v %q", have, n, is, said, most, known, text)
		}
	}
	read := func(usages string) {
		at.usages = usages
		s.quotas.Step(t.Context())
	}
	f(1, 0, false, "")
	const family = `{"id": "/subscriptions/0/usages/x", "name": {"value": "StandardNCADSA100v4Family"}, "currentValue": USED, "limit": LIMIT}`
	usage := func(used, limit string) string {
		return strings.NewReplacer("USED", used, "LIMIT", limit).Replace(family)
	}
	read(usage("48", "96"))
	const text = "48 of 96 vCPUs of StandardNCADSA100v4Family in swedencentral are used"
	f(1, 3, true, text)
	f(3, 3, true, text) // two came since: they were free then
	read(usage("96", "96"))
	f(3, 3, true, strings.Replace(text, "48", "96", 1))
	read(usage("0", "0"))
	f(3, 0, false, "")
	read("")
	f(3, 0, false, "")
	if err := s.change(c).Apply(); err != nil {
		t.Fatal(err)
	}
	if n, _, known := s.instances("llama/green", 1); known {
		t.Errorf("of a deployment that is not there: %d", n)
	}
}
