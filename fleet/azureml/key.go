package azureml

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	ml "github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/machinelearning/armmachinelearning/v4"

	"weir/azure"
)

// Keys give what callers of an endpoint authenticate with, of the kind the endpoint
// wants: its key, a token of its own, or a token of Entra ID. It is an
// azcore.TokenCredential; its scopes do not matter.
func Keys(a *azure.Account, d Deployment) (azcore.TokenCredential, error) {
	c, err := newCalls(a)
	if err != nil {
		return nil, err
	}
	return &keys{c, at{d.ResourceGroup, d.Workspace, d.Endpoint}}, nil
}

type keys struct {
	c  *calls
	at at
}

// A key does not expire, but it may be made again: it is read again after keyFresh,
// and used until keyLife if Azure does not answer.
const (
	keyFresh = 10 * time.Minute
	keyLife  = 24 * time.Hour
)

// GetToken asks for one. Token is without "Bearer".
func (k *keys) GetToken(ctx context.Context, _ policy.TokenRequestOptions) (azcore.AccessToken, error) {
	t, err := k.get(ctx)
	if err != nil {
		return azcore.AccessToken{}, fmt.Errorf("azureml: key of endpoint %s: %s", k.at.Endpoint, k.c.account.Reason(err))
	}
	if t.Token == "" {
		return azcore.AccessToken{}, fmt.Errorf("azureml: key of endpoint %s: Azure gave none", k.at.Endpoint)
	}
	return t, nil
}

func (k *keys) get(ctx context.Context) (t azcore.AccessToken, err error) {
	e, err := k.c.endpoint(ctx, k.at)
	if err != nil {
		return t, err
	}
	switch e.auth {
	case ml.EndpointAuthModeAADToken:
		return k.c.account.Credential().GetToken(ctx, policy.TokenRequestOptions{Scopes: []string{k.c.account.MLScope()}})
	case ml.EndpointAuthModeAMLToken:
		r, err := k.c.endpoints.GetToken(ctx, k.at.ResourceGroup, k.at.Workspace, k.at.Endpoint, nil)
		t = azcore.AccessToken{Token: deref(r.AccessToken), ExpiresOn: time.Unix(deref(r.ExpiryTimeUTC), 0)}
		if at := deref(r.RefreshAfterTimeUTC); at > 0 {
			t.RefreshOn = time.Unix(at, 0)
		}
		return t, err
	case ml.EndpointAuthModeKey:
		r, err := k.c.endpoints.ListKeys(ctx, k.at.ResourceGroup, k.at.Workspace, k.at.Endpoint, nil)
		now := time.Now()
		return azcore.AccessToken{Token: deref(r.PrimaryKey), ExpiresOn: now.Add(keyLife), RefreshOn: now.Add(keyFresh)}, err
	}
	return t, errors.New("it wants another kind of key than Weir knows: " + string(e.auth))
}
