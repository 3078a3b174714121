package aci_test

import (
	"context"
	"log/slog"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	ci "github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/containerinstance/armcontainerinstance/v2"

	"weir"
	"weir/azure"
	"weir/emulate/arm"
	"weir/engine"
	"weir/fleet/aci"
)

const (
	subscription = "00000000-0000-0000-0000-000000000001"
	group        = "weir"
	writeAction  = "Microsoft.ContainerInstance/containerGroups/write"
)

// quick is the pace of tests: looked at all the time.
var quick = aci.Pace{Idle: 5 * time.Millisecond, Busy: 2 * time.Millisecond, Backoff: 20 * time.Millisecond, Longest: 100 * time.Millisecond, Quiet: 5 * time.Millisecond, Sick: 200 * time.Millisecond}

// spec of the emulated servers, looked up once: it reads the whole catalogue.
var spec = sync.OnceValues(func() (engine.Spec, error) { return engine.Lookup("H100-80GB", "llama-3.1-8b", 1, "") })

// cloud is the emulated control plane, reached over TCP and TLS by the real SDK.
type cloud struct {
	*testing.T
	*arm.Cloud
	account *azure.Account
	groups  *ci.ContainerGroupsClient
}

func start(t *testing.T, o arm.Options) *cloud {
	t.Helper()
	t.Parallel() // most of it waits
	served, err := spec()
	if err != nil {
		t.Fatal(err)
	}
	o.Dir, o.Speed, o.WritesPerHour, o.ReadsPerHour, o.Server.Spec = t.TempDir(), 1000, 1e6, 1e9, &served
	o.Times = map[string]arm.Times{}
	for name, span := range map[string]time.Duration{"group-create": 30 * time.Second, "group-delete": 10 * time.Second, "group-start": 20 * time.Second} {
		o.Times[name] = arm.Times{P50: span, P90: span}
	}
	emulated, err := arm.New(o)
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
	c := &cloud{T: t, Cloud: emulated}
	c.until("the cloud answers", func() bool { return emulated.URL() != "" })
	if c.account, err = azure.New(azure.Options{
		Subscription: subscription, Identity: "secret", Tenant: "00000000-0000-0000-0000-0000000000aa", ClientID: "11111111-1111-1111-1111-111111111111", ClientSecret: "the-secret-of-the-application",
		Endpoints: azure.Endpoints{Authority: c.URL(), ResourceManager: c.URL(), Audience: "https://management.azure.com", CAFile: filepath.Join(o.Dir, "ca.pem")},
	}); err != nil {
		t.Fatal(err)
	}
	if c.groups, err = ci.NewContainerGroupsClient(subscription, c.account.Credential(), c.account.Client()); err != nil {
		t.Fatal(err)
	}
	return c
}

// patience bounds the real time that a test waits.
const patience = 20 * time.Second

// settle looks again until done returns true.
func settle(done func() bool) bool {
	for began := time.Now(); time.Since(began) < patience; time.Sleep(2 * time.Millisecond) {
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

// worker is a deployment whose containers run until they are deleted: the emulator ends
// those that do not restart after EMULATE_RUN.
func worker() aci.Deployment {
	return aci.Deployment{
		Name: "m/worker", ResourceGroup: group, MaxReplicas: 4,
		Template: aci.Template{
			Location: "swedencentral", Image: "registry.example/worker:1", CPU: 2, MemoryGB: 4, Port: 8000, HealthPath: "/health",
			Environment: []aci.Variable{{Name: "EMULATE_RUN", Value: "100000h"}},
		},
	}
}

// place is a Fleet that runs, and the requests in flight at its replicas.
type place struct {
	*aci.Fleet
	t    *testing.T
	name string
	stop func()

	mu   sync.Mutex
	busy map[string]int
}

func (c *cloud) open(ds ...aci.Deployment) *place {
	c.Helper()
	return c.openAs(nil, ds...)
}

func (c *cloud) openAs(leads func() bool, ds ...aci.Deployment) *place {
	c.Helper()
	p := &place{t: c.T, busy: map[string]int{}, name: ds[0].Name}
	var err error
	p.Fleet, err = aci.New(aci.Options{Account: c.account, Deployments: ds, Pace: quick, Leads: leads, Log: slog.New(slog.NewTextHandler(c.Output(), nil)), Busy: func(_, replica string) int {
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
	c.until("the groups are seen", func() bool {
		_, err := p.Status(c.Context(), p.name)
		return err == nil
	})
	return p
}

func (p *place) hold(replica string, busy bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.busy[replica] = 0
	if busy {
		p.busy[replica] = 1
	}
}

func (p *place) status() []weir.Replica {
	p.t.Helper()
	rs, err := p.Status(p.t.Context(), p.name)
	if err != nil {
		p.t.Fatal(err)
	}
	return rs
}

// in counts the replicas in a state.
func (p *place) in(state weir.ReplicaState) (n int) {
	p.t.Helper()
	for _, r := range p.status() {
		if r.State == state {
			n++
		}
	}
	return n
}

func (p *place) scale(n int) {
	p.t.Helper()
	if err := p.Scale(p.t.Context(), p.name, n, nil); err != nil {
		p.t.Fatal(err)
	}
}

// named is the group of a replica at Azure.
func named(replica string) string { name, _, _ := strings.Cut(replica, "."); return name }

// kill stops a replica's group, as its container's end does.
func (c *cloud) kill(replica string) {
	c.Helper()
	if _, err := c.groups.Stop(c.Context(), group, named(replica), nil); err != nil {
		c.Fatal(err)
	}
}

// there are the groups at Azure, by name, with their tags.
func (c *cloud) there() map[string]map[string]*string {
	c.Helper()
	all := map[string]map[string]*string{}
	for pages := c.groups.NewListByResourceGroupPager(group, nil); pages.More(); {
		page, err := pages.NextPage(c.Context())
		if err != nil {
			c.Fatal(err)
		}
		for _, g := range page.Value {
			all[*g.Name] = g.Tags
		}
	}
	return all
}

// make makes a group by hand.
func (c *cloud) make(name string, tags map[string]string) {
	c.Helper()
	all := map[string]*string{}
	for k, v := range tags {
		all[k] = to.Ptr(v)
	}
	_, err := c.groups.BeginCreateOrUpdate(c.Context(), group, name, ci.ContainerGroup{Location: to.Ptr("swedencentral"), Tags: all, Properties: &ci.ContainerGroupPropertiesProperties{
		OSType: to.Ptr(ci.OperatingSystemTypesLinux),
		Containers: []*ci.Container{{Name: to.Ptr("one"), Properties: &ci.ContainerProperties{
			Image: to.Ptr("other:1"), Resources: &ci.ResourceRequirements{Requests: &ci.ResourceRequests{CPU: to.Ptr(1.0), MemoryInGB: to.Ptr(1.0)}},
		}}},
	}}, nil)
	if err != nil {
		c.Fatal(err)
	}
}
