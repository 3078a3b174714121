package upstream

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"time"

	"weir"
)

// Protocol is the dialect an inference server speaks.
type Protocol string

const (
	OpenAI      Protocol = "openai"      // vLLM, SGLang, llama.cpp, TGI, Ollama, OpenAI itself
	AzureOpenAI Protocol = "azureopenai" // Azure OpenAI, v1 or classic paths
	Anthropic   Protocol = "anthropic"   // the Messages API
)

// Serves says whether a protocol has an operation.
func (p Protocol) Serves(op weir.Op) bool {
	switch p {
	case OpenAI: // vLLM and others answer /v1/messages too
		return op <= weir.OpMessages
	case AzureOpenAI:
		return op <= weir.OpResponses
	case Anthropic:
		return op == weir.OpMessages
	}
	return false
}

// Bounds of what an upstream may send. They are far beyond what any known
// server sends; an upstream beyond one is refused, not truncated.
const (
	MaxHeaderBytes = 32 << 10 // status line and headers of one reply
	MaxEventBytes  = 1 << 20  // one server-sent event
	maxInterim     = 16       // 1xx replies before the real one
	maxTrailer     = 2 << 10  // trailer section after a chunked body
	maxExtensions  = 8 << 10  // chunk extensions of one body, all together
	maxChunk       = 1 << 40  // bytes of one chunk
	maxIdle        = 1024     // idle connections kept for one address
	idleTimeout    = time.Minute
)

// Options describe the upstream of one deployment. Zero durations are the
// defaults named.
type Options struct {
	Protocol Protocol
	// BaseURL is scheme://host[:port][/prefix]; empty when each call names the
	// address of its replica. A prefix that does not end in a version segment
	// (/v1, /v4) gets /v1 appended, as the SDKs' base_url has it.
	BaseURL    string
	Model      string // the upstream's name of the model; for AzureOpenAI the deployment's name
	APIVersion string // AzureOpenAI: "" speaks /openai/v1/...; else /openai/deployments/{Model}/...?api-version={APIVersion}
	Credential Credential

	ConnectTimeout time.Duration // until a connection stands, name lookup and TLS included; 0: 5 s
	HeaderTimeout  time.Duration // from the request to the reply's whole header, the generation included when not streamed; 0: 2 min
	StallTimeout   time.Duration // between two parts of a body; 0: 1 min
	TotalTimeout   time.Duration // from Do to the end of the body; 0: 10 min
	// A timeout fires at its time or at most an eighth of it later: moving a
	// timer for each event of a stream costs more than reading it.

	MaxConns int  // connections open at once to one address, more wait for ConnectTimeout; 0: unbounded, 1,024 of them idle
	HTTP2    bool // speak HTTP/2 (over TLS, or with prior knowledge on http://)
	TLS      *tls.Config
}

func (o Options) withDefaults() Options {
	orElse(&o.ConnectTimeout, 5*time.Second)
	orElse(&o.HeaderTimeout, 2*time.Minute)
	orElse(&o.StallTimeout, time.Minute)
	orElse(&o.TotalTimeout, 10*time.Minute)
	return o
}

func orElse(d *time.Duration, otherwise time.Duration) {
	if *d == 0 {
		*d = otherwise
	}
}

// Validate reports every fault at once.
func (o Options) Validate() error {
	var faults []error
	fault := func(format string, args ...any) { faults = append(faults, fmt.Errorf(format, args...)) }
	switch o.Protocol {
	case OpenAI, Anthropic:
		if o.APIVersion != "" {
			fault("upstream: APIVersion %q is for protocol %q only, not %q", o.APIVersion, AzureOpenAI, o.Protocol)
		}
	case AzureOpenAI:
		if o.APIVersion != "" && o.Model == "" {
			fault("upstream: the classic path (APIVersion %q) needs Model, the name of the Azure deployment", o.APIVersion)
		}
	default:
		fault("upstream: protocol %q: want %q, %q or %q", o.Protocol, OpenAI, AzureOpenAI, Anthropic)
	}
	if o.BaseURL != "" {
		if _, err := parseBase(o.BaseURL); err != nil {
			faults = append(faults, err)
		}
	}
	for _, d := range []struct {
		name string
		is   time.Duration
	}{{"ConnectTimeout", o.ConnectTimeout}, {"HeaderTimeout", o.HeaderTimeout}, {"StallTimeout", o.StallTimeout}, {"TotalTimeout", o.TotalTimeout}} {
		if d.is < 0 {
			fault("upstream: %s %v is negative; 0 is the default", d.name, d.is)
		}
	}
	if o.MaxConns < 0 {
		fault("upstream: MaxConns %d is negative; 0 is unbounded", o.MaxConns)
	}
	return errors.Join(faults...)
}

// base is a parsed base URL.
type base struct {
	secure bool
	host   string // as in the Host header
	name   string // host without port: the TLS server name
	dial   string // host:port
	prefix string // path, escaped, without a slash at its end
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
