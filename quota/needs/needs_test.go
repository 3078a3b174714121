package needs

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"weir/config"
	"weir/emulate/arm"
	"weir/price"
	"weir/quota"
)

// emulated is an emulated subscription, asked over TCP and TLS with Azure's own
// clients: a configuration whose azure: block points there.
func emulated(t *testing.T, models string, limits map[string]int) (*config.Config, *arm.Cloud) {
	t.Helper()
	dir := t.TempDir()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	cloud, err := arm.New(arm.Options{Dir: dir, Speed: 1000, Quota: limits})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- cloud.Serve(ctx, l) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	ca := filepath.Join(dir, "ca.pem")
	if err := os.WriteFile(ca, cloud.CA(), 0o600); err != nil {
		t.Fatal(err)
	}
	url := "https://" + l.Addr().String()
	t.Setenv("WEIR_TEST_AZURE_SECRET", "hush")
	text := fmt.Sprintf(`
azure:
  subscription: 00000000-0000-0000-0000-000000000001
  resource_group: weir
  identity: secret
  tenant: 00000000-0000-0000-0000-0000000000aa
  client_id: 00000000-0000-0000-0000-0000000000bb
  client_secret: env:WEIR_TEST_AZURE_SECRET
  endpoints: {authority: "%s", resource_manager: "%s", audience: "https://management.azure.com", ca: "%s"}
tenants: [{name: t, keys: [{name: k, hash: "sha256:%s"}]}]
%s`, url, url, ca, strings.Repeat("ab", 32), models)
	c, err := config.Parse("weir.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Resolve(); err != nil {
		t.Fatal(err)
	}
	return c, cloud
}

const pods = `
models:
- name: llama
  deployments:
  - name: llama/a100
    kubernetes: {kind: Deployment, name: llama, namespace: default, gpus: 1}
    scaling: {min: 1, max: 4, price: {vm: Standard_NC24ads_A100_v4, region: swedencentral}}
`

func TestADeploymentsMostIsComparedWithTheQuota(t *testing.T) {
	prices, err := price.Default()
	if err != nil {
		t.Fatal(err)
	}
	c, cloud := emulated(t, pods, map[string]int{"StandardNCADSA100v4Family": 48})
	page, err := Of(t.Context(), c, prices)
	if err != nil || len(page.Faults) > 0 {
		t.Fatal(err, page.Faults)
	}
	want := Need{Deployment: "llama/a100", Most: "4 x Standard_NC24ads_A100_v4", Request: 48,
		Said: "needs 96 vCPUs of StandardNCADSA100v4Family in swedencentral; 48 are free: request 48 more, a limit of 96"}
	if len(page.Needs) != 1 || page.Needs[0] != want || page.Short() == nil {
		t.Errorf("needs %+v\nwant  %+v", page.Needs, want)
	}
	cloud.SetQuota("StandardNCADSA100v4Family", 96)
	if page, err = Of(t.Context(), c, prices, "eastus"); err != nil || page.Short() != nil {
		t.Errorf("with enough: %v, %+v", err, page.Needs)
	}
	kinds := map[quota.Service]int{}
	for _, u := range page.Usages {
		if u.Location == "eastus" {
			kinds[u.Service]++
		}
	}
	if kinds[quota.Compute] == 0 || kinds[quota.ML] == 0 {
		t.Errorf("of another region: %v; not read: %v", kinds, page.Troubles())
	}
}

const endpoint = `
models:
- name: llama
  deployments:
  - name: llama/blue
    azure_ml: {workspace: weir, endpoint: llama, deployment: blue}
    scaling: {min: 1, max: 4, price: {vm: Standard_NC4as_T4_v3, region: swedencentral}}
`

// A managed endpoint counts against the quota of Azure Machine Learning, with its
// reserve; and the role in deploy/azure has the rights to all that was asked.
func TestAManagedEndpointNeedsItsReserveAndTheRoleHasTheRights(t *testing.T) {
	prices, err := price.Default()
	if err != nil {
		t.Fatal(err)
	}
	c, cloud := emulated(t, endpoint, map[string]int{"ml/swedencentral/standard NCASv3_T4 Family": 16, "compute/swedencentral/standard NCASv3_T4 Family": 400})
	page, err := Of(t.Context(), c, prices, "swedencentral")
	if err != nil || len(page.Needs) != 1 {
		t.Fatal(err, page.Needs)
	}
	if n := page.Needs[0]; n.OK || n.Request != 4 || !strings.HasPrefix(n.Said, "needs 20 vCPUs of ") {
		t.Errorf("needs %+v", n)
	}
	role, err := os.ReadFile("../../deploy/azure/weir-capacity.json")
	if err != nil {
		t.Fatal(err)
	}
	for action := range cloud.Actions() {
		if !strings.Contains(strings.ToLower(string(role)), strings.ToLower("\""+action+"\"")) {
			t.Errorf("the role lacks %s", action)
		}
	}
}
