package upstream

import (
	"context"
	"net/http"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
)

// Renew is called when a server refused the credential's value used. It returns
// after the credential has been renewed, if it can be, and says whether the next
// call has another value. It must end with ctx.
type Renew func(ctx context.Context, used string) bool

// Renewed is Bearer for servers whose keys and tokens can become invalid before
// their time: one that a server refuses is renewed at once.
func Renewed(source azcore.TokenCredential, scope string) (Credential, Renew) {
	t := &tokens{source: source, scope: scope}
	return t.credential, t.renewed
}

// renewed renews a token that was refused. Calls that were refused together wait
// for one renewal; renewals begin at least renewPause apart.
func (t *tokens) renewed(ctx context.Context, used string) bool {
	t.mu.Lock()
	if t.value != used {
		t.mu.Unlock()
		return true
	}
	now := time.Now()
	if t.renewal == nil && now.Sub(t.forced) < renewPause {
		t.mu.Unlock()
		return false
	}
	if t.renewal == nil {
		t.forced, t.tried, t.renewal = now, now, make(chan struct{})
		go t.renew(t.renewal)
	}
	renewal := t.renewal
	t.mu.Unlock()
	select {
	case <-renewal:
	case <-ctx.Done():
		return false
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.value != used
}

// renewable sends a request, and once more if its credential was refused and there
// is another one now.
func (c *Client) renewable(ctx context.Context, send func() (*Reply, error)) (*Reply, error) {
	_, used, err := c.o.Credential(ctx)
	if err != nil {
		return send() // it says so
	}
	r, err := send()
	if err != nil || r.Status != http.StatusUnauthorized || !c.o.Renew(ctx, used) {
		return r, err
	}
	r.Close()
	return send()
}
