package config

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"
)

// Secret is a reference to a secret, env:NAME or file:/path, and after Resolve
// the secret itself. In any format only the reference shows.
type Secret struct {
	ref   string
	value string
}

// Known is a secret with a known value, shown as ref.
func Known(ref, value string) Secret { return Secret{ref: ref, value: value} }

// Set says whether the file names a secret here.
func (s Secret) Set() bool { return s.ref != "" }

// Reveal is the secret itself; empty before Resolve.
func (s Secret) Reveal() string { return s.value }

// String is the reference, never the secret.
func (s Secret) String() string { return s.ref }

// GoString is the reference: %#v does not print the secret.
func (s Secret) GoString() string { return fmt.Sprintf("config.Secret(%q)", s.ref) }

// MarshalText is the reference, for JSON and log handlers.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.ref), nil }

// maxSecret bounds a secret, in bytes: a header has to hold it.
const maxSecret = 16 << 10

// secretAt is a Secret and the path of its reference.
type secretAt struct {
	secret *Secret
	path   string
}

var envReference = regexp.MustCompile(`^env:[A-Za-z_][A-Za-z0-9_]*$`)

// parseSecret never repeats the text: it may be the secret itself.
func parseSecret(text string) (any, string) {
	path, isFile := strings.CutPrefix(text, "file:")
	switch {
	case isFile && path != "" && !strings.ContainsRune(path, 0):
	case isFile:
		return nil, "names no file"
	case envReference.MatchString(text):
	case strings.HasPrefix(text, "env:"):
		return nil, "is not a valid environment variable name: letters, digits and _ are allowed"
	default:
		return nil, "secrets are not allowed in this file"
	}
	return Secret{ref: text}, ""
}

// Resolve reads every secret and looks for every certificate the file refers
// to. The error is a Faults that names each missing one; the other secrets are
// still set.
func (c *Config) Resolve() error {
	d := c.source
	if d == nil {
		return nil // made in code, not by Parse: it has no references
	}
	d.faults = nil
	for _, s := range d.secrets {
		value, problem, remedy := readSecret(s.secret.ref)
		if problem != "" {
			d.faultAt(d.at.of(s.path), s.path, problem, remedy)
			continue
		}
		s.secret.value = value
	}
	if s := c.Store.Postgres; s.Reveal() != "" && !namesPostgres(s.Reveal()) {
		d.faultAt(d.at.of("store.postgres"), "store.postgres", "what "+s.String()+" holds is not a PostgreSQL connection string", "give postgres://user:password@host/database")
	}
	if t := c.Server.TLS; t != nil {
		d.pemFile("server.tls.cert", t.Cert)
		d.pemFile("server.tls.key", t.Key)
	}
	if c.KEDA != nil && c.KEDA.TLS != nil {
		d.pemFile("keda.tls.cert", c.KEDA.TLS.Cert)
		d.pemFile("keda.tls.key", c.KEDA.TLS.Key)
	}
	d.redisFiles(c.Redis)
	if c.Azure != nil && c.Azure.Endpoints != nil && c.Azure.Endpoints.CA != "" {
		d.pemFile("azure.endpoints.ca", c.Azure.Endpoints.CA)
	}
	if len(d.faults) > 0 {
		d.excerpts(d.faults)
		return d.faults.InOrder()
	}
	return nil
}

// SecretVariables are the environment variables the file reads secrets from.
func (c *Config) SecretVariables() []string {
	if c.source == nil {
		return nil
	}
	var names []string
	for _, s := range c.source.secrets {
		if name, ok := strings.CutPrefix(s.secret.ref, "env:"); ok && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}

// pemFile faults a missing file.
func (d *decoder) pemFile(path, file string) {
	if _, err := os.Stat(file); err != nil {
		d.faultAt(d.at.of(path), path, fmt.Sprintf("file %s cannot be read: %v", file, reason(err)), "put the PEM file there")
	}
}

// readSecret returns the secret of ref, or the problem and the remedy.
func readSecret(ref string) (value, problem, remedy string) {
	if name, ok := strings.CutPrefix(ref, "env:"); ok {
		value, set := os.LookupEnv(name)
		if !set || value == "" {
			return "", fmt.Sprintf("environment variable %s is not set", name), "set it in the environment of Weir"
		}
		return checkSecret(value, "environment variable "+name)
	}
	path := strings.TrimPrefix(ref, "file:")
	info, err := os.Stat(path)
	if err == nil && info.Size() > maxSecret {
		return "", fmt.Sprintf("file %s has %d bytes", path, info.Size()), fmt.Sprintf("a secret has at most %d", maxSecret)
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Sprintf("file %s cannot be read: %v", path, reason(err)), "put the secret there, readable only by Weir"
	}
	return checkSecret(string(bytes.TrimRight(raw, "\r\n")), "file "+path)
}

// checkSecret refuses a text that no HTTP header can carry.
func checkSecret(value, where string) (string, string, string) {
	switch {
	case value == "":
		return "", where + " is empty", "put the secret there"
	case len(value) > maxSecret:
		return "", fmt.Sprintf("%s has %d bytes", where, len(value)), fmt.Sprintf("a secret has at most %d", maxSecret)
	case strings.ContainsFunc(value, func(r rune) bool { return r < ' ' || r == 0x7f || r == utf8.RuneError }):
		return "", where + " contains control characters", "a secret is one line of text"
	}
	return value, "", ""
}

// reason strips the operation and path from a file error: the message names
// them already.
func reason(err error) error {
	var at *fs.PathError
	if errors.As(err, &at) {
		return at.Err
	}
	return err
}

// namesPostgres says whether a text may be a libpq connection: a URL, or
// keyword=value pairs.
func namesPostgres(text string) bool {
	scheme, _, isURL := strings.Cut(text, "://")
	return isURL && (scheme == "postgres" || scheme == "postgresql") || !isURL && strings.Contains(text, "=")
}
