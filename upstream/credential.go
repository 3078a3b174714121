package upstream

import "context"

// Credential says which header authenticates a call and its value. It is
// called for each attempt, from many goroutines, and must return at once in
// the ordinary case.
type Credential func(ctx context.Context) (header, value string, err error)

// StaticKey always sends the same header: StaticKey("api-key", key) for Azure
// OpenAI, StaticKey("Authorization", "Bearer "+key) for OpenAI-compatible
// servers, StaticKey("x-api-key", key) for Anthropic.
func StaticKey(header, value string) Credential {
	return func(context.Context) (string, string, error) { return header, value, nil }
}
