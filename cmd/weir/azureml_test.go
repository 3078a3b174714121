package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	ml "github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/machinelearning/armmachinelearning/v4"

	"weir/azure"
	"weir/config"
	"weir/emulate"
	"weir/emulate/arm"
)

// mlConfig is a managed endpoint that is to grow to 3 instances of 2 requests each,
// and existing servers for what it has no room for.
const mlConfig = `
log: {access: false}
store: {path: %[1]q}
journal: {path: %[2]q}
azure:
  subscription: 00000000-0000-0000-0000-000000000001
  resource_group: weir
  identity: secret
  tenant: 00000000-0000-0000-0000-0000000000aa
  client_id: 11111111-1111-1111-1111-111111111111
  client_secret: env:WEIR_TEST_AZURE
  endpoints: {authority: %[3]q, resource_manager: %[3]q, audience: "https://management.azure.com", ca: %[4]q}
tenants:
  - name: t
    keys: [{name: k, hash: %[5]q}]
models:
  - name: m
    deployments:
      - name: m/blue
        azure_ml: {workspace: weir, endpoint: chat, deployment: blue, model: llama-3.1-8b}
        capacity: {max_requests: 2}
        scaling: {min: 3, max: 3}
      - name: m/rest
        tier: 1
        external: {urls: [%[6]q], model: llama-3.1-8b}
`

// subscription is an emulated one over TCP and TLS with deployment blue at endpoint
// chat: one instance.
func subscription(t *testing.T, dir string) *arm.Cloud {
	times := map[string]arm.Times{}
	for _, name := range []string{"deployment-create", "deployment-out"} {
		times[name] = arm.Times{P50: 15 * time.Minute, P90: 15 * time.Minute}
	}
	cloud, err := arm.New(arm.Options{Dir: dir, Speed: 300, Times: times, Server: emulate.Options{Load: time.Millisecond, Model: "llama-3.1-8b", GPU: "A100-80GB"}})
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
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
	at := "https://" + l.Addr().String()
	comes(t, "the subscription", func() bool { return cloud.URL() == at })
	a, err := azure.New(azure.Options{
		Subscription: "00000000-0000-0000-0000-000000000001", Identity: "secret", Tenant: "00000000-0000-0000-0000-0000000000aa", ClientID: "11111111-1111-1111-1111-111111111111", ClientSecret: mlSecret,
		Endpoints: azure.Endpoints{Authority: at, ResourceManager: at, Audience: "https://management.azure.com", CAFile: filepath.Join(dir, "ca.pem")},
	})
	if err != nil {
		t.Fatal(err)
	}
	endpoints, err := ml.NewOnlineEndpointsClient(a.Subscription(), a.Credential(), a.Client())
	if err != nil {
		t.Fatal(err)
	}
	deployments, err := ml.NewOnlineDeploymentsClient(a.Subscription(), a.Credential(), a.Client())
	if err != nil {
		t.Fatal(err)
	}
	_, err = endpoints.BeginCreateOrUpdate(t.Context(), "weir", "weir", "chat", ml.OnlineEndpoint{Location: to.Ptr("swedencentral"), Properties: &ml.OnlineEndpointProperties{AuthMode: to.Ptr(ml.EndpointAuthModeAMLToken)}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	cloud.Advance(time.Hour)
	_, err = deployments.BeginCreateOrUpdate(t.Context(), "weir", "weir", "chat", "blue", ml.OnlineDeployment{
		Location: to.Ptr("swedencentral"), SKU: &ml.SKU{Name: to.Ptr("Default"), Capacity: to.Ptr[int32](1)},
		Properties: &ml.ManagedOnlineDeployment{
			EndpointComputeType: to.Ptr(ml.EndpointComputeTypeManaged), InstanceType: to.Ptr("Standard_NC24ads_A100_v4"), Model: to.Ptr("azureml:m:1"),
			RequestSettings: &ml.OnlineRequestSettings{MaxConcurrentRequestsPerInstance: to.Ptr[int32](2), RequestTimeout: to.Ptr("PT90S")},
		},
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	cloud.Advance(time.Hour)
	return cloud
}

const mlSecret = "the-secret-of-the-application"

// comes waits for something outside of this process.
func comes(t *testing.T, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(90 * time.Second); !is(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("never came: %s", what)
		}
	}
}

// scored is what the emulator says of deployment blue.
func scored(t *testing.T, cloud *arm.Cloud) (instances, served, tooMany int) {
	t.Helper()
	w := &recorded{header: http.Header{}}
	r, err := http.NewRequest(http.MethodGet, "/emulator/state", nil)
	if err != nil {
		t.Fatal(err)
	}
	cloud.Handler().ServeHTTP(w, r)
	var state struct {
		Resources []struct {
			ID        string
			Instances int
			Scoring   struct{ Served, Pending int }
		}
	}
	if err := json.Unmarshal(w.body, &state); err != nil {
		t.Fatal(err)
	}
	for _, r := range state.Resources {
		if strings.HasSuffix(r.ID, "/deployments/blue") {
			return r.Instances, r.Scoring.Served, r.Scoring.Pending
		}
	}
	return 0, 0, 0
}

type recorded struct {
	header http.Header
	body   []byte
}

func (w *recorded) Header() http.Header         { return w.header }
func (w *recorded) WriteHeader(int)             {}
func (w *recorded) Write(b []byte) (int, error) { w.body = append(w.body, b...); return len(b), nil }

// weirServe starts the program itself.
func weirServe(t *testing.T, file, state string, log io.Writer) *peer {
	t.Helper()
	p := &peer{name: "weir"}
	p.process = exec.Command("weir", "serve", "-c", file, "--state", state, "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0")
	p.process.Stderr = log
	out, err := p.process.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.process.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.kill(t) })
	for lines := bufio.NewScanner(out); p.oper == "" && lines.Scan(); {
		if _, at, ok := strings.Cut(lines.Text(), "callers at"); ok {
			p.url = strings.TrimSpace(at)
		}
		if _, at, ok := strings.Cut(lines.Text(), "operators at"); ok {
			p.oper = strings.Fields(at)[0]
		}
	}
	if p.oper == "" {
		t.Fatal("weir serve did not come up")
	}
	go func() { _, _ = io.Copy(io.Discard, out) }() // ends with the process
	return p
}

// While Azure takes a quarter of an hour to add instances, callers find room in the
// next tier and see no 429, and Azure's own wall is never met. Weir is killed in the
// middle of it; the next one finds the operation and begins none of its own. Nothing
// it says contains the secret.
func TestAManagedEndpointGrowsUnderLoadAndThroughAKill(t *testing.T) {
	t.Setenv("WEIR_TEST_AZURE", mlSecret)
	dir := t.TempDir()
	cloud := subscription(t, dir)
	rest, err := emulate.New(emulate.Options{Model: "llama-3.1-8b", GPU: "H100-80GB", Served: "llama-3.1-8b", Load: 1})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "weir.yaml")
	text := fmt.Sprintf(mlConfig, filepath.Join(dir, "weir.db"), filepath.Join(dir, "journal"), cloud.URL(), filepath.Join(dir, "ca.pem"),
		config.HashKey(testKey), started(t, rest.Handler(), rest.Run))
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	const write = "Microsoft.MachineLearningServices/workspaces/onlineEndpoints/deployments/write"
	prepared := cloud.Actions()
	before := prepared[write]
	state := filepath.Join(dir, "state")
	first := weirServe(t, file, state, log)
	comes(t, "the scale-out begins", func() bool { return cloud.Actions()[write] > before })
	first.kill(t)
	second := weirServe(t, file, state, log)

	var others atomic.Int64
	var all sync.WaitGroup
	done := make(chan struct{})
	for range 8 { // one instance takes 2 and meets its wall at 4
		all.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				if status, err := second.ask(context.Background(), 8); err != nil || status != http.StatusOK {
					others.Add(1)
					t.Errorf("a caller got %d, %v", status, err)
					return
				}
			}
		})
	}
	comes(t, "3 instances that answer", func() bool {
		n, served, _ := scored(t, cloud)
		return n == 3 && served > 20 || others.Load() > 0
	})
	close(done)
	all.Wait()
	if n := cloud.Actions()[write] - before; n != 1 {
		t.Errorf("the number was written %d times; once was enough", n)
	}
	if _, _, tooMany := scored(t, cloud); tooMany != 0 {
		t.Errorf("Azure answered 429 %d times: the wall was met", tooMany)
	}
	second.kill(t)
	said, err := os.ReadFile(log.Name())
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(said), mlSecret) || strings.Contains(string(said), "eyJ") {
		t.Errorf("a secret is in the log:\n%s", said)
	}
	asked := cloud.Actions()
	for action, n := range prepared {
		if asked[action] == n {
			delete(asked, action)
		}
	}
	covered(t, "weir-endpoints.json", asked)
}

// covered fails the test for an action that a role in deploy/azure lacks.
func covered(t *testing.T, file string, actions map[string]int) {
	t.Helper()
	text, err := os.ReadFile("../../deploy/azure/" + file)
	if err != nil {
		t.Fatal(err)
	}
	var role struct{ Actions, DataActions []string }
	if err := json.Unmarshal(text, &role); err != nil {
		t.Fatal(err)
	}
	allows := func(action string) func(string) bool {
		return func(a string) bool {
			from, end, any := strings.Cut(strings.ToLower(a), "*")
			action := strings.ToLower(action)
			return action == from || any && strings.HasPrefix(action, from) && strings.HasSuffix(action, end)
		}
	}
	for action := range actions {
		if !slices.ContainsFunc(slices.Concat(role.Actions, role.DataActions), allows(action)) {
			t.Errorf("%s is asked for, and the role does not allow it", action)
		}
	}
}
