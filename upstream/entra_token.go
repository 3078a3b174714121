package upstream

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
)

// RedisScope is that of tokens for Azure Managed Redis and Azure Cache for Redis.
const RedisScope = "https://redis.azure.com/.default"

// RedisCredentials authenticate at Redis with tokens of Microsoft Entra ID: the user is the
// identity's object ID ("": the one in its tokens), the password a token. again is when to authenticate again, before
// the token expires.
func RedisCredentials(o EntraOptions, id string) (func() (user, password string, again time.Time, err error), error) {
	source, err := entraSource(o)
	if err != nil {
		return nil, fmt.Errorf("upstream: Entra ID identity %q: %w", o.Identity, err)
	}
	return func() (string, string, time.Time, error) { return redisCredentials(source, id, time.Now()) }, nil
}

// redisLimit bounds the wait for one token: a connection is made by a probe that others do
// not wait for.
const redisLimit = 10 * time.Second

func redisCredentials(source azcore.TokenCredential, id string, now time.Time) (user, password string, again time.Time, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), redisLimit)
	defer cancel()
	token, err := source.GetToken(ctx, policy.TokenRequestOptions{Scopes: []string{RedisScope}})
	if err != nil {
		return "", "", again, err
	}
	if user = id; user == "" {
		if user, err = objectID(token.Token); err != nil {
			return "", "", again, err
		}
	}
	again = token.ExpiresOn.Add(-renewBefore)
	if r := token.RefreshOn; !r.IsZero() && r.Before(again) {
		again = r
	}
	if soonest := now.Add(renewPause); again.Before(soonest) { // a source that gives old tokens is not asked all the time
		again = soonest
	}
	return user, token.Token, again, nil
}

// objectID is the oid claim of a token. The token is not verified: Redis does that.
func objectID(token string) (string, error) {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return "", errors.New("the token is no JWT: give redis.username, the object ID of the identity")
	}
	text, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(parts[1], "="))
	var claims struct {
		ObjectID string `json:"oid"`
	}
	if err != nil || json.Unmarshal(text, &claims) != nil || claims.ObjectID == "" {
		return "", errors.New("the token has no object ID (oid): give redis.username, the object ID of the identity")
	}
	return claims.ObjectID, nil
}
