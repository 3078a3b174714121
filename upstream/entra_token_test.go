package upstream

import (
	"context"
	"encoding/base64"
	"errors"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
)

// given is a source of one token.
type given struct {
	token azcore.AccessToken
	err   error
	scope string
}

func (g *given) GetToken(_ context.Context, o policy.TokenRequestOptions) (azcore.AccessToken, error) {
	g.scope = o.Scopes[0]
	return g.token, g.err
}

func TestTheUserOfRedisIsTheIdentitysObjectID(t *testing.T) {
	now := time.Now()
	jwt := func(claims string) string {
		return "e30." + base64.RawURLEncoding.EncodeToString([]byte(claims)) + ".x"
	}
	f := func(g given, id, user string, again time.Time) {
		t.Helper()
		u, p, a, err := redisCredentials(&g, id, now)
		if u != user || (err == nil) != (user != "") || !a.Equal(again) || err == nil && p != g.token.Token || g.scope != RedisScope {
			t.Errorf("%q %q %v %v %q", u, p, a, err, g.scope)
		}
	}
	hour := now.Add(time.Hour)
	f(given{token: azcore.AccessToken{Token: jwt(`{"oid":"o1"}`), ExpiresOn: hour}}, "", "o1", hour.Add(-renewBefore))
	f(given{token: azcore.AccessToken{Token: jwt(`{"oid":"o1"}`), ExpiresOn: hour, RefreshOn: now.Add(time.Minute)}}, "", "o1", now.Add(time.Minute))
	f(given{token: azcore.AccessToken{Token: jwt(`{"oid":"o1"}`), ExpiresOn: now}}, "", "o1", now.Add(renewPause))
	f(given{token: azcore.AccessToken{Token: jwt(`{"sub":"s"}`), ExpiresOn: hour}}, "", "", time.Time{})
	f(given{token: azcore.AccessToken{Token: "opaque", ExpiresOn: hour}}, "", "", time.Time{})
	f(given{token: azcore.AccessToken{Token: "opaque", ExpiresOn: hour}}, "o2", "o2", hour.Add(-renewBefore))
	f(given{err: errors.New("down")}, "", "", time.Time{})
}
