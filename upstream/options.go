package upstream

import (
	"crypto/tls"
	"errors"
	"time"

	"weir/http1"
)

// Options describe the upstream of one deployment. Zero durations mean the defaults
// named.
type Options struct {
	Dialect Dialect // the servers' protocol
	// BaseURL is scheme://host[:port][/prefix]; empty if each call gives the address of
	// its replica. The dialect converts its path.
	BaseURL    string
	Model      string // the upstream's model name; for Azure OpenAI the deployment's name
	APIVersion string // for Azure OpenAI's classic paths; "": its v1 paths, and every other protocol
	Credential Credential
	Renew      Renew // of Credential after a 401, the call is then sent once more; nil: it cannot be renewed
	Pin        Field // a header of every request, by which its server picks the deployment; no name: none

	ConnectTimeout time.Duration // to open a connection, including name lookup and TLS; 0: 5 s
	HeaderTimeout  time.Duration // from the request to the reply's whole header, including generation if not streamed; 0: 2 min
	StallTimeout   time.Duration // between two parts of a body; 0: 1 min
	TotalTimeout   time.Duration // from Do to the end of the body; 0: 10 min
	// A timeout fires at its time or at most an eighth of it later: moving a timer for
	// each event of a stream costs more than reading the event.

	MaxConns int  // open connections to one address, further calls wait for up to ConnectTimeout; 0: unbounded, at most 1,024 idle
	HTTP2    bool // speak HTTP/2 (over TLS, or with prior knowledge on http://)
	TLS      *tls.Config
}

// wire are the options of the HTTP client.
func (o *Options) wire() http1.Options {
	return http1.Options{
		ConnectTimeout: o.ConnectTimeout, HeaderTimeout: o.HeaderTimeout, StallTimeout: o.StallTimeout, TotalTimeout: o.TotalTimeout,
		MaxConns: o.MaxConns, HTTP2: o.HTTP2, TLS: o.TLS, Credential: o.Credential,
	}
}

// Validate reports every fault at once.
func (o Options) Validate() error {
	var faults []error
	if o.Dialect == nil {
		faults = append(faults, errors.New("upstream: Dialect is missing: nothing says what the servers speak"))
	} else if err := o.Dialect.Check(&o); err != nil {
		faults = append(faults, err)
	}
	if o.BaseURL != "" {
		if err := http1.CheckBase(o.BaseURL); err != nil {
			faults = append(faults, err)
		}
	}
	wire := o.wire()
	if err := wire.Validate(); err != nil {
		faults = append(faults, err)
	}
	return errors.Join(faults...)
}
