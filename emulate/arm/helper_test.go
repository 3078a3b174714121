package arm

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	azarm "github.com/Azure/azure-sdk-for-go/sdk/azcore/arm"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	"weir/engine"

	ml "github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/machinelearning/armmachinelearning/v4"
)

// rig is an emulated cloud over TCP and TLS with the real SDKs' clients, on a
// clock that stands until the test moves it.
type rig struct {
	*testing.T
	cloud *Cloud
	url   string
	http  *http.Client
	cred  azcore.TokenCredential

	mu  sync.Mutex
	now time.Time
}

// fixed lets every operation take its P50 exactly.
func fixed() map[string]Times {
	all := map[string]Times{}
	for name, t := range times {
		all[name] = Times{t.P50, t.P50}
	}
	return all
}

func start(t *testing.T, o Options) *rig {
	t.Helper()
	r := &rig{T: t, now: time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)}
	o.Now = func() time.Time { r.mu.Lock(); defer r.mu.Unlock(); return r.now }
	if o.Times == nil {
		o.Times = fixed()
	}
	if o.Server.Spec == nil {
		o.Server.Spec = testSpec()
	}
	var err error
	if r.cloud, err = New(o); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- r.cloud.Serve(ctx, l) }()
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(r.cloud.CA())
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}, MaxIdleConnsPerHost: 100}
	r.url, r.http = "https://"+l.Addr().String(), &http.Client{Transport: transport}
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	if r.cred, err = azidentity.NewClientSecretCredential(r.cloud.o.Tenant, "11111111-1111-1111-1111-111111111111", "secret",
		&azidentity.ClientSecretCredentialOptions{ClientOptions: r.client(), DisableInstanceDiscovery: true}); err != nil {
		t.Fatal(err)
	}
	return r
}

// testSpec is looked up once, as it reads the whole catalogue.
var lookup = sync.OnceValue(func() engine.Spec {
	spec, err := engine.Lookup("A100-80GB", "llama-3.1-8b", 1, "")
	if err != nil {
		panic(err)
	}
	return spec
})

func testSpec() *engine.Spec { spec := lookup(); return &spec }

func (r *rig) client() policy.ClientOptions {
	return policy.ClientOptions{
		Transport: r.http, Retry: policy.RetryOptions{MaxRetries: -1},
		Cloud: cloud.Configuration{ActiveDirectoryAuthorityHost: r.url + "/", Services: map[cloud.ServiceName]cloud.ServiceConfiguration{
			cloud.ResourceManager: {Endpoint: r.url, Audience: "https://management.azure.com"},
		}},
	}
}

func (r *rig) arm() *azarm.ClientOptions {
	return &azarm.ClientOptions{ClientOptions: r.client(), DisableRPRegistration: true}
}

func (r *rig) advance(d time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.now = r.now.Add(d)
}

func (r *rig) inject(list ...Fault) {
	r.Helper()
	if err := r.cloud.Inject(list...); err != nil {
		r.Fatal(err)
	}
}

// wait polls an operation to its end, moving the clock by steps of a minute.
func wait[T any](r *rig, p *runtime.Poller[T], err error) (T, time.Duration, error) {
	r.Helper()
	ctx, took := context.Background(), time.Duration(0)
	var none T
	if err != nil {
		return none, 0, err
	}
	for !p.Done() {
		if took > 2*time.Hour {
			r.Fatal("the operation does not end")
		}
		if _, err := p.Poll(ctx); err != nil {
			return none, took, err
		}
		if !p.Done() {
			r.advance(time.Minute)
			took += time.Minute
		}
	}
	v, err := p.Result(ctx)
	return v, took, err
}

// code is the error code of an SDK's error.
func code(err error) string {
	var e *azcore.ResponseError
	if errors.As(err, &e) {
		return e.ErrorCode
	}
	if err == nil {
		return ""
	}
	return err.Error()
}

func (r *rig) endpoints() *ml.OnlineEndpointsClient {
	c, err := ml.NewOnlineEndpointsClient(r.cloud.o.Subscription, r.cred, r.arm())
	if err != nil {
		r.Fatal(err)
	}
	return c
}

func (r *rig) deployments() *ml.OnlineDeploymentsClient {
	c, err := ml.NewOnlineDeploymentsClient(r.cloud.o.Subscription, r.cred, r.arm())
	if err != nil {
		r.Fatal(err)
	}
	return c
}

func (r *rig) endpoint(name string, mode ml.EndpointAuthMode) {
	r.Helper()
	p, err := r.endpoints().BeginCreateOrUpdate(context.Background(), "weir", "weir", name, ml.OnlineEndpoint{
		Location: to.Ptr("swedencentral"), Properties: &ml.OnlineEndpointProperties{AuthMode: &mode}}, nil)
	if _, _, err = wait(r, p, err); err != nil {
		r.Fatal(err)
	}
}

func managed(size string, n, per int32, timeout string) ml.OnlineDeployment {
	return ml.OnlineDeployment{
		Location: to.Ptr("swedencentral"), SKU: &ml.SKU{Name: to.Ptr("Default"), Capacity: &n},
		Properties: &ml.ManagedOnlineDeployment{
			EndpointComputeType: to.Ptr(ml.EndpointComputeTypeManaged), InstanceType: &size, Model: to.Ptr("azureml:m:1"),
			RequestSettings: &ml.OnlineRequestSettings{MaxConcurrentRequestsPerInstance: &per, RequestTimeout: &timeout},
		},
	}
}

func (r *rig) put(endpoint, name string, d ml.OnlineDeployment) (time.Duration, error) {
	r.Helper()
	p, err := r.deployments().BeginCreateOrUpdate(context.Background(), "weir", "weir", endpoint, name, d, nil)
	_, took, err := wait(r, p, err)
	return took, err
}

func (r *rig) scale(endpoint, name string, n int32) (time.Duration, error) {
	r.Helper()
	p, err := r.deployments().BeginUpdate(context.Background(), "weir", "weir", endpoint, name, ml.PartialMinimalTrackedResourceWithSKU{SKU: &ml.PartialSKU{Capacity: &n}}, nil)
	_, took, err := wait(r, p, err)
	return took, err
}

// traffic reads the endpoint, changes its map and puts it back: a PATCH cannot
// carry it.
func (r *rig) traffic(endpoint string, live, mirror map[string]*int32) error {
	r.Helper()
	got, err := r.endpoints().Get(context.Background(), "weir", "weir", endpoint, nil)
	if err != nil {
		return err
	}
	got.Properties.Traffic, got.Properties.MirrorTraffic = live, mirror
	p, err := r.endpoints().BeginCreateOrUpdate(context.Background(), "weir", "weir", endpoint, got.OnlineEndpoint, nil)
	_, _, err = wait(r, p, err)
	return err
}

// score posts to an endpoint's scoring address.
func (r *rig) score(endpoint, path, key, body string, header ...string) (*http.Response, string) {
	r.Helper()
	req, err := http.NewRequest(http.MethodPost, r.url+"/inference/weir/"+endpoint+path, strings.NewReader(body))
	if err != nil {
		r.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+key)
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := r.http.Do(req)
	if err != nil {
		r.Error(err)
		return &http.Response{Header: http.Header{}}, ""
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		r.Error(err)
	}
	return resp, string(b)
}

func (r *rig) key(endpoint string) string {
	r.Helper()
	k, err := r.endpoints().ListKeys(context.Background(), "weir", "weir", endpoint, nil)
	if err != nil {
		r.Fatal(err)
	}
	return *k.PrimaryKey
}
