package config

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"strings"
)

// KeyHash is the SHA-256 of an API key. A key made by NewKey has 256 random
// bits: its plain hash cannot be searched. That of an invented key can be.
type KeyHash [sha256.Size]byte

// String is its form in weir.yaml: "sha256:" and 64 hexadecimal digits.
func (h KeyHash) String() string { return "sha256:" + hex.EncodeToString(h[:]) }

// HashKey returns the hash of a key as a caller sends it.
func HashKey(key string) KeyHash { return sha256.Sum256([]byte(key)) }

// NewKey makes an API key from the system's randomness: "weir_" and 43
// characters that need no quoting in a shell or a header.
func NewKey() string {
	var b [32]byte
	rand.Read(b[:]) // never fails: the runtime ends the process instead
	return "weir_" + base64.RawURLEncoding.EncodeToString(b[:])
}

func parseKeyHash(text string) (any, string) {
	digits, ok := strings.CutPrefix(text, "sha256:")
	if !ok {
		return nil, "does not start with sha256: (the key itself is not allowed in this file)"
	}
	raw, err := hex.DecodeString(digits)
	if err != nil || len(raw) != sha256.Size || digits != strings.ToLower(digits) {
		return nil, "is not sha256: and 64 lower-case hexadecimal digits"
	}
	return KeyHash(raw), ""
}
