package arm

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/compute/armcompute/v7"
	ml "github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/machinelearning/armmachinelearning/v4"
)

func TestWritesAreThrottledByTheHour(t *testing.T) {
	r := start(t, Options{WritesPerHour: 4})
	r.endpoint("one", ml.EndpointAuthModeKey)
	ctx := context.Background()
	for range 3 {
		if _, err := r.endpoints().ListKeys(ctx, "weir", "weir", "one", nil); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := r.endpoints().ListKeys(ctx, "weir", "weir", "one", nil); code(err) != "SubscriptionRequestsThrottled" {
		t.Errorf("the fifth write: %v", err)
	}
	if _, err := r.endpoints().Get(ctx, "weir", "weir", "one", nil); err != nil {
		t.Errorf("reads have a limit of their own: %v", err)
	}
	r.advance(15 * time.Minute)
	if _, err := r.endpoints().ListKeys(ctx, "weir", "weir", "one", nil); err != nil {
		t.Errorf("a quarter of an hour later: %v", err)
	}
}

func TestListsHavePages(t *testing.T) {
	r := start(t, Options{})
	for i := range 45 {
		r.cloud.mu.Lock()
		id, _ := parseID(fmt.Sprintf("/subscriptions/%s/resourceGroups/weir/providers/Microsoft.MachineLearningServices/workspaces/weir/onlineEndpoints/e%02d", r.cloud.o.Subscription, i))
		r.cloud.start(&change{method: "PUT", id: id, kind: r.cloud.kinds[lower(id.typ)], body: object{"properties": object{"authMode": "Key"}}, now: r.now}, outcome{})
		r.cloud.mu.Unlock()
	}
	pages, n := 0, 0
	for pager := r.endpoints().NewListPager("weir", "weir", nil); pager.More(); pages++ {
		page, err := pager.NextPage(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		n += len(page.Value)
	}
	if n != 45 || pages != 3 {
		t.Errorf("%d endpoints on %d pages", n, pages)
	}
}

func TestUsagesCountWhatDeploymentsHold(t *testing.T) {
	r := start(t, Options{Quota: map[string]int{"ml/swedencentral/standardDSv2Family": 48}})
	r.endpoint("chat", ml.EndpointAuthModeKey)
	if _, err := r.put("chat", "blue", managed(cpu, 10, 1, "PT5S")); err != nil { // the document's example: 48 vCPUs for ten of 4
		t.Fatal(err)
	}
	client, err := ml.NewUsagesClient(r.cloud.o.Subscription, r.cred, r.arm())
	if err != nil {
		t.Fatal(err)
	}
	seen := false
	for pager := client.NewListPager("swedencentral", nil); pager.More(); {
		page, err := pager.NextPage(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		for _, u := range page.Value {
			if *u.Name.Value == "standardDSv2Family" {
				seen = *u.CurrentValue == 48 && *u.Limit == 48
			}
		}
	}
	if !seen {
		t.Error("ten instances of 4 vCPUs do not show as 48 of 48")
	}
	if _, err := r.scale("chat", "blue", 11); code(err) != "OutOfQuota" {
		t.Errorf("an eleventh: %v", err)
	}
	compute, err := armcompute.NewUsageClient(r.cloud.o.Subscription, r.cred, r.arm())
	if err != nil {
		t.Fatal(err)
	}
	if page, err := compute.NewListPager("swedencentral", nil).NextPage(context.Background()); err != nil || *page.Value[0].Name.Value != "cores" || *page.Value[0].CurrentValue != 2 {
		t.Errorf("the quota of virtual machines is another, which the cluster uses: %v", err)
	}
}

// A workspace's cap is below the subscription's limit.
func TestAWorkspaceHasACap(t *testing.T) {
	r := start(t, Options{})
	r.endpoint("chat", ml.EndpointAuthModeKey)
	quotas, err := ml.NewQuotasClient(r.cloud.o.Subscription, r.cred, r.arm())
	if err != nil {
		t.Fatal(err)
	}
	id := "/subscriptions/" + r.cloud.o.Subscription + "/resourceGroups/weir/providers/Microsoft.MachineLearningServices/workspaces/weir/quotas/StandardNCADSA100v4Family"
	limit := int64(24)
	if _, err := quotas.Update(context.Background(), "swedencentral", ml.QuotaUpdateParameters{Value: []*ml.QuotaBaseProperties{{ID: &id, Limit: &limit}}}, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := r.put("chat", "blue", managed(gpu, 2, 1, "PT5S")); code(err) != "OutOfQuota" {
		t.Errorf("48 vCPUs: %v", err)
	}
	if _, err := r.put("chat", "blue", managed(gpu, 1, 1, "PT5S")); err != nil {
		t.Errorf("24 vCPUs: %v", err)
	}
}

func TestALostRegionAnswersNothing(t *testing.T) {
	r := start(t, Options{})
	r.endpoint("chat", ml.EndpointAuthModeKey)
	if _, err := r.put("chat", "blue", managed(gpu, 1, 1, "PT5S")); err != nil {
		t.Fatal(err)
	}
	key := r.key("chat")
	r.inject(Fault{Kind: "region", Location: "swedencentral"})
	if _, err := r.endpoints().Get(context.Background(), "weir", "weir", "chat", nil); code(err) != "ServiceUnavailable" {
		t.Errorf("the control plane: %v", err)
	}
	if resp, _ := r.score("chat", "/score", key, chat, headerDeployment, "blue"); resp.StatusCode != 503 {
		t.Errorf("scoring: %d", resp.StatusCode)
	}
}

func TestIdentitiesThatAreRefused(t *testing.T) {
	r := start(t, Options{Clients: map[string]string{"app": "secret"}})
	for secret, want := range map[string]string{"secret": "", "other": "AADSTS7000215"} {
		cred, err := azidentity.NewClientSecretCredential(r.cloud.o.Tenant, "app", secret, &azidentity.ClientSecretCredentialOptions{ClientOptions: r.client(), DisableInstanceDiscovery: true})
		if err != nil {
			t.Fatal(err)
		}
		client, err := ml.NewOnlineEndpointsClient(r.cloud.o.Subscription, cred, r.arm())
		if err != nil {
			t.Fatal(err)
		}
		_, err = client.Get(context.Background(), "weir", "weir", "none", nil)
		switch {
		case want == "" && code(err) != "ResourceNotFound", want != "" && !strings.Contains(fmt.Sprint(err), want):
			t.Errorf("secret %q: %v", secret, err)
		}
	}
}

// Everything that an operator may do is reachable over the wire.
func TestTheOperatorsPaths(t *testing.T) {
	r := start(t, Options{})
	r.endpoint("chat", ml.EndpointAuthModeKey)
	do := func(method, path, body string, want int) string {
		t.Helper()
		req, err := http.NewRequest(method, r.url+"/emulator/"+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		resp, err := r.http.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		b, err := io.ReadAll(resp.Body)
		if err != nil || resp.StatusCode != want {
			t.Errorf("%s %s: %d %s %v", method, path, resp.StatusCode, b, err)
		}
		return string(b)
	}
	do("PUT", "faults", `[{"kind":"stockout","sku":"`+gpu+`"}]`, 204)
	if s := do("GET", "faults", "", 200); !strings.Contains(s, "stockout") {
		t.Error(s)
	}
	do("PUT", "faults", `[{"kind":"weather"}]`, 400)
	do("DELETE", "faults", "", 204)
	do("PUT", "quota", `{"swedencentral/standardDSv2Family":0}`, 204)
	if _, err := r.put("chat", "blue", managed(cpu, 1, 1, "PT5S")); code(err) != "OutOfQuota" {
		t.Errorf("without quota: %v", err)
	}
	do("POST", "clock", `{"advance":"-1s"}`, 400)
	do("POST", "clock", `{"advance":"15m"}`, 204)
	if s := do("GET", "state", "", 200); !strings.Contains(s, "onlineEndpoints/chat") {
		t.Error(s)
	}
	if s := do("GET", "calls", "", 200); !strings.Contains(s, "Microsoft.MachineLearningServices/workspaces/onlineEndpoints/deployments/write") {
		t.Error(s)
	}
	do("POST", "tokens/expire", "", 204)
}
