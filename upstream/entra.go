package upstream

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
)

// Scopes of Azure OpenAI tokens. Both are accepted; current documentation names
// AIScope, older documentation (and every resource in use) the other.
const (
	CognitiveServicesScope = "https://cognitiveservices.azure.com/.default"
	AIScope                = "https://ai.azure.com/.default"
)

// EntraOptions select the identity for tokens of Microsoft Entra ID. The identity needs
// the role "Cognitive Services OpenAI User" on the resource.
type EntraOptions struct {
	// Identity is "default" (also when empty: environment, workload identity,
	// managed identity and developer tools in turn), "managed_identity",
	// "workload_identity", "cli" or "environment".
	Identity string
	ClientID string // of a user-assigned managed identity or a workload identity
	TenantID string
	Scope    string // "": CognitiveServicesScope
}

// Entra authenticates with tokens of Microsoft Entra ID. A token is kept and renewed in
// the background before it expires: calls wait for one only at first, or if Entra was
// unreachable until the old one expired.
func Entra(o EntraOptions) (Credential, error) {
	source, err := entraSource(o)
	if err != nil {
		return nil, fmt.Errorf("upstream: Entra ID identity %q: %w", o.Identity, err)
	}
	if o.Scope == "" {
		o.Scope = CognitiveServicesScope
	}
	return Bearer(source, o.Scope), nil
}

// Bearer authenticates with what source gives for a scope, as bearer tokens, kept and
// renewed as those of Entra are.
func Bearer(source azcore.TokenCredential, scope string) Credential {
	t := &tokens{source: source, scope: scope}
	return t.credential
}

func entraSource(o EntraOptions) (azcore.TokenCredential, error) {
	switch o.Identity {
	case "", "default":
		return azidentity.NewDefaultAzureCredential(&azidentity.DefaultAzureCredentialOptions{TenantID: o.TenantID})
	case "managed_identity":
		m := &azidentity.ManagedIdentityCredentialOptions{}
		if o.ClientID != "" {
			m.ID = azidentity.ClientID(o.ClientID)
		}
		return azidentity.NewManagedIdentityCredential(m)
	case "workload_identity":
		return azidentity.NewWorkloadIdentityCredential(&azidentity.WorkloadIdentityCredentialOptions{ClientID: o.ClientID, TenantID: o.TenantID})
	case "cli":
		return azidentity.NewAzureCLICredential(&azidentity.AzureCLICredentialOptions{TenantID: o.TenantID})
	case "environment":
		return azidentity.NewEnvironmentCredential(nil)
	}
	return nil, fmt.Errorf("unknown; want default, managed_identity, workload_identity, cli or environment")
}

const (
	renewBefore = 5 * time.Minute  // of its expiry a token is renewed
	renewPause  = 10 * time.Second // between two tries while the old token holds
	failPause   = time.Second      // between two tries while there is none
	renewLimit  = 30 * time.Second // for one try
)

// tokens keeps the current token of one identity and scope.
type tokens struct {
	source azcore.TokenCredential
	scope  string

	mu      sync.Mutex
	token   azcore.AccessToken
	value   string        // "Bearer " and the token
	renewal chan struct{} // closed when the current renewal is done; nil if there is none
	tried   time.Time     // when the last renewal began, then when it ended
	forced  time.Time     // when a server last refused it and it was renewed for that
	err     error         // of the last renewal
}

func (t *tokens) credential(ctx context.Context) (header, value string, err error) {
	for {
		value, renewal, err := t.current(time.Now())
		if renewal == nil {
			return "Authorization", value, err
		}
		select {
		case <-renewal:
		case <-ctx.Done():
			return "", "", ctx.Err()
		}
	}
}

// current returns the token or, without one, a renewal to wait for. It starts a renewal
// that is due.
func (t *tokens) current(now time.Time) (value string, renewal chan struct{}, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	valid := now.Before(t.token.ExpiresOn)
	pause := renewPause
	if !valid {
		pause = failPause
	}
	if t.renewal == nil && !now.Before(t.renewAt()) && now.Sub(t.tried) >= pause {
		t.renewal, t.tried = make(chan struct{}), now
		go t.renew(t.renewal)
	}
	switch {
	case valid:
		return t.value, nil, nil
	case t.renewal == nil:
		return "", nil, t.err
	}
	return "", t.renewal, nil
}

// renewAt is when the token should be renewed; t.mu is held.
func (t *tokens) renewAt() time.Time {
	at := t.token.ExpiresOn.Add(-renewBefore)
	if r := t.token.RefreshOn; !r.IsZero() && r.Before(at) {
		at = r
	}
	return at
}

// renew gets one token, independent of any call: a caller that leaves does not stop a
// renewal that others wait for.
func (t *tokens) renew(done chan struct{}) {
	ctx, cancel := context.WithTimeout(context.Background(), renewLimit)
	defer cancel()
	token, err := t.source.GetToken(ctx, policy.TokenRequestOptions{Scopes: []string{t.scope}})
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.err = err; err == nil {
		t.token, t.value = token, "Bearer "+token.Token
	}
	t.renewal, t.tried = nil, time.Now()
	close(done)
}
