package arm

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	cog "github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/cognitiveservices/armcognitiveservices/v2"
)

func (r *rig) openAI() *cog.DeploymentsClient {
	c, err := cog.NewDeploymentsClient(r.cloud.o.Subscription, r.cred, r.arm())
	if err != nil {
		r.Fatal(err)
	}
	return c
}

func (r *rig) capacity(name, sku, model string, n int32, spill string) error {
	r.Helper()
	d := cog.Deployment{SKU: &cog.SKU{Name: &sku, Capacity: &n}, Properties: &cog.DeploymentProperties{Model: &cog.DeploymentModel{Format: to.Ptr("OpenAI"), Name: &model, Version: to.Ptr("1")}}}
	if spill != "" {
		d.Properties.SpilloverDeploymentName = &spill
	}
	p, err := r.openAI().BeginCreateOrUpdate(context.Background(), "weir", "weir-openai", name, d, nil)
	_, _, err = wait(r, p, err)
	return err
}

func (r *rig) resize(name, sku string, n int32) error {
	r.Helper()
	p, err := r.openAI().BeginUpdate(context.Background(), "weir", "weir-openai", name, cog.PatchResourceTagsAndSKU{SKU: &cog.SKU{Name: &sku, Capacity: &n}}, nil)
	_, _, err = wait(r, p, err)
	return err
}

// perSecond is what the data plane says a deployment can do.
func (r *rig) perSecond(name string) (normalised float64, tpm int) {
	r.Helper()
	resp, err := r.http.Get(r.url + "/cognitive/weir-openai/admin/deployments")
	if err != nil {
		r.Fatal(err)
	}
	defer resp.Body.Close()
	var all []struct {
		Name string  `json:"name"`
		Per  float64 `json:"normalised_per_second"`
		TPM  int     `json:"tpm"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&all); err != nil {
		r.Fatal(err)
	}
	for _, d := range all {
		if d.Name == name {
			return d.Per, d.TPM
		}
	}
	return 0, 0
}

func TestAResizeChangesWhatIsAdmitted(t *testing.T) {
	r := start(t, Options{})
	f := func(what string, err error, want string) {
		t.Helper()
		if code(err) != want {
			t.Errorf("%s: %v", what, err)
		}
	}
	const ptu = "GlobalProvisionedManaged"
	f("standard", r.capacity("paygo", "GlobalStandard", "gpt-4o", 450, ""), "")
	f("provisioned", r.capacity("ptu", ptu, "gpt-4o", 15, "paygo"), "")
	if per, _ := r.perSecond("ptu"); per != 15*2500/60. { // 2,500 normalised tokens a minute for a PTU of gpt-4o
		t.Errorf("15 PTUs drain %v a second", per)
	}
	f("up", r.resize("ptu", ptu, 50), "")
	if per, _ := r.perSecond("ptu"); per != 50*2500/60. {
		t.Errorf("50 PTUs drain %v a second", per)
	}
	f("between two steps", r.resize("ptu", ptu, 52), "InvalidCapacity")
	f("below the minimum", r.resize("ptu", ptu, 10), "InvalidCapacity")
	f("more than quota", r.resize("ptu", ptu, 505), "InsufficientQuota")
	f("more than is in stock", r.resize("ptu", ptu, 400), "InsufficientCapacity")
	d, err := r.openAI().Get(context.Background(), "weir", "weir-openai", "ptu", nil)
	if err != nil || *d.SKU.Capacity != 50 || *d.Properties.SpilloverDeploymentName != "paygo" {
		t.Errorf("it keeps its size: %+v %v", d.SKU, err)
	}
	if per, _ := r.perSecond("ptu"); per != 50*2500/60. {
		t.Errorf("after that it drains %v a second", per)
	}
	f("tokens", r.resize("paygo", "GlobalStandard", 100), "")
	if _, tpm := r.perSecond("paygo"); tpm != 100_000 {
		t.Errorf("100 units are %d tokens a minute", tpm)
	}
	if d, err = r.openAI().Get(context.Background(), "weir", "weir-openai", "paygo", nil); err != nil || *d.Properties.RateLimits[1].Count != 100_000 || *d.Properties.RateLimits[1].Key != "token" {
		t.Errorf("its rate limits: %v", err)
	}
	f("spillover to nothing", r.capacity("ptu", ptu, "gpt-4o", 50, "none"), "InvalidResourceProperties")
	f("a model without PTUs", r.capacity("other", ptu, "text-embedding-3-small", 50, ""), "DeploymentModelNotSupported")
	gone, err := r.openAI().BeginDelete(context.Background(), "weir", "weir-openai", "ptu", nil)
	_, _, err = wait(r, gone, err)
	f("deleted", err, "")
	if per, _ := r.perSecond("ptu"); per != 0 {
		t.Error("it is still served")
	}
}

func TestStockIsNotQuota(t *testing.T) {
	r := start(t, Options{Quota: map[string]int{"swedencentral/stock.GlobalProvisionedManaged.gpt-4o": 60}})
	client, err := cog.NewModelCapacitiesClient(r.cloud.o.Subscription, r.cred, r.arm())
	if err != nil {
		t.Fatal(err)
	}
	available := func() float32 {
		for pager := client.NewListPager("OpenAI", "gpt-4o", "1", nil); pager.More(); {
			page, err := pager.NextPage(context.Background())
			if err != nil {
				t.Fatal(err)
			}
			for _, v := range page.Value {
				if *v.Properties.SKUName == "GlobalProvisionedManaged" && *v.Location == "swedencentral" {
					return *v.Properties.AvailableCapacity
				}
			}
		}
		return -1
	}
	if n := available(); n != 60 {
		t.Errorf("at first: %v", n)
	}
	if err := r.capacity("ptu", "GlobalProvisionedManaged", "gpt-4o", 50, ""); err != nil {
		t.Fatal(err)
	}
	if n := available(); n != 10 {
		t.Errorf("beside 50: %v", n)
	}
	usages, err := cog.NewUsagesClient(r.cloud.o.Subscription, r.cred, r.arm())
	if err != nil {
		t.Fatal(err)
	}
	page, err := usages.NewListPager("swedencentral", nil).NextPage(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	for _, u := range page.Value {
		if *u.Name.Value == "OpenAI.GlobalProvisionedManaged" && (*u.CurrentValue != 50 || *u.Limit != 500) {
			t.Errorf("%v of %v PTUs", *u.CurrentValue, *u.Limit)
		}
	}
	r.inject(Fault{Kind: "stockout", SKU: "GlobalProvisionedManaged"})
	if n := available(); n != 0 {
		t.Errorf("in a stock-out: %v", n)
	}
}

func TestAnAccountIsOpenedByKeyAndToken(t *testing.T) {
	r := start(t, Options{})
	ctx := context.Background()
	if err := r.capacity("paygo", "GlobalStandard", "gpt-4o", 450, ""); err != nil {
		t.Fatal(err)
	}
	accounts, err := cog.NewAccountsClient(r.cloud.o.Subscription, r.cred, r.arm())
	if err != nil {
		t.Fatal(err)
	}
	a, err := accounts.Get(ctx, "weir", "weir-openai", nil)
	if err != nil {
		t.Fatal(err)
	}
	keys, err := accounts.ListKeys(ctx, "weir", "weir-openai", nil)
	if err != nil {
		t.Fatal(err)
	}
	token, err := r.cred.GetToken(ctx, policy.TokenRequestOptions{Scopes: []string{"https://cognitiveservices.azure.com/.default"}})
	if err != nil {
		t.Fatal(err)
	}
	for header, value := range map[string]string{"Api-Key": *keys.Key1, "Authorization": "Bearer " + token.Token} {
		req, err := http.NewRequest(http.MethodPost, *a.Properties.Endpoint+"openai/v1/chat/completions", strings.NewReader(`{"model":"paygo","max_tokens":3,"messages":[{"role":"user","content":"hi"}]}`))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set(header, value)
		resp, err := r.http.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		if _ = resp.Body.Close(); resp.StatusCode != 200 {
			t.Errorf("with %s: %d", header, resp.StatusCode)
		}
	}
}

func TestASecondOperationOfAnAccountIsRefused(t *testing.T) {
	r := start(t, Options{})
	n, sku, model := int32(1), "GlobalStandard", "gpt-4o"
	d := cog.Deployment{SKU: &cog.SKU{Name: &sku, Capacity: &n}, Properties: &cog.DeploymentProperties{Model: &cog.DeploymentModel{Format: to.Ptr("OpenAI"), Name: &model}}}
	if _, err := r.openAI().BeginCreateOrUpdate(context.Background(), "weir", "weir-openai", "one", d, nil); err != nil {
		t.Fatal(err)
	}
	if err := r.capacity("two", sku, model, 1, ""); code(err) != "RequestConflict" {
		t.Errorf("meanwhile: %v", err)
	}
	r.advance(5 * time.Minute)
	if err := r.capacity("two", sku, model, 1, ""); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}
