package live

import (
	"context"
	"net/http"
	"reflect"
	"strings"
	"testing"

	azfake "github.com/Azure/azure-sdk-for-go/sdk/azcore/fake"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/cognitiveservices/armcognitiveservices/v2"
	cognitivefake "github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/cognitiveservices/armcognitiveservices/v2/fake"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/compute/armcompute/v7"
	computefake "github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/compute/armcompute/v7/fake"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/containerinstance/armcontainerinstance/v2"
	containerfake "github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/containerinstance/armcontainerinstance/v2/fake"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/machinelearning/armmachinelearning/v4"
	mlfake "github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/machinelearning/armmachinelearning/v4/fake"

	"weir/azure"
	"weir/quota"
)

// subscription is the SDKs' own fake servers, by provider. Names and identifiers are
// those of the examples beside the SDKs' clients.
type subscription struct {
	by map[string]interface {
		Do(*http.Request) (*http.Response, error)
	}
	denied string // a provider that refuses
	refuse string // part of a path that is refused
	asked  []string
}

func (s *subscription) Do(r *http.Request) (*http.Response, error) {
	s.asked = append(s.asked, r.Method+" "+r.URL.Path)
	if s.refuse != "" && strings.Contains(r.URL.Path, s.refuse) {
		return &http.Response{StatusCode: http.StatusForbidden, Status: "403 Forbidden", Header: http.Header{"X-Ms-Error-Code": {"AuthorizationFailed"}}, Body: http.NoBody, Request: r}, nil
	}
	for provider, t := range s.by {
		if strings.Contains(r.URL.Path, provider) {
			return t.Do(r)
		}
	}
	return nil, context.Canceled
}

func paged[T any](pages ...T) (resp azfake.PagerResponder[T]) {
	for _, p := range pages {
		resp.AddPage(http.StatusOK, p, nil)
	}
	return resp
}

func subscribed(t *testing.T, w Want) (*Reader, *subscription) {
	t.Helper()
	s := &subscription{}
	s.by = map[string]interface {
		Do(*http.Request) (*http.Response, error)
	}{
		"Microsoft.Compute": computefake.NewUsageServerTransport(&computefake.UsageServer{NewListPager: func(string, *armcompute.UsageClientListOptions) (resp azfake.PagerResponder[armcompute.UsageClientListResponse]) {
			if s.denied == "compute" {
				resp.AddResponseError(http.StatusForbidden, "AuthorizationFailed")
				return resp
			}
			one := func(name, title string, used int32, limit int64) armcompute.UsageClientListResponse {
				return armcompute.UsageClientListResponse{ListUsagesResult: armcompute.ListUsagesResult{Value: []*armcompute.Usage{
					{Name: &armcompute.UsageName{Value: &name, LocalizedValue: &title}, CurrentValue: &used, Limit: &limit, Unit: to.Ptr("Count")}, nil, {}}}}
			}
			return paged(one("cores", "Total Regional vCPUs", 60, 350), one("StandardNCADSA100v4Family", "Standard NCADS_A100_v4 Family vCPUs", 48, 96))
		}}),
		"Microsoft.MachineLearningServices": mlfake.NewServerFactoryTransport(machineLearning()),
		"Microsoft.CognitiveServices":       cognitivefake.NewServerFactoryTransport(cognitive()),
		"Microsoft.ContainerInstance": containerfake.NewLocationServerTransport(&containerfake.LocationServer{NewListUsagePager: func(string, *armcontainerinstance.LocationClientListUsageOptions) azfake.PagerResponder[armcontainerinstance.LocationClientListUsageResponse] {
			return paged(armcontainerinstance.LocationClientListUsageResponse{UsageListResult: armcontainerinstance.UsageListResult{Value: []*armcontainerinstance.Usage{
				{Name: &armcontainerinstance.UsageName{Value: to.Ptr("StandardCores"), LocalizedValue: to.Ptr("Standard Cores")}, CurrentValue: to.Ptr[int32](2), Limit: to.Ptr[int32](10), Unit: to.Ptr("Count")}}}})
		}}),
	}
	a, err := azure.New(azure.Options{Subscription: "00000000-0000-0000-0000-000000000000", Credential: &azfake.TokenCredential{}, Transport: s})
	if err != nil {
		t.Fatal(err)
	}
	r, err := New(a, w)
	if err != nil {
		t.Fatal(err)
	}
	return r, s
}

func machineLearning() *mlfake.ServerFactory {
	const family, base = "standardNCADSA100v4Family", "/subscriptions/0/resourceGroups/rg/providers/Microsoft.MachineLearningServices/workspaces/chat"
	usage := func(id string, used, limit int64) *armmachinelearning.Usage {
		return &armmachinelearning.Usage{ID: to.Ptr(id + "/usages/x"), Name: &armmachinelearning.UsageName{Value: to.Ptr(family)}, CurrentValue: &used, Limit: &limit}
	}
	return &mlfake.ServerFactory{
		UsagesServer: mlfake.UsagesServer{NewListPager: func(string, *armmachinelearning.UsagesClientListOptions) azfake.PagerResponder[armmachinelearning.UsagesClientListResponse] {
			return paged(armmachinelearning.UsagesClientListResponse{ListUsagesResult: armmachinelearning.ListUsagesResult{Value: []*armmachinelearning.Usage{
				usage("/subscriptions/0", 72, 192), usage(base, 24, 72), usage(base+"/computes/cluster", 24, 72)}}})
		}},
		QuotasServer: mlfake.QuotasServer{NewListPager: func(string, *armmachinelearning.QuotasClientListOptions) azfake.PagerResponder[armmachinelearning.QuotasClientListResponse] {
			return paged(armmachinelearning.QuotasClientListResponse{ListWorkspaceQuotas: armmachinelearning.ListWorkspaceQuotas{Value: []*armmachinelearning.ResourceQuota{
				{ID: to.Ptr(base + "/quotas/x"), Name: &armmachinelearning.ResourceName{Value: to.Ptr(family)}, Limit: to.Ptr[int64](72)},
				{ID: to.Ptr(strings.Replace(base, "chat", "Other", 1) + "/quotas/x"), Name: &armmachinelearning.ResourceName{Value: to.Ptr(family)}}}}})
		}},
		VirtualMachineSizesServer: mlfake.VirtualMachineSizesServer{List: func(context.Context, string, *armmachinelearning.VirtualMachineSizesClientListOptions) (resp azfake.Responder[armmachinelearning.VirtualMachineSizesClientListResponse], _ azfake.ErrorResponder) {
			resp.SetResponse(http.StatusOK, armmachinelearning.VirtualMachineSizesClientListResponse{VirtualMachineSizeListResult: armmachinelearning.VirtualMachineSizeListResult{Value: []*armmachinelearning.VirtualMachineSize{
				{Name: to.Ptr("Standard_DS3_v2"), Family: to.Ptr("standardDSv2Family"), VCPUs: to.Ptr[int32](4)}}}}, nil)
			return resp, azfake.ErrorResponder{}
		}},
		WorkspacesServer: mlfake.WorkspacesServer{Get: func(_ context.Context, group, name string, _ *armmachinelearning.WorkspacesClientGetOptions) (resp azfake.Responder[armmachinelearning.WorkspacesClientGetResponse], fault azfake.ErrorResponder) {
			if name != "chat" {
				fault.SetResponseError(http.StatusNotFound, "ResourceNotFound")
				return resp, fault
			}
			resp.SetResponse(http.StatusOK, armmachinelearning.WorkspacesClientGetResponse{Workspace: armmachinelearning.Workspace{Location: to.Ptr("Sweden Central")}}, nil)
			return resp, fault
		}},
	}
}

func cognitive() *cognitivefake.ServerFactory {
	return &cognitivefake.ServerFactory{
		UsagesServer: cognitivefake.UsagesServer{NewListPager: func(string, *armcognitiveservices.UsagesClientListOptions) azfake.PagerResponder[armcognitiveservices.UsagesClientListResponse] {
			one := func(name string, used, limit float64) *armcognitiveservices.Usage {
				return &armcognitiveservices.Usage{Name: &armcognitiveservices.MetricName{Value: &name}, CurrentValue: &used, Limit: &limit, Unit: to.Ptr(armcognitiveservices.UnitTypeCount)}
			}
			return paged(armcognitiveservices.UsagesClientListResponse{UsageListResult: armcognitiveservices.UsageListResult{Value: []*armcognitiveservices.Usage{
				one("OpenAI.GlobalProvisionedManaged", 15, 100), one("OpenAI.GlobalStandard.gpt-4o", 50, 450), one("AccountCount", 3, 200)}}})
		}},
		ModelCapacitiesServer: cognitivefake.ModelCapacitiesServer{NewListPager: func(format, model, version string, _ *armcognitiveservices.ModelCapacitiesClientListOptions) azfake.PagerResponder[armcognitiveservices.ModelCapacitiesClientListResponse] {
			left := to.Ptr[float32](30)
			if model == "unsaid" {
				left = nil
			}
			return paged(armcognitiveservices.ModelCapacitiesClientListResponse{ModelCapacityListResult: armcognitiveservices.ModelCapacityListResult{Value: []*armcognitiveservices.ModelCapacityListResultValueItem{
				{Location: to.Ptr("swedencentral"), Properties: &armcognitiveservices.ModelSKUCapacityProperties{SKUName: to.Ptr("GlobalProvisionedManaged"), AvailableCapacity: left}}}}})
		}},
		AccountsServer: cognitivefake.AccountsServer{Get: func(context.Context, string, string, *armcognitiveservices.AccountsClientGetOptions) (resp azfake.Responder[armcognitiveservices.AccountsClientGetResponse], _ azfake.ErrorResponder) {
			resp.SetResponse(http.StatusOK, armcognitiveservices.AccountsClientGetResponse{Account: armcognitiveservices.Account{Location: to.Ptr("swedencentral")}}, nil)
			return resp, azfake.ErrorResponder{}
		}},
	}
}

// Every list is read to its end: usages of all pages, a workspace's cap with what it
// uses, a cap without a limit, sizes, and a region's stock.
func TestAllListsAreRead(t *testing.T) {
	r, s := subscribed(t, Want{
		Locations: []string{"swedencentral"}, Workspaces: []Resource{{"rg", "chat"}}, Accounts: []Resource{{"rg", "contoso"}},
		Models: []quota.Units{{Model: "gpt-4o", Version: "2024-11-20"}},
	})
	have := r.Read(t.Context(), nil)
	const se = "swedencentral"
	want := quota.Book{
		Usages: []quota.Usage{
			{Service: quota.Compute, Location: se, Name: "cores", Title: "Total Regional vCPUs", Unit: "vCPUs", Used: 60, Limit: 350},
			{Service: quota.Compute, Location: se, Name: "StandardNCADSA100v4Family", Title: "Standard NCADS_A100_v4 Family vCPUs", Unit: "vCPUs", Used: 48, Limit: 96},
			{Service: quota.Containers, Location: se, Name: "StandardCores", Title: "Standard Cores", Unit: "Count", Used: 2, Limit: 10},
			{Service: quota.ML, Location: se, Name: "standardNCADSA100v4Family", Unit: "vCPUs", Used: 72, Limit: 192},
			{Service: quota.ML, Location: se, Workspace: "chat", Name: "standardNCADSA100v4Family", Unit: "vCPUs", Used: 24, Limit: 72},
			{Service: quota.ML, Location: se, Workspace: "Other", Name: "standardNCADSA100v4Family", Unit: "vCPUs", Limit: -1},
			{Service: quota.OpenAI, Location: se, Name: "OpenAI.GlobalProvisionedManaged", Unit: "PTUs", Used: 15, Limit: 100},
			{Service: quota.OpenAI, Location: se, Name: "OpenAI.GlobalStandard.gpt-4o", Unit: "thousand tokens a minute", Used: 50, Limit: 450},
			{Service: quota.OpenAI, Location: se, Name: "AccountCount", Unit: "Count", Used: 3, Limit: 200},
		},
		Capacities: []quota.Capacity{{Location: se, Model: "gpt-4o", Version: "2024-11-20", SKU: "GlobalProvisionedManaged", Available: 30}},
		Kinds:      []quota.Kind{{Name: "Standard_DS3_v2", Family: "standardDSv2Family", VCPUs: 4}},
	}
	if len(have.Faults) > 0 || !reflect.DeepEqual(have.Book, want) {
		t.Errorf("faults %v, have\n%+v\nwant\n%+v", have.Faults, have.Book, want)
	}
	for _, call := range s.asked {
		if !strings.HasPrefix(call, "GET ") {
			t.Errorf("reading quotas sends %s", call)
		}
	}
}

// A list that cannot be read is named, the others are there, and what was known of it
// stays.
func TestAListThatCannotBeReadKeepsItsLastFigures(t *testing.T) {
	r, s := subscribed(t, Want{Locations: []string{"swedencentral"}, Services: []quota.Service{quota.Compute, quota.OpenAI}})
	first := r.Read(t.Context(), nil)
	s.denied = "compute"
	next := r.Read(t.Context(), &first)
	if len(next.Faults) != 1 || next.Faults[0].Service != quota.Compute || next.Faults[0].Why != "403 AuthorizationFailed" {
		t.Errorf("faults %v", next.Faults)
	}
	if !reflect.DeepEqual(next.Usages, first.Usages) {
		t.Errorf("kept %+v, want %+v", next.Usages, first.Usages)
	}
	if fresh := r.Read(t.Context(), nil); len(fresh.Usages) != 3 {
		t.Errorf("without an earlier reading: %+v", fresh.Usages)
	}
}

// A list that fails again and again keeps its last figures once: they do not grow with
// each reading, and those of another region or model are not mixed in.
func TestWhatIsKeptDoesNotGrow(t *testing.T) {
	r, s := subscribed(t, Want{Locations: []string{"swedencentral", "eastus"}, Services: []quota.Service{quota.ML},
		Models: []quota.Units{{Model: "gpt-4o", Version: "2024-11-20"}, {Model: "gpt-4o", Version: "2024-08-06"}}})
	first := r.Read(t.Context(), nil)
	if len(first.Kinds) != 2 || len(first.Capacities) != 2 {
		t.Fatalf("read %+v", first.Book)
	}
	s.refuse = "s" // everything
	last := first
	for range 3 {
		last = r.Read(t.Context(), &last)
	}
	if len(last.Faults) != 6 || !reflect.DeepEqual(last.Book, first.Book) {
		t.Errorf("faults %v; after three readings that failed:\n%+v\nwant\n%+v", last.Faults, last.Book, first.Book)
	}
	s.refuse = "/vmSizes"
	if now := r.Read(t.Context(), &last); len(now.Faults) != 2 || now.Faults[0].Service != "machine_sizes" || !reflect.DeepEqual(now.Book, first.Book) {
		t.Errorf("without the sizes alone: faults %v, %+v", now.Faults, now.Book)
	}
}

// The region of a workspace is looked up once: later its quotas need no more than their
// own list.
func TestARegionIsLookedUpOnce(t *testing.T) {
	r, s := subscribed(t, Want{Workspaces: []Resource{{"rg", "chat"}}, Accounts: []Resource{{"rg", "chat"}}})
	first := r.Read(t.Context(), nil)
	s.refuse = "/resourceGroups/"
	if now := r.Read(t.Context(), &first); len(now.Faults) > 0 || !reflect.DeepEqual(now.Book, first.Book) || len(now.Usages) == 0 {
		t.Errorf("faults %v, %+v, want %+v", now.Faults, now.Book, first.Book)
	}
}

// Unknown is never zero: a quota without a limit has none, and stock without a figure is
// not said.
func TestAnAbsentFigureBoundsNothing(t *testing.T) {
	if n := limit[int64](nil); n >= 0 {
		t.Errorf("no limit is %d", n)
	}
	if n := limit(to.Ptr(1e300)); n != 1e12 {
		t.Errorf("a limit beyond counting is %d", n)
	}
	r, _ := subscribed(t, Want{Models: []quota.Units{{Model: "unsaid", Version: "1"}}})
	if have := r.Read(t.Context(), nil); len(have.Faults) > 0 || len(have.Capacities) > 0 {
		t.Errorf("%v, stock %+v", have.Faults, have.Capacities)
	}
}

func TestARegionThatCannotBeFoundIsAFault(t *testing.T) {
	r, _ := subscribed(t, Want{Workspaces: []Resource{{"rg", "gone"}}})
	if have := r.Read(t.Context(), nil); len(have.Faults) != 1 || have.Faults[0].Why != "the region of gone: 404 ResourceNotFound" {
		t.Errorf("faults %v", have.Faults)
	}
}
