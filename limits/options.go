package limits

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"strings"
	"time"

	"github.com/redis/rueidis"
)

// Options are the connection to Redis and its use.
type Options struct {
	// Addrs are the host:port of the server, or of some nodes of a cluster.
	Addrs []string
	// TLS, if used.
	TLS *TLS
	// Username and Password; both may be empty.
	Username, Password string
	// Credentials, if not nil, gives the user and a password that changes, such as a token,
	// and when to ask again: before it expires. It is called for every connection, instead of
	// Username and Password.
	Credentials func() (user, password string, again time.Time, err error)
	// Prefix begins every key: gateways with the same prefix share. "": weir.
	Prefix string
	// Lease is how long a silent gateway keeps its leases. After that they
	// return to the budget. 0: 5 s.
	Lease time.Duration
	Local Local
	Log   *slog.Logger // nil: slog.Default()
}

// TLS configures the check of the server's certificate.
type TLS struct {
	CA         string // PEM file; "": the system's authorities
	Cert, Key  string // PEM files of this client; "" for none
	ServerName string // "": the host of the address
}

const (
	defaultPrefix = "weir"
	defaultLease  = 5 * time.Second
	maxPrefix     = 100
)

// Validate returns every fault.
func (o *Options) Validate() error {
	var faults []error
	if len(o.Addrs) == 0 {
		faults = append(faults, errors.New("no address: name the host:port of a Redis"))
	}
	for _, a := range o.Addrs {
		if _, _, err := net.SplitHostPort(a); err != nil {
			faults = append(faults, fmt.Errorf("address %q: want host:port", a))
		}
	}
	if len(o.Prefix) > maxPrefix || strings.ContainsAny(o.Prefix, "{}") {
		faults = append(faults, fmt.Errorf("prefix %.100q: at most %d bytes, without { and }", o.Prefix, maxPrefix))
	}
	if o.Lease != 0 && (o.Lease < time.Second || o.Lease > time.Minute) {
		faults = append(faults, fmt.Errorf("lease of %v: 1s to 1m are allowed", o.Lease))
	}
	if t := o.TLS; t != nil && (t.Cert == "") != (t.Key == "") {
		faults = append(faults, errors.New("TLS: a certificate and its key come together"))
	}
	return errors.Join(faults...)
}

// Connection is how to reach Redis by these options, for this package and for others.
func (o *Options) Connection() (c rueidis.ClientOption, err error) {
	if c.TLSConfig, err = o.tls(); err != nil {
		return c, err
	}
	c.InitAddress, c.Username, c.Password, c.ClientName = o.Addrs, o.Username, o.Password, "weir"
	c.ConnWriteTimeout, c.Dialer.Timeout, c.DisableRetry = patience, patience, true
	c.AlwaysPipelining = true // otherwise commands wait for each other, and a slow one costs the connection
	if o.Credentials != nil {
		c.AuthCredentialsFn = func(rueidis.AuthCredentialsContext) (rueidis.AuthCredentials, error) {
			user, password, again, err := o.Credentials()
			return rueidis.AuthCredentials{Username: user, Password: password, RefreshAfter: again}, err
		}
	}
	return c, nil
}

func (o *Options) tls() (*tls.Config, error) {
	if o.TLS == nil {
		return nil, nil
	}
	c := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: o.TLS.ServerName}
	if o.TLS.CA != "" {
		pem, err := os.ReadFile(o.TLS.CA)
		if err != nil {
			return nil, fmt.Errorf("authorities: %w", err)
		}
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("authorities: %s holds no certificate in PEM", o.TLS.CA)
		}
	}
	if o.TLS.Cert != "" {
		pair, err := tls.LoadX509KeyPair(o.TLS.Cert, o.TLS.Key)
		if err != nil {
			return nil, fmt.Errorf("certificate for Redis: %w", err)
		}
		c.Certificates = []tls.Certificate{pair}
	}
	return c, nil
}
