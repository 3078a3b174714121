package gateway

import (
	"crypto/sha256"
	"strings"

	"weir"
)

// tenant is a configured caller.
type tenant struct {
	name   string
	class  weir.Class
	trim   Trim
	models map[string]bool // by model name; nil: all
}

func (t *tenant) mayUse(model string) bool { return t.models == nil || t.models[model] }

// key is one secret of a tenant.
type key struct {
	id     uint64 // to the core
	name   string
	tenant *tenant
}

// maxSecret bounds the length of a key, so that hashing one needs no memory.
const maxSecret = 512

// authenticate finds the key of a request. Keys are found by their SHA-256:
// how long the search takes depends on the hash alone, which nobody can aim.
func authenticate(x *exchange, keys map[[sha256.Size]byte]*key) (*key, error) {
	secret := secretOf(x)
	if secret == "" {
		return nil, errNoKey
	}
	if len(secret) > maxSecret {
		return nil, errBadKey
	}
	var room [maxSecret]byte
	n := copy(room[:], secret)
	k := keys[sha256.Sum256(room[:n])]
	if k == nil {
		return nil, errBadKey
	}
	return k, nil
}

// secretOf returns the key a request carries, in any of the places SDKs put it.
func secretOf(x *exchange) string {
	if a := x.get("Authorization"); a != "" {
		scheme, secret, _ := strings.Cut(a, " ")
		if strings.EqualFold(scheme, "Bearer") {
			return strings.TrimSpace(secret)
		}
	}
	if k := x.get("Api-Key"); k != "" {
		return k
	}
	return x.get("X-Api-Key")
}
