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
	"weir/emulate"
	"weir/emulate/arm"
	"weir/fleet/azureopenai"
	"weir/price"
	"weir/quota"
	"weir/wire"
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
	openai, err := emulate.NewAzure(emulate.AzureOptions{Deployments: []emulate.AzureDeployment{{Name: "ptu", Model: "gpt-4o", SKU: "GlobalProvisionedManaged", PTU: 100, InputTPM: 2500, OutputWeight: 4}}})
	if err != nil {
		t.Fatal(err)
	}
	cloud, err := arm.New(arm.Options{Dir: dir, Speed: 1000, Quota: limits, OpenAI: openai})
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
	allowed(t, cloud)
}

// allowed checks that the role in deploy/azure has the rights to all that was asked.
func allowed(t *testing.T, cloud *arm.Cloud) {
	t.Helper()
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

const provisioned = `
models:
- name: gpt-4o
  deployments:
  - name: gpt-4o/ptu
    azureopenai: {endpoint: "http://127.0.0.1:1", resource: weir-openai, deployment: ptu, api_key: env:WEIR_TEST_AZURE_SECRET, UNITS, resize: both}
`

// Units of Azure OpenAI are judged and changed with the rights of the role; in a file
// that counts others they are neither.
func TestUnitsAreJudgedAndTheRoleHasTheRightsOfAResize(t *testing.T) {
	prices, err := price.Default()
	if err != nil {
		t.Fatal(err)
	}
	c, cloud := emulated(t, strings.Replace(provisioned, "UNITS", "ptu: 150", 1), nil)
	page, err := Of(t.Context(), c, prices)
	if err != nil || len(page.Needs) != 1 || !page.Needs[0].OK || page.Needs[0].Most != "150 units of GlobalProvisionedManaged" {
		t.Fatal(err, page.Needs)
	}
	a, err := wire.AzureAccount(c)
	if err != nil {
		t.Fatal(err)
	}
	client, err := azureopenai.NewClient(a)
	if err != nil {
		t.Fatal(err)
	}
	ref, _ := wire.OpenAIRef(c, &c.Models[0].Deployments[0])
	k := azureopenai.New(azureopenai.Options{Client: client, Deployments: []azureopenai.Deployment{{Name: "gpt-4o/ptu", Ref: ref, Resize: azureopenai.Both, Provisioned: true, Units: 150}}})
	k.Step(t.Context())
	for _, action := range []string{"read", "write"} {
		if cloud.Actions()["Microsoft.CognitiveServices/accounts/deployments/"+action] == 0 {
			t.Errorf("no deployments/%s was asked: %v", action, cloud.Actions())
		}
	}
	allowed(t, cloud)
	c.Models[0].Deployments[0].AzureOpenAI.PTU, c.Models[0].Deployments[0].AzureOpenAI.TokensPerMinute = 0, 450_000
	if page, err = Of(t.Context(), c, prices); err != nil || page.Needs[0].OK || !strings.Contains(page.Needs[0].Said, "write ptu") {
		t.Errorf("in other units: %v, %+v", err, page.Needs)
	}
}

// Of several quotas the one that can never be enough decides, though another is shorter
// now and may be in use by the deployment itself.
func TestWhatIsCertainToFailIsShort(t *testing.T) {
	prices, err := price.Default()
	if err != nil {
		t.Fatal(err)
	}
	b := &quota.Book{Usages: []quota.Usage{
		{Service: quota.Compute, Location: "swedencentral", Name: "cores", Unit: "vCPUs", Used: 345, Limit: 350},
		{Service: quota.Compute, Location: "swedencentral", Name: "StandardNCADSA100v4Family", Unit: "vCPUs", Used: 0, Limit: 48},
	}}
	x := ofMachines(b, prices, "llama/a100", 4, "Standard_NC24ads_A100_v4", quota.At{Location: "swedencentral"})
	if x.OK || x.Request != 48 || x.Said != "needs 96 vCPUs of StandardNCADSA100v4Family in swedencentral; 48 are free: request 48 more, a limit of 96" {
		t.Errorf("%+v", x)
	}
}
