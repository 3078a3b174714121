package arm

import (
	"context"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	aks "github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/containerservice/armcontainerservice/v8"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/monitor/armmonitor"
)

func (r *rig) pools() *aks.AgentPoolsClient {
	c, err := aks.NewAgentPoolsClient(r.cloud.o.Subscription, r.cred, r.arm())
	if err != nil {
		r.Fatal(err)
	}
	return c
}

func (r *rig) pool(name string, change func(*aks.ManagedClusterAgentPoolProfileProperties), match *string) error {
	r.Helper()
	ctx := context.Background()
	p := aks.AgentPool{Properties: &aks.ManagedClusterAgentPoolProfileProperties{VMSize: to.Ptr(gpu), Count: to.Ptr[int32](1)}}
	if have, err := r.pools().Get(ctx, "weir", "weir", name, nil); err == nil {
		p = have.AgentPool
	}
	change(p.Properties)
	poller, err := r.pools().BeginCreateOrUpdate(ctx, "weir", "weir", name, p, &aks.AgentPoolsClientBeginCreateOrUpdateOptions{IfMatch: match})
	_, _, err = wait(r, poller, err)
	return err
}

func TestPoolsFollowTheirRules(t *testing.T) {
	r := start(t, Options{Quota: map[string]int{"compute/swedencentral/StandardNCADSA100v4Family": 96}})
	ctx := context.Background()
	f := func(what string, err error, want string) {
		t.Helper()
		if code(err) != want {
			t.Errorf("%s: %v", what, err)
		}
	}
	type props = aks.ManagedClusterAgentPoolProfileProperties
	count := func(n int32) func(*props) { return func(p *props) { p.Count = &n } }
	f("made", r.pool("gpu", count(1), nil), "")
	have, err := r.pools().Get(ctx, "weir", "weir", "gpu", nil)
	if err != nil || *have.Properties.Count != 1 || *have.Properties.PowerState.Code != aks.CodeRunning {
		t.Fatalf("read back: %+v %v", have.Properties, err)
	}
	f("with its etag", r.pool("gpu", count(2), have.Properties.ETag), "")
	f("with an old etag", r.pool("gpu", count(3), have.Properties.ETag), "PreconditionFailed")
	f("more than quota", r.pool("gpu", count(5), nil), "ErrCode_InsufficientVCPUQuota")
	f("bounds without the autoscaler", r.pool("gpu", func(p *props) { p.MinCount = to.Ptr[int32](1) }, nil), "InvalidParameter")
	f("the autoscaler", r.pool("gpu", func(p *props) {
		p.EnableAutoScaling, p.MinCount, p.MaxCount = to.Ptr(true), to.Ptr[int32](0), to.Ptr[int32](4)
	}, nil), "")
	f("a count beside it", r.pool("gpu", count(3), nil), "ManualScalingNotAllowed")
	f("its bounds", r.pool("gpu", func(p *props) { p.MaxCount = to.Ptr[int32](3) }, nil), "")
	f("no system node", r.pool("system", count(0), nil), "InvalidParameter")
	r.inject(Fault{Kind: "stockout", SKU: gpu, Times: 1})
	f("no stock", r.pool("more", count(1), nil), "AllocationFailed")
	spot := func(p *props) { p.ScaleSetPriority = to.Ptr(aks.ScaleSetPrioritySpot) }
	f("spot has a quota of its own", r.pool("spot", func(p *props) { spot(p); count(3)(p) }, nil), "")
}

func TestAStoppedClusterIsLeftAlone(t *testing.T) {
	r := start(t, Options{})
	ctx := context.Background()
	clusters, err := aks.NewManagedClustersClient(r.cloud.o.Subscription, r.cred, r.arm())
	if err != nil {
		t.Fatal(err)
	}
	power := func() aks.Code {
		c, err := clusters.Get(ctx, "weir", "weir", nil)
		if err != nil {
			t.Fatal(err)
		}
		if n := len(c.Properties.AgentPoolProfiles); n != 1 {
			t.Errorf("%d pools", n)
		}
		return *c.Properties.PowerState.Code
	}
	stop, err := clusters.BeginStop(ctx, "weir", "weir", nil)
	if _, _, err = wait(r, stop, err); err != nil || power() != aks.CodeStopped {
		t.Errorf("stopped: %s %v", power(), err)
	}
	if err := r.pool("gpu", func(*aks.ManagedClusterAgentPoolProfileProperties) {}, nil); code(err) != "OperationNotAllowed" {
		t.Errorf("a pool of a stopped cluster: %v", err)
	}
	begin, err := clusters.BeginStart(ctx, "weir", "weir", nil)
	if _, _, err = wait(r, begin, err); err != nil || power() != aks.CodeRunning {
		t.Errorf("started: %s %v", power(), err)
	}
}

func TestAutoscaleSettingsAreFound(t *testing.T) {
	r := start(t, Options{})
	ctx := context.Background()
	c, err := armmonitor.NewAutoscaleSettingsClient(r.cloud.o.Subscription, r.cred, r.arm())
	if err != nil {
		t.Fatal(err)
	}
	target := "/subscriptions/x/resourceGroups/weir/providers/Microsoft.MachineLearningServices/workspaces/weir/onlineEndpoints/chat/deployments/blue"
	setting := func(low string) armmonitor.AutoscaleSettingResource {
		return armmonitor.AutoscaleSettingResource{Location: to.Ptr("swedencentral"), Properties: &armmonitor.AutoscaleSetting{
			Enabled: to.Ptr(true), TargetResourceURI: &target,
			Profiles: []*armmonitor.AutoscaleProfile{{Name: to.Ptr("p"), Capacity: &armmonitor.ScaleCapacity{Minimum: &low, Default: to.Ptr("2"), Maximum: to.Ptr("5")}, Rules: []*armmonitor.ScaleRule{}}},
		}}
	}
	if _, err := c.CreateOrUpdate(ctx, "weir", "other", setting("3"), nil); code(err) != "InvalidAutoscaleSetting" {
		t.Errorf("bounds out of order: %v", err)
	}
	if _, err := c.CreateOrUpdate(ctx, "weir", "scaler", setting("1"), nil); err != nil {
		t.Fatal(err)
	}
	page, err := c.NewListByResourceGroupPager("weir", nil).NextPage(ctx)
	if err != nil || len(page.Value) != 1 || *page.Value[0].Properties.TargetResourceURI != target {
		t.Errorf("of the group: %v %v", page.Value, err)
	}
	all, err := c.NewListBySubscriptionPager(nil).NextPage(ctx)
	if err != nil || len(all.Value) != 1 {
		t.Errorf("of the subscription: %v %v", all.Value, err)
	}
	if _, err := c.Delete(ctx, "weir", "scaler", nil); err != nil {
		t.Error(err)
	}
}
