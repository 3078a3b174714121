package azureml_test

import (
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	ml "github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/machinelearning/armmachinelearning/v4"

	"weir"
	"weir/fleet/azureml"
	"weir/upstream"
	"weir/upstream/openai"
)

// scorer asks the endpoint as a gateway does, and returns the status.
func (c *cloud) scorer() func() int {
	c.Helper()
	keys, err := azureml.Keys(c.account, blue())
	if err != nil {
		c.Fatal(err)
	}
	o := upstream.Options{Dialect: openai.Dialect{}, TLS: c.account.TLS(), Pin: upstream.Field{Name: "azureml-model-deployment", Value: "blue"}}
	o.Credential, o.Renew = upstream.Renewed(keys, "")
	client, err := upstream.New(o)
	if err != nil {
		c.Fatal(err)
	}
	c.Cleanup(client.Close)
	return func() int {
		c.Helper()
		r, err := client.Do(c.Context(), c.URL()+"/inference/weir/chat", &upstream.Call{Op: weir.OpChat, Body: net.Buffers{[]byte(`{"model":"m","messages":[]}`)}})
		if err != nil {
			c.Fatal(err)
		}
		defer r.Close()
		return r.Status
	}
}

// A key that is made again while Weir has the old one fails no request.
func TestAKeyThatIsMadeAgainFailsNoRequest(t *testing.T) {
	c := start(t, ml.EndpointAuthModeKey)
	c.make(1)
	ask := c.scorer()
	if status := ask(); status == http.StatusUnauthorized {
		t.Fatal("the first key is refused")
	}
	p, err := c.endpoints.BeginRegenerateKeys(t.Context(), group, workspace, "chat", ml.RegenerateEndpointKeysRequest{KeyType: to.Ptr(ml.KeyTypePrimary)}, nil)
	end(c, p, err)
	if status := ask(); status == http.StatusUnauthorized {
		t.Error("a request failed with the old key")
	}
}

// The same with a token that the endpoint takes for expired, whatever Azure said.
func TestATokenThatExpiresEarlyFailsNoRequest(t *testing.T) {
	c := start(t, ml.EndpointAuthModeAMLToken)
	c.make(1)
	var given atomic.Int64
	c.between().with(func(r *http.Request) *http.Response {
		if strings.HasSuffix(r.URL.Path, "/token") && r.Method == http.MethodPost && strings.Contains(r.URL.Path, "/onlineEndpoints/") && given.Add(1) == 1 {
			return answer(http.StatusOK, `{"accessToken":"of.an.hour.ago","expiryTimeUtc":4102444800,"refreshAfterTimeUtc":4102444000,"tokenType":"Bearer"}`)
		}
		return nil
	})
	if status := c.scorer()(); status == http.StatusUnauthorized || given.Load() != 2 {
		t.Errorf("%d after %d tokens", status, given.Load())
	}
}
