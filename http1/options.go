package http1

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"time"
)

// Bounds of a server's replies. They are far beyond any known server's; a reply beyond
// one is refused, not truncated.
const (
	MaxHeaderBytes = 32 << 10 // status line and headers of one reply
	maxInterim     = 16       // 1xx replies before the real one
	maxTrailer     = 2 << 10  // trailer section after a chunked body
	maxExtensions  = 8 << 10  // chunk extensions of one body, in total
	maxChunk       = 1 << 40  // bytes of one chunk
	maxIdle        = 1024     // idle connections kept for one address
	idleTimeout    = time.Minute
)

// Credential returns the header that authorizes a request: "api-key" and its value, or
// "authorization" and "Bearer ...". It is called before each request, must be quick
// while its credential is fresh, and must end with ctx. It must be safe for concurrent
// use. An empty name sends none.
type Credential func(ctx context.Context) (name, value string, err error)

// Options configure a client. Zero durations mean the defaults named.
type Options struct {
	ConnectTimeout time.Duration // to open a connection, including name lookup and TLS; 0: 5 s
	HeaderTimeout  time.Duration // from the request to the reply's whole header; 0: 2 min
	StallTimeout   time.Duration // between two parts of a body; 0: 1 min
	TotalTimeout   time.Duration // from Do to the end of the body; 0: 10 min
	// A timeout fires at its time or at most an eighth of it later: moving a timer for
	// each part of a stream costs more than reading the part.

	MaxConns int  // open connections to one address, further calls wait for up to ConnectTimeout; 0: unbounded, at most 1,024 idle
	HTTP2    bool // speak HTTP/2 (over TLS, or with prior knowledge on http://)
	TLS      *tls.Config

	Credential Credential                                                           // nil: requests have none
	Prefix     func(path string) string                                             // converts the path of a base URL, called once for each address; nil: unchanged
	Dial       func(ctx context.Context, network, address string) (net.Conn, error) // nil: a net.Dialer's
}

func (o Options) withDefaults() Options {
	orElse(&o.ConnectTimeout, 5*time.Second)
	orElse(&o.HeaderTimeout, 2*time.Minute)
	orElse(&o.StallTimeout, time.Minute)
	orElse(&o.TotalTimeout, 10*time.Minute)
	if o.Dial == nil {
		o.Dial = new(net.Dialer).DialContext
	}
	return o
}

func orElse(d *time.Duration, otherwise time.Duration) {
	if *d == 0 {
		*d = otherwise
	}
}

// Validate reports every fault at once.
func (o *Options) Validate() error {
	var faults []error
	for _, d := range []struct {
		name string
		is   time.Duration
	}{{"ConnectTimeout", o.ConnectTimeout}, {"HeaderTimeout", o.HeaderTimeout}, {"StallTimeout", o.StallTimeout}, {"TotalTimeout", o.TotalTimeout}} {
		if d.is < 0 {
			faults = append(faults, fmt.Errorf("upstream: %s %v is negative; 0 is the default", d.name, d.is))
		}
	}
	if o.MaxConns < 0 {
		faults = append(faults, fmt.Errorf("upstream: MaxConns %d is negative; 0 is unbounded", o.MaxConns))
	}
	return errors.Join(faults...)
}

// CheckBase reports a fault of a base URL.
func CheckBase(url string) error {
	_, err := parseBase(url)
	return err
}

// base is a parsed base URL.
type base struct {
	secure bool
	host   string // as in the Host header
	name   string // host without port: the TLS server name
	dial   string // host:port
	prefix string // path, escaped, without a final slash
}

func parseBase(s string) (base, error) {
	u, err := url.Parse(s)
	switch {
	case err != nil:
		return base{}, fmt.Errorf("upstream: base URL: %w", err)
	case u.Scheme != "http" && u.Scheme != "https":
		return base{}, fmt.Errorf("upstream: base URL %q: want http:// or https://", u.Redacted())
	case u.Hostname() == "":
		return base{}, fmt.Errorf("upstream: base URL %q has no host", u.Redacted())
	case u.User != nil || u.RawQuery != "" || u.Fragment != "":
		return base{}, fmt.Errorf("upstream: base URL %q: want scheme://host[:port][/prefix], without user, query and fragment", u.Redacted())
	}
	b := base{
		secure: u.Scheme == "https",
		host:   u.Host,
		name:   u.Hostname(),
		prefix: strings.TrimRight(u.EscapedPath(), "/"),
	}
	port := u.Port()
	if port == "" {
		port = map[bool]string{false: "80", true: "443"}[b.secure]
	}
	b.dial = net.JoinHostPort(b.name, port)
	return b, nil
}
