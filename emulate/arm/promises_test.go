package arm

import (
	"context"
	"crypto/x509"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	ml "github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/machinelearning/armmachinelearning/v4"
)

// raw asks Resource Manager below the workspace, without the SDK's own checks.
func (r *rig) raw(method, path, body string) (int, http.Header, string) {
	r.Helper()
	return r.rest(method, r.cloud.addressOf("Microsoft.MachineLearningServices/workspaces", "weir")+path, body)
}

// rest asks Resource Manager for any path.
func (r *rig) rest(method, path, body string) (int, http.Header, string) {
	r.Helper()
	token, err := r.cred.GetToken(context.Background(), policy.TokenRequestOptions{Scopes: []string{"https://management.azure.com/.default"}})
	if err != nil {
		r.Fatal(err)
	}
	req, err := http.NewRequest(method, r.url+path, strings.NewReader(body))
	if err != nil {
		r.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token.Token)
	resp, err := r.http.Do(req)
	if err != nil {
		r.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		r.Fatal(err)
	}
	return resp.StatusCode, resp.Header, string(b)
}

func TestAPatchCarriesNoTraffic(t *testing.T) {
	r := start(t, Options{})
	r.endpoint("chat", ml.EndpointAuthModeKey)
	if status, _, body := r.raw("PATCH", "/onlineEndpoints/chat?api-version=1", `{"properties":{"traffic":{"blue":100}}}`); status != 400 || !strings.Contains(body, "BadArgument") {
		t.Errorf("%d %s", status, body)
	}
	if status, _, _ := r.raw("GET", "/onlineEndpoints/chat", ""); status != 400 {
		t.Errorf("without a version: %d", status)
	}
	if status, _, _ := r.raw("DELETE", "/onlineEndpoints/none?api-version=1", ""); status != 204 {
		t.Errorf("a DELETE of nothing: %d", status)
	}
	if status, _, body := r.raw("PUT", "/onlineEndpoints/none/deployments/x?api-version=1", `{}`); status != 404 || !strings.Contains(body, "ParentResourceNotFound") {
		t.Errorf("below nothing: %d %s", status, body)
	}
}

func TestADeletedDeploymentHasNoTraffic(t *testing.T) {
	r := start(t, Options{})
	ctx := context.Background()
	r.endpoint("chat", ml.EndpointAuthModeKey)
	if _, err := r.put("chat", "blue", managed(cpu, 1, 1, "PT5S")); err != nil {
		t.Fatal(err)
	}
	if err := r.traffic("chat", map[string]*int32{"blue": percent(100)}, nil); err != nil {
		t.Fatal(err)
	}
	gone, err := r.deployments().BeginDelete(ctx, "weir", "weir", "chat", "blue", nil)
	if _, _, err = wait(r, gone, err); err != nil {
		t.Fatal(err)
	}
	if e, err := r.endpoints().Get(ctx, "weir", "weir", "chat", nil); err != nil || len(e.Properties.Traffic) != 0 {
		t.Errorf("traffic %v %v", e.Properties.Traffic, err)
	}
}

// Half of the times drawn are at most P50 and nine of ten at most P90, and a seed
// draws the same ones.
func TestTimesAreDrawn(t *testing.T) {
	of := func(seed uint64) (all []time.Duration) {
		c, err := New(Options{Seed: seed})
		if err != nil {
			t.Fatal(err)
		}
		for n := range uint64(2000) {
			all = append(all, c.draw("deployment-create", n))
		}
		return all
	}
	one := of(1)
	if !slices.Equal(one, of(1)) || slices.Equal(one, of(2)) {
		t.Error("the seed does not fix the times")
	}
	slices.Sort(one)
	if p50, p90 := one[1000], one[1800]; p50 < 11*time.Minute || p50 > 13*time.Minute || p90 < 17*time.Minute || p90 > 19*time.Minute {
		t.Errorf("half take %v, nine of ten %v", p50, p90)
	}
}

// In compressed time the wait is said in milliseconds too.
func TestRetryAfterIsInRealTime(t *testing.T) {
	r := start(t, Options{Speed: 100})
	r.endpoint("chat", ml.EndpointAuthModeKey)
	status, h, _ := r.raw("DELETE", "/onlineEndpoints/chat?api-version=1", "")
	if status != 202 || h.Get("Retry-After") != "1" || h.Get("X-Ms-Retry-After-Ms") != "100" || h.Get("Azure-Asyncoperation") == "" || h.Get("Location") == "" {
		t.Errorf("%d %v", status, h)
	}
}

// Every identity that asks without a person gets a token: a workload's assertion,
// a managed identity. A token of another run opens nothing.
func TestIdentitiesWithoutASecret(t *testing.T) {
	r, other := start(t, Options{}), start(t, Options{})
	t.Setenv("IDENTITY_ENDPOINT", r.url+"/msi/token")
	t.Setenv("IDENTITY_HEADER", "x")
	assertion, err := azidentity.NewClientAssertionCredential(r.cloud.o.Tenant, "app", func(context.Context) (string, error) { return "a.b.c", nil },
		&azidentity.ClientAssertionCredentialOptions{ClientOptions: r.client(), DisableInstanceDiscovery: true})
	if err != nil {
		t.Fatal(err)
	}
	// The SDK keeps tokens of a managed identity for the whole process, by its ID.
	machine, err := azidentity.NewManagedIdentityCredential(&azidentity.ManagedIdentityCredentialOptions{ClientOptions: r.client(), ID: azidentity.ClientID(requestID())})
	if err != nil {
		t.Fatal(err)
	}
	for name, cred := range map[string]azcore.TokenCredential{"assertion": assertion, "machine": machine} {
		client, err := ml.NewWorkspacesClient(r.cloud.o.Subscription, cred, r.arm())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := client.Get(context.Background(), "weir", "weir", nil); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		token, err := cred.GetToken(context.Background(), policy.TokenRequestOptions{Scopes: []string{"https://management.azure.com/.default"}})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := other.cloud.issuer.check(token.Token, time.Now(), audiences["arm"]...); err == nil {
			t.Errorf("%s: its token opens another run", name)
		}
	}
}

// What a deployment holds while it grows counts at once, and what a failed one
// asked for does not.
func TestQuotaCountsTheLargerOfBeforeAndAfter(t *testing.T) {
	r := start(t, Options{Quota: map[string]int{"ml/StandardNCADSA100v4Family": 72, "ml/swedencentral/StandardNCADSA100v4Family": 72}})
	for _, e := range []string{"one", "two"} {
		r.endpoint(e, ml.EndpointAuthModeKey)
	}
	n := int32(2)
	if _, err := r.deployments().BeginCreateOrUpdate(context.Background(), "weir", "weir", "one", "blue", managed(gpu, n, 1, "PT5S"), nil); err != nil {
		t.Fatal(err)
	}
	if _, err := r.put("two", "blue", managed(gpu, 2, 1, "PT5S")); code(err) != "OutOfQuota" {
		t.Errorf("48 more beside 48 that are coming: %v", err)
	}
	r.advance(20 * time.Minute)
	if _, err := r.put("two", "blue", managed(gpu, 1, 1, "PT5S")); err != nil {
		t.Errorf("24 more: %v", err)
	}
}

func TestItServesOnLoopbackOnly(t *testing.T) {
	c, err := New(Options{Listen: "0.0.0.0:0"})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Run(context.Background()); err == nil || !strings.Contains(err.Error(), "loopback") {
		t.Error(err)
	}
}

func TestOptionsThatMakeNoSense(t *testing.T) {
	for what, o := range map[string]Options{
		"speed":        {Speed: -1},
		"0.001":        {Speed: 1e-9},
		"no such":      {Times: map[string]Times{"walk": {}}},
		"<= P90":       {Times: map[string]Times{"openai-create": {P50: 2, P90: 1}}},
		"no such file": {Dir: t.TempDir() + "/none"},
	} {
		if _, err := New(o); err == nil || what != "no such file" && !strings.Contains(err.Error(), what) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// The certificate is valid for the address that it is served at.
func TestTheCertificateNamesItsAddress(t *testing.T) {
	c, err := newCertificates("127.0.0.9:9443")
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(c.server.Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	for _, host := range []string{"127.0.0.1", "127.0.0.9", "::1", "localhost"} {
		if err := leaf.VerifyHostname(host); err != nil {
			t.Error(err)
		}
	}
}
