package upstream

import (
	"crypto/tls"
	"errors"
	"fmt"
	"time"

	"weir"
	"weir/http1"
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

// wire is what the client below takes of the options.
func (o *Options) wire() http1.Options {
	return http1.Options{
		ConnectTimeout: o.ConnectTimeout, HeaderTimeout: o.HeaderTimeout, StallTimeout: o.StallTimeout, TotalTimeout: o.TotalTimeout,
		MaxConns: o.MaxConns, HTTP2: o.HTTP2, TLS: o.TLS, Credential: o.Credential,
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
