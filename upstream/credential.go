package upstream

import (
	"context"

	"weir/http1"
)

// Credential returns the header that authenticates a call: see http1.Credential.
type Credential = http1.Credential

// StaticKey always sends the same header: StaticKey("api-key", key) for Azure
// OpenAI, StaticKey("Authorization", "Bearer "+key) for OpenAI-compatible
// servers, StaticKey("x-api-key", key) for Anthropic.
func StaticKey(header, value string) Credential {
	return func(context.Context) (string, string, error) { return header, value, nil }
}
