package arm

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	ml "github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/machinelearning/armmachinelearning/v4"
)

const gpu, cpu = "Standard_NC24ads_A100_v4", "Standard_DS3_v2"

func TestADeploymentIsMadeScaledAndRemoved(t *testing.T) {
	r := start(t, Options{})
	r.endpoint("chat", ml.EndpointAuthModeKey)
	if took, err := r.put("chat", "blue", managed(gpu, 2, 4, "PT90S")); err != nil || took != 12*time.Minute {
		t.Fatalf("made in %v: %v", took, err)
	}
	ctx := context.Background()
	d, err := r.deployments().Get(ctx, "weir", "weir", "chat", "blue", nil)
	if err != nil {
		t.Fatal(err)
	}
	p := d.Properties.(*ml.ManagedOnlineDeployment)
	if *d.SKU.Capacity != 2 || *p.ProvisioningState != ml.DeploymentProvisioningStateSucceeded || *p.RequestSettings.RequestTimeout != "PT90S" || *p.Model != "azureml:m:1" {
		t.Errorf("read back: capacity %d, %s, %+v", *d.SKU.Capacity, *p.ProvisioningState, p.RequestSettings)
	}
	poller, err := r.deployments().BeginUpdate(ctx, "weir", "weir", "chat", "blue", ml.PartialMinimalTrackedResourceWithSKU{SKU: &ml.PartialSKU{Capacity: to.Ptr[int32](5)}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if d, err = r.deployments().Get(ctx, "weir", "weir", "chat", "blue", nil); err != nil || *d.Properties.GetOnlineDeploymentProperties().ProvisioningState != ml.DeploymentProvisioningStateScaling {
		t.Errorf("while it scales: %v %v", *d.Properties.GetOnlineDeploymentProperties().ProvisioningState, err)
	}
	if _, took, err := wait(r, poller, nil); err != nil || took != 12*time.Minute {
		t.Errorf("scaled in %v: %v", took, err)
	}
	if took, err := r.scale("chat", "blue", 1); err != nil || took != 2*time.Minute {
		t.Errorf("scaled in: %v %v", took, err)
	}
	gone, err := r.deployments().BeginDelete(ctx, "weir", "weir", "chat", "blue", nil)
	if _, _, err = wait(r, gone, err); err != nil {
		t.Error(err)
	}
	if _, err = r.deployments().Get(ctx, "weir", "weir", "chat", "blue", nil); code(err) != "ResourceNotFound" {
		t.Errorf("after its end: %v", err)
	}
	if took, err := r.put("chat", "blue", managed(gpu, 1, 1, "PT5S")); err != nil || took != 12*time.Minute {
		t.Errorf("made again in %v: %v", took, err)
	}
}

// A write that an operation stands in the way of is refused: wait, do not fail.
func TestASecondOperationOfAnEndpointIsRefused(t *testing.T) {
	r := start(t, Options{})
	r.endpoint("chat", ml.EndpointAuthModeKey)
	ctx := context.Background()
	first, err := r.deployments().BeginCreateOrUpdate(ctx, "weir", "weir", "chat", "blue", managed(gpu, 1, 1, "PT5S"), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.put("chat", "green", managed(gpu, 1, 1, "PT5S")); code(err) != "Conflict" {
		t.Errorf("a second deployment meanwhile: %v", err)
	}
	if err := r.traffic("chat", map[string]*int32{"blue": to.Ptr[int32](100)}, nil); code(err) != "Conflict" {
		t.Errorf("traffic meanwhile: %v", err)
	}
	if _, _, err := wait(r, first, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := r.put("chat", "green", managed(gpu, 1, 1, "PT5S")); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}

// An operation belongs to the cloud: a client that starts again finds it.
func TestAnOperationOutlivesItsClient(t *testing.T) {
	r := start(t, Options{})
	r.endpoint("chat", ml.EndpointAuthModeKey)
	if _, err := r.put("chat", "blue", managed(gpu, 1, 1, "PT5S")); err != nil {
		t.Fatal(err)
	}
	ctx, leave := context.WithCancel(context.Background())
	p, err := r.deployments().BeginUpdate(ctx, "weir", "weir", "chat", "blue", ml.PartialMinimalTrackedResourceWithSKU{SKU: &ml.PartialSKU{Capacity: to.Ptr[int32](3)}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	token, err := p.ResumeToken()
	if err != nil {
		t.Fatal(err)
	}
	leave()
	r.advance(20 * time.Minute)
	again, err := r.deployments().BeginUpdate(context.Background(), "weir", "weir", "chat", "blue", ml.PartialMinimalTrackedResourceWithSKU{}, &ml.OnlineDeploymentsClientBeginUpdateOptions{ResumeToken: token})
	if v, took, err := wait(r, again, err); err != nil || took != 0 || *v.SKU.Capacity != 3 {
		t.Errorf("resumed: %v after %v, %v", v.SKU, took, err)
	}
}

func TestWritesThatAreRefused(t *testing.T) {
	r := start(t, Options{})
	r.endpoint("chat", ml.EndpointAuthModeKey)
	if _, err := r.put("chat", "blue", managed(gpu, 1, 1, "PT5S")); err != nil {
		t.Fatal(err)
	}
	if _, err := r.put("chat", "green", managed(gpu, 1, 1, "PT5S")); err != nil {
		t.Fatal(err)
	}
	put := func(what string, d ml.OnlineDeployment, want string) {
		t.Helper()
		if _, err := r.put("chat", "other", d); code(err) != want {
			t.Errorf("%s: %v", what, err)
		}
	}
	put("no instance", managed(gpu, 0, 1, "PT5S"), "BadArgument")
	put("51 instances", managed(cpu, 51, 1, "PT5S"), "BadArgument")
	put("181 s", managed(cpu, 1, 1, "PT181S"), "BadArgument")
	put("an unknown size", managed("Standard_Z1", 1, 1, "PT5S"), "BadArgument")
	traffic := func(what string, live, mirror map[string]*int32, want string) {
		t.Helper()
		if err := r.traffic("chat", live, mirror); code(err) != want {
			t.Errorf("%s: %v", what, err)
		}
	}
	n := func(v int32) *int32 { return &v }
	traffic("99 %", map[string]*int32{"blue": n(99)}, nil, "BadArgument")
	traffic("a deployment that is not there", map[string]*int32{"red": n(100)}, nil, "BadArgument")
	traffic("51 % mirrored", map[string]*int32{"blue": n(100)}, map[string]*int32{"green": n(51)}, "BadArgument")
	traffic("live and mirrored", map[string]*int32{"blue": n(90), "green": n(10)}, map[string]*int32{"green": n(10)}, "BadArgument")
	traffic("90/10", map[string]*int32{"blue": n(90), "green": n(10)}, nil, "")
	traffic("mirrored", map[string]*int32{"blue": n(100)}, map[string]*int32{"green": n(50)}, "")
}

func TestWhatAnOperationFailsWith(t *testing.T) {
	r := start(t, Options{})
	r.endpoint("chat", ml.EndpointAuthModeKey)
	f := func(what string, took time.Duration, err error, wantTook time.Duration, want string) {
		t.Helper()
		if code(err) != want || took.Round(time.Minute) != wantTook {
			t.Errorf("%s: %v after %v, want %s after %v", what, err, took, want, wantTook)
		}
	}
	r.inject(Fault{Kind: "stockout", SKU: gpu, Location: "Sweden Central"})
	took, err := r.put("chat", "blue", managed(gpu, 1, 1, "PT5S"))
	f("no stock", took, err, 3*time.Minute, "OutOfCapacity")
	r.inject(Fault{Kind: "crash", Times: 1})
	took, err = r.put("chat", "blue", managed(gpu, 1, 1, "PT5S"))
	f("a crash", took, err, 6*time.Minute, "ResourceNotReady")
	logs, err := r.deployments().GetLogs(context.Background(), "weir", "weir", "chat", "blue", ml.DeploymentLogsRequest{Tail: to.Ptr[int32](1)}, nil)
	if err != nil || !strings.Contains(*logs.Content, "out of memory") {
		t.Errorf("its logs: %v %v", logs.Content, err)
	}
	took, err = r.put("chat", "blue", managed(gpu, 1, 1, "PT5S"))
	f("the next try", took, err, 12*time.Minute, "")
	r.cloud.SetQuota("swedencentral/StandardNCADSA100v4Family", 48)
	took, err = r.scale("chat", "blue", 3)
	f("no quota", took, err, time.Minute, "OutOfQuota")
	if d, err := r.deployments().Get(context.Background(), "weir", "weir", "chat", "blue", nil); err != nil || *d.SKU.Capacity != 1 {
		t.Errorf("after it failed: %v %v", d.SKU, err)
	}
	took, err = r.scale("chat", "blue", 2)
	f("within the quota", took, err, 12*time.Minute, "")
	r.inject(Fault{Kind: "fail", Code: "InternalServerError", Times: 1})
	took, err = r.scale("chat", "blue", 1)
	f("as told", took, err, 2*time.Minute, "InternalServerError")
}

func TestAnOperationHangsUntilItIsLetGo(t *testing.T) {
	r := start(t, Options{})
	r.endpoint("chat", ml.EndpointAuthModeKey)
	r.inject(Fault{Kind: "hang", Resource: "/deployments/blue"})
	p, err := r.deployments().BeginCreateOrUpdate(context.Background(), "weir", "weir", "chat", "blue", managed(gpu, 1, 1, "PT5S"), nil)
	if err != nil {
		t.Fatal(err)
	}
	r.advance(24 * time.Hour)
	if _, err := p.Poll(context.Background()); err != nil || p.Done() {
		t.Errorf("it ended: %v", err)
	}
	r.inject()
	if _, took, err := wait(r, p, nil); err != nil || took != 0 {
		t.Errorf("let go: %v after %v", err, took)
	}
}
