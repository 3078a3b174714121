package wire

import (
	"bytes"
	"context"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	azfake "github.com/Azure/azure-sdk-for-go/sdk/azcore/fake"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/cognitiveservices/armcognitiveservices/v2"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/cognitiveservices/armcognitiveservices/v2/fake"

	"weir/azure"
	"weir/config"
	"weir/dispatch"
	"weir/node"
	"weir/price"
)

const provisioned = `
azure: {subscription: 00000000-0000-0000-0000-000000000001, resource_group: rg}
tenants:
- name: t
  keys: [{name: k, hash: "sha256:abababababababababababababababababababababababababababababababab"}]
models:
- name: gpt-4o
  deployments:
  - name: gpt-4o/ptu
    azureopenai: {endpoint: "https://contoso.openai.azure.com", deployment: ptu, entra: cli, ptu: 50, headroom: 0%}
  - name: gpt-4o/std
    tier: 1
    azureopenai: {endpoint: "https://contoso.openai.azure.com", deployment: std, entra: cli, tokens_per_minute: 1000, headroom: 0%}
`

// objects are two deployments behind the SDK's own fake server.
func objects() *fake.ServerFactory {
	made := func(sku string, units int32, spill string, limits ...*armcognitiveservices.ThrottlingRule) armcognitiveservices.Deployment {
		return armcognitiveservices.Deployment{SKU: &armcognitiveservices.SKU{Name: &sku, Capacity: &units}, Properties: &armcognitiveservices.DeploymentProperties{
			Model: &armcognitiveservices.DeploymentModel{Name: to.Ptr("gpt-4o"), Version: to.Ptr("2024-11-20")}, SpilloverDeploymentName: &spill, RateLimits: limits}}
	}
	return &fake.ServerFactory{
		AccountsServer: fake.AccountsServer{Get: func(context.Context, string, string, *armcognitiveservices.AccountsClientGetOptions) (resp azfake.Responder[armcognitiveservices.AccountsClientGetResponse], _ azfake.ErrorResponder) {
			resp.SetResponse(http.StatusOK, armcognitiveservices.AccountsClientGetResponse{Account: armcognitiveservices.Account{Location: to.Ptr("swedencentral")}}, nil)
			return resp, azfake.ErrorResponder{}
		}},
		DeploymentsServer: fake.DeploymentsServer{Get: func(_ context.Context, group, account, name string, _ *armcognitiveservices.DeploymentsClientGetOptions) (resp azfake.Responder[armcognitiveservices.DeploymentsClientGetResponse], fault azfake.ErrorResponder) {
			if group != "rg" || account != "contoso" {
				fault.SetResponseError(http.StatusNotFound, "ResourceNotFound")
				return resp, fault
			}
			d := made("GlobalProvisionedManaged", 105, "std")
			if name == "std" {
				d = made("GlobalStandard", 450, "", &armcognitiveservices.ThrottlingRule{Key: to.Ptr("request"), Count: to.Ptr[float32](2700), RenewalPeriod: to.Ptr[float32](60)})
			}
			resp.SetResponse(http.StatusOK, armcognitiveservices.DeploymentsClientGetResponse{Deployment: d}, nil)
			return resp, fault
		}},
	}
}

// The gateway admits by the size and limits Azure has, not by those of the file; a
// reload, which sets the file's again, is followed by Azure's; and two spillovers from
// one deployment are named.
func TestSizesAndLimitsAreThoseOfAzure(t *testing.T) {
	c, err := config.Parse("weir.yaml", []byte(provisioned))
	if err != nil {
		t.Fatal(err)
	}
	a, err := azure.New(azure.Options{Subscription: c.Azure.Subscription, Credential: &azfake.TokenCredential{}, Transport: fake.NewServerFactoryTransport(objects())})
	if err != nil {
		t.Fatal(err)
	}
	told := map[string]dispatch.Quota{}
	var log bytes.Buffer
	s := &subscription{prices: price.Default}
	if err := s.open(c, a, node.AccountHost{
		Capacity: func(d string, q dispatch.Quota) error { told[d] = q; return nil },
		Log:      slog.New(slog.NewTextHandler(&log, nil)),
	}); err != nil {
		t.Fatal(err)
	}
	check := func() {
		t.Helper()
		s.keeper.Step(t.Context())
		if q := told["gpt-4o/ptu"]; q.Drain != 105*2500 || q.TokensPerMinute != 0 {
			t.Errorf("of the provisioned one: %+v", q)
		}
		if q := told["gpt-4o/std"]; q.TokensPerMinute != 450_000 || q.RequestsPerMinute != 2700 || q.Drain != 0 {
			t.Errorf("of the standard one: %+v", q)
		}
	}
	check()
	if !strings.Contains(log.String(), "Azure itself spills over to std, which is also gpt-4o/std of this file") {
		t.Errorf("the second spillover is not named: %s", log.String())
	}
	clear(told)
	s.keeper.Step(t.Context())
	if len(told) > 0 {
		t.Errorf("told again without a change: %v", told)
	}
	if err := s.change(c).Apply(); err != nil {
		t.Fatal(err)
	}
	check()
	views := s.Levels().Capacity
	if len(views) != 2 || views[0].Units != 105 || views[1].Units != 450 {
		t.Errorf("metrics %+v", views)
	}
}
