package arm

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	aci "github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/containerinstance/armcontainerinstance/v2"
)

func (r *rig) groups() *aci.ContainerGroupsClient {
	c, err := aci.NewContainerGroupsClient(r.cloud.o.Subscription, r.cred, r.arm())
	if err != nil {
		r.Fatal(err)
	}
	return c
}

func group(policy aci.ContainerGroupRestartPolicy, cpu float64, port int32, command ...string) aci.ContainerGroup {
	g := aci.ContainerGroup{Location: to.Ptr("swedencentral"), Properties: &aci.ContainerGroupPropertiesProperties{
		OSType: to.Ptr(aci.OperatingSystemTypesLinux), RestartPolicy: &policy,
		Containers: []*aci.Container{{Name: to.Ptr("one"), Properties: &aci.ContainerProperties{
			Image: to.Ptr("registry/worker:1"), Command: to.SliceOfPtrs(command...),
			Resources: &aci.ResourceRequirements{Requests: &aci.ResourceRequests{CPU: &cpu, MemoryInGB: to.Ptr(2.0)}},
		}}},
	}}
	if port > 0 {
		g.Properties.IPAddress = &aci.IPAddress{Type: to.Ptr(aci.ContainerGroupIPAddressTypePublic), Ports: []*aci.Port{{Port: &port}}}
	}
	return g
}

func (r *rig) run(name string, g aci.ContainerGroup) error {
	r.Helper()
	p, err := r.groups().BeginCreateOrUpdate(context.Background(), "weir", name, g, nil)
	_, _, err = wait(r, p, err)
	return err
}

func (r *rig) groupState(name string) string {
	r.Helper()
	g, err := r.groups().Get(context.Background(), "weir", name, nil)
	if err != nil {
		return code(err)
	}
	return *g.Properties.InstanceView.State
}

// freePort is one that nothing listens at on the usual loopback address; a
// group has an address of its own.
func freePort(t *testing.T) int32 {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return int32(l.Addr().(*net.TCPAddr).Port)
}

func TestAGroupServesUntilItIsStopped(t *testing.T) {
	r := start(t, Options{})
	ctx := context.Background()
	if err := r.run("worker", group(aci.ContainerGroupRestartPolicyAlways, 2, freePort(t))); err != nil {
		t.Fatal(err)
	}
	g, err := r.groups().Get(ctx, "weir", "worker", nil)
	if err != nil {
		t.Fatal(err)
	}
	url := fmt.Sprintf("http://%s:%d/health", *g.Properties.IPAddress.IP, *g.Properties.IPAddress.Ports[0].Port)
	ask := func() int {
		resp, err := r.http.Get(url)
		if err != nil {
			return 0
		}
		_ = resp.Body.Close()
		return resp.StatusCode
	}
	if n := ask(); n != http.StatusOK || r.groupState("worker") != "Running" {
		t.Errorf("%s answers %d, %s", url, n, r.groupState("worker"))
	}
	containers, err := aci.NewContainersClient(r.cloud.o.Subscription, r.cred, r.arm())
	if err != nil {
		t.Fatal(err)
	}
	if logs, err := containers.ListLogs(ctx, "weir", "worker", "one", nil); err != nil || *logs.Content == "" {
		t.Errorf("logs: %v", err)
	}
	if _, err := r.groups().Stop(ctx, "weir", "worker", nil); err != nil || r.groupState("worker") != "Stopped" {
		t.Errorf("stopped: %s %v", r.groupState("worker"), err)
	}
	again, err := r.groups().BeginStart(ctx, "weir", "worker", nil)
	if _, _, err = wait(r, again, err); err != nil || r.groupState("worker") != "Running" || ask() != http.StatusOK {
		t.Errorf("started again: %s %v", r.groupState("worker"), err)
	}
	gone, err := r.groups().BeginDelete(ctx, "weir", "worker", nil)
	if _, _, err = wait(r, gone, err); err != nil || r.groupState("worker") != "ResourceNotFound" || ask() != 0 {
		t.Errorf("deleted: %s %v", r.groupState("worker"), err)
	}
}

func TestAJobEndsAndItsGroupWithIt(t *testing.T) {
	r := start(t, Options{})
	if err := r.run("job", group(aci.ContainerGroupRestartPolicyNever, 1, 0, "sleep", "600")); err != nil {
		t.Fatal(err)
	}
	r.advance(9 * time.Minute)
	if s := r.groupState("job"); s != "Running" {
		t.Errorf("after 9 minutes: %s", s)
	}
	r.advance(2 * time.Minute)
	g, err := r.groups().Get(context.Background(), "weir", "job", nil)
	if err != nil || *g.Properties.InstanceView.State != "Succeeded" || *g.Properties.Containers[0].Properties.InstanceView.CurrentState.ExitCode != 0 {
		t.Errorf("after 11 minutes: %v %v", g.Properties.InstanceView, err)
	}
}

func TestAStartThatHangsCanBeGivenUp(t *testing.T) {
	r := start(t, Options{})
	r.inject(Fault{Kind: "hang", Resource: "/stuck", Method: "PUT"})
	ctx := context.Background()
	if _, err := r.groups().BeginCreateOrUpdate(ctx, "weir", "stuck", group(aci.ContainerGroupRestartPolicyAlways, 1, 0), nil); err != nil {
		t.Fatal(err)
	}
	r.advance(time.Hour)
	if s := r.groupState("stuck"); s != "Pending" {
		t.Errorf("an hour later: %s", s)
	}
	gone, err := r.groups().BeginDelete(ctx, "weir", "stuck", nil)
	if _, _, err = wait(r, gone, err); err != nil || r.groupState("stuck") != "ResourceNotFound" {
		t.Errorf("given up: %s %v", r.groupState("stuck"), err)
	}
}

func TestGroupsThatAreRefused(t *testing.T) {
	r := start(t, Options{Quota: map[string]int{"StandardCores": 4}})
	f := func(what string, g aci.ContainerGroup, want string) {
		t.Helper()
		if err := r.run("g-"+what, g); code(err) != want {
			t.Errorf("%s: %v", what, err)
		}
	}
	f("big", group(aci.ContainerGroupRestartPolicyAlways, 32, 0), "ResourceRequestsExceedLimit")
	gpu := group(aci.ContainerGroupRestartPolicyAlways, 1, 0)
	gpu.Properties.Containers[0].Properties.Resources.Requests.Gpu = &aci.GpuResource{Count: to.Ptr[int32](1), SKU: to.Ptr(aci.GpuSKUV100)}
	f("gpu", gpu, "InvalidGpuSku")
	f("first", group(aci.ContainerGroupRestartPolicyAlways, 3, 0), "")
	f("second", group(aci.ContainerGroupRestartPolicyAlways, 2, 0), "ContainerGroupQuotaReached")
	if _, err := r.groups().Stop(context.Background(), "weir", "g-first", nil); err != nil {
		t.Fatal(err)
	}
	f("second", group(aci.ContainerGroupRestartPolicyAlways, 2, 0), "")
	r.inject(Fault{Kind: "stockout", Location: "swedencentral"})
	f("third", group(aci.ContainerGroupRestartPolicyAlways, 1, 0), "ServiceUnavailable")
}
