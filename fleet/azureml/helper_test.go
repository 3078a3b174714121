package azureml_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	azruntime "github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	ml "github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/machinelearning/armmachinelearning/v4"

	"weir"
	"weir/azure"
	"weir/emulate/arm"
	"weir/fleet/azureml"
)

const (
	size  = "Standard_NC24ads_A100_v4" // without the reserve of a fifth
	speed = 10_000                     // of emulated time: 12 minutes are 72 ms
)

// quick is the pace of tests: looked at all the time.
var quick = azureml.Pace{Idle: 5 * time.Millisecond, Busy: 2 * time.Millisecond, Backoff: 20 * time.Millisecond, Longest: 100 * time.Millisecond, HoldFor: 300 * time.Millisecond, Others: time.Minute, Quiet: 10 * time.Millisecond}

// cloud is the emulated control plane, reached over TCP and TLS by the real SDK.
type cloud struct {
	*testing.T
	*arm.Cloud
	account     *azure.Account
	endpoints   *ml.OnlineEndpointsClient
	deployments *ml.OnlineDeploymentsClient
	dir         string
	quota       func(deployment string, have int) (int, string, bool)
}

func start(t *testing.T, mode ml.EndpointAuthMode) *cloud {
	t.Helper()
	t.Parallel() // most of it waits
	dir := t.TempDir()
	times := map[string]arm.Times{}
	for name, span := range map[string]time.Duration{
		"deployment-create": 12 * time.Minute, "deployment-out": 12 * time.Minute, "deployment-in": 2 * time.Minute, "deployment-delete": 3 * time.Minute,
		"deployment-refused": 10 * time.Second, "deployment-stock": time.Minute, "deployment-crash": time.Minute, "endpoint-create": time.Second, "endpoint-update": time.Second,
	} {
		times[name] = arm.Times{P50: span, P90: span}
	}
	emulated, err := arm.New(arm.Options{Dir: dir, Speed: speed, Times: times, WritesPerHour: 1e6, ReadsPerHour: 1e9, Log: slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelDebug}))})
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- emulated.Serve(ctx, l) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	c := &cloud{T: t, Cloud: emulated, dir: dir}
	c.until("the cloud answers", func() bool { return emulated.URL() != "" })
	if c.account, err = azure.New(c.options()); err != nil {
		t.Fatal(err)
	}
	if c.endpoints, err = ml.NewOnlineEndpointsClient(subscription, c.account.Credential(), c.account.Client()); err != nil {
		t.Fatal(err)
	}
	if c.deployments, err = ml.NewOnlineDeploymentsClient(subscription, c.account.Credential(), c.account.Client()); err != nil {
		t.Fatal(err)
	}
	p, err := c.endpoints.BeginCreateOrUpdate(t.Context(), group, workspace, "chat",
		ml.OnlineEndpoint{Location: to.Ptr("swedencentral"), Properties: &ml.OnlineEndpointProperties{AuthMode: &mode}}, nil)
	end(c, p, err)
	return c
}

const (
	subscription = "00000000-0000-0000-0000-000000000001"
	group        = "weir"
	workspace    = "weir"
)

func (c *cloud) options() azure.Options {
	return azure.Options{
		Subscription: subscription, Identity: "secret", Tenant: "00000000-0000-0000-0000-0000000000aa", ClientID: "11111111-1111-1111-1111-111111111111", ClientSecret: "the-secret-of-the-application",
		Endpoints: azure.Endpoints{Authority: c.URL(), ResourceManager: c.URL(), Audience: "https://management.azure.com", CAFile: filepath.Join(c.dir, "ca.pem")},
	}
}

// end waits for an operation of the test's own.
func end[T any](c *cloud, p *azruntime.Poller[T], err error) {
	c.Helper()
	if err != nil {
		c.Fatal(err)
	}
	c.until("the operation ends", func() bool {
		if !p.Done() {
			if _, err := p.Poll(c.Context()); err != nil {
				c.Fatal(err)
			}
		}
		return p.Done()
	})
	if _, err := p.Result(c.Context()); err != nil {
		c.Fatal(err)
	}
}

// patience bounds the real time that a test waits.
const patience = 10 * time.Second

// settle looks again until done returns true.
func settle(done func() bool) bool {
	for began := time.Now(); time.Since(began) < patience; time.Sleep(time.Millisecond) {
		if done() {
			return true
		}
	}
	return false
}

func (c *cloud) until(what string, done func() bool) {
	c.Helper()
	if !settle(done) {
		c.Fatalf("never came: %s", what)
	}
}

// managed is a deployment of n instances that take per requests at once.
func managed(n, per int32) ml.OnlineDeployment {
	return ml.OnlineDeployment{
		Location: to.Ptr("swedencentral"), SKU: &ml.SKU{Name: to.Ptr("Default"), Capacity: &n},
		Properties: &ml.ManagedOnlineDeployment{
			EndpointComputeType: to.Ptr(ml.EndpointComputeTypeManaged), InstanceType: to.Ptr(size), Model: to.Ptr("azureml:m:1"),
			RequestSettings: &ml.OnlineRequestSettings{MaxConcurrentRequestsPerInstance: &per, RequestTimeout: to.Ptr("PT90S")},
		},
	}
}

// make makes deployment blue with n instances.
func (c *cloud) make(n int32) {
	c.Helper()
	p, err := c.deployments.BeginCreateOrUpdate(c.Context(), group, workspace, "chat", "blue", managed(n, 4), nil)
	end(c, p, err)
}

// delete removes deployment blue, as anyone may.
func (c *cloud) delete() {
	c.Helper()
	p, err := c.deployments.BeginDelete(c.Context(), group, workspace, "chat", "blue", nil)
	end(c, p, err)
}

// definition writes the file from which blue is made again: what Azure shows of it.
func (c *cloud) definition() string {
	c.Helper()
	c.make(1)
	r, err := c.deployments.Get(c.Context(), group, workspace, "chat", "blue", nil)
	if err != nil {
		c.Fatal(err)
	}
	text, err := json.Marshal(r.OnlineDeployment)
	if err != nil {
		c.Fatal(err)
	}
	file := filepath.Join(c.dir, "blue.json")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		c.Fatal(err)
	}
	return file
}

// blue is the deployment as weir.yaml names it.
func blue() azureml.Deployment {
	return azureml.Deployment{Name: "chat/blue", ResourceGroup: group, Workspace: workspace, Endpoint: "chat", Deployment: "blue", MaxReplicas: 6}
}

// place is a Fleet that runs, and the requests in flight at its replicas.
type place struct {
	*azureml.Fleet
	t    *testing.T
	stop func()

	mu   sync.Mutex
	busy map[string]int
}

func (c *cloud) open(ds ...azureml.Deployment) *place {
	c.Helper()
	return c.openAt(quick, ds...)
}

func (c *cloud) openAt(pace azureml.Pace, ds ...azureml.Deployment) *place {
	c.Helper()
	p := &place{t: c.T, busy: map[string]int{}}
	var err error
	p.Fleet, err = azureml.New(azureml.Options{Account: c.account, Deployments: ds, Pace: pace, Quota: c.quota, Log: slog.New(slog.NewTextHandler(c.Output(), nil)), Busy: func(_, replica string) int {
		p.mu.Lock()
		defer p.mu.Unlock()
		return p.busy[replica]
	}})
	if err != nil {
		c.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- p.Run(ctx) }()
	p.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			c.Error(err)
		}
	})
	c.Cleanup(p.stop)
	c.until("the deployments are seen", func() bool {
		for _, d := range ds {
			if _, err := p.Status(c.Context(), d.Name); err != nil && !strings.Contains(err.Error(), "no managed deployment") {
				return false
			}
		}
		return true
	})
	return p
}

func (p *place) hold(replica string, n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.busy[replica] = n
}

func (p *place) status() []weir.Replica {
	p.t.Helper()
	rs, err := p.Status(p.t.Context(), "chat/blue")
	if err != nil {
		p.t.Fatal(err)
	}
	return rs
}

// in counts the units in a state.
func (p *place) in(state weir.ReplicaState) (n int) {
	p.t.Helper()
	for _, r := range p.status() {
		if r.State == state {
			n += r.Size()
		}
	}
	return n
}
