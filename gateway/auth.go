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
	dearer bool            // its requests are never tried on a smaller model
}

func (t *tenant) mayUse(model string) bool { return t.models == nil || t.models[model] }

// key is one secret of a tenant.
type key struct {
	id     uint64 // ID in the core
	name   string
	tenant *tenant
}

// keyName identifies a key without its secret.
type keyName struct{ tenant, name string }

// maxSecret bounds the length of a key, so hashing one needs no allocation.
const maxSecret = 512

// authenticate finds the key of a request: the one known key among those it carries. An
// empty header, another scheme, or an unknown key is ignored, because some SDKs also
// send a key of their own; two different known keys are an error. Keys are found by
// their SHA-256: the time of the search depends only on the hash, which a caller cannot
// choose.
func authenticate(x caller, keys map[[sha256.Size]byte]*key) (*key, error) {
	var found *key
	sent := false
	for _, name := range keyHeaders {
		for _, value := range x.Header(name) {
			secret := secretIn(name, value)
			if secret == "" {
				continue
			}
			sent = true
			k := keyOf(secret, keys)
			switch {
			case k == nil:
			case found != nil && found != k:
				return nil, errTwoKeys
			default:
				found = k
			}
		}
	}
	switch {
	case found != nil:
		return found, nil
	case sent:
		return nil, errBadKey
	}
	return nil, errNoKey
}

func keyOf(secret string, keys map[[sha256.Size]byte]*key) *key {
	if len(secret) > maxSecret {
		return nil
	}
	var room [maxSecret]byte
	n := copy(room[:], secret)
	return keys[sha256.Sum256(room[:n])]
}

// keyHeaders are the headers in which SDKs send keys, in canonical form.
var keyHeaders = [...]string{"Authorization", "Api-Key", "X-Api-Key"}

// secretIn is the key in one line of a header; "" if there is none.
func secretIn(name, value string) string {
	if name != "Authorization" {
		return value
	}
	scheme, secret, _ := strings.Cut(value, " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return ""
	}
	return strings.TrimSpace(secret)
}
