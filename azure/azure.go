// Package azure is Weir's access to one Azure subscription: which identity asks,
// at which cloud, and what the answers of Azure Resource Manager mean.
//
// It owns credentials, the options of the SDKs' clients, and the one line that is
// said of a failed call: no key, token or secret is in it. It refuses to know any
// resource: what is read and written there belongs to the package that does it.
package azure

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"os"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/arm"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
)

// Options select the subscription, the identity and the cloud. The zero value of
// each but Subscription is the usual choice.
type Options struct {
	Subscription  string
	ResourceGroup string // of resources that name none

	// Identity is "default" (also when empty: environment, workload identity,
	// managed identity and developer tools in turn), "managed_identity",
	// "workload_identity", "cli", or "secret" (ClientID with ClientSecret in Tenant).
	Identity     string
	Tenant       string
	ClientID     string
	ClientSecret string

	Cloud     string // "public" (also when empty), "china" or "government"
	Endpoints Endpoints

	// Transport sends the requests; nil: HTTPS, with the CA of Endpoints. Credential
	// replaces the identity. Both are for the SDKs' own fakes.
	Transport  policy.Transporter
	Credential azcore.TokenCredential
}

// Endpoints replace those of the cloud, one by one: a sovereign cloud, a proxy, an
// emulator.
type Endpoints struct {
	Authority       string // of Entra ID, https://
	ResourceManager string // of Azure Resource Manager, https://
	Audience        string // of tokens for it
	CAFile          string // PEM; trusted besides the system's
}

// Bounds of a call to Azure Resource Manager. A longer wait that it asks for is not
// slept through here: the caller gets Trouble.RetryAfter.
const (
	callTimeout  = 30 * time.Second // for one try
	retries      = 2
	retryFirst   = 500 * time.Millisecond
	retryLongest = 5 * time.Second
)

// agent is the beginning of the User-Agent of every call; at most 24 characters.
const agent = "weir"

// Account is the access. Make one with New; it is safe for concurrent use.
type Account struct {
	o          Options
	cloud      cloud.Configuration
	tls        *tls.Config // nil: the system's
	transport  policy.Transporter
	credential azcore.TokenCredential
}

// New reads the CA and chooses the identity. It sends no request.
func New(o Options) (*Account, error) {
	if o.Subscription == "" {
		return nil, errors.New("azure: Subscription is missing")
	}
	a := &Account{o: o, transport: o.Transport, credential: o.Credential}
	var err error
	if a.cloud, err = cloudOf(o.Cloud, o.Endpoints); err != nil {
		return nil, err
	}
	if a.tls, err = trust(o.Endpoints.CAFile); err != nil {
		return nil, err
	}
	if a.transport == nil {
		a.transport = transport(a.tls)
	}
	if a.credential == nil {
		if a.credential, err = identity(o, a.client()); err != nil {
			return nil, fmt.Errorf("azure: identity %q: %s", o.Identity, a.Reason(err))
		}
	}
	return a, nil
}

// Subscription is the subscription's ID.
func (a *Account) Subscription() string { return a.o.Subscription }

// ResourceGroup is the group of resources that name none; "": none.
func (a *Account) ResourceGroup() string { return a.o.ResourceGroup }

// Credential gives tokens of the identity.
func (a *Account) Credential() azcore.TokenCredential { return a.credential }

// Client are the options of every client of Azure Resource Manager. Weir registers
// no resource provider: that would need a right it has no other use for.
func (a *Account) Client() *arm.ClientOptions {
	return &arm.ClientOptions{ClientOptions: a.client(), DisableRPRegistration: true}
}

// TLS are the settings for servers of this cloud, such as a scoring address; nil:
// the system's.
func (a *Account) TLS() *tls.Config { return a.tls.Clone() }

func (a *Account) client() azcore.ClientOptions {
	return azcore.ClientOptions{
		Cloud: a.cloud, Transport: a.transport,
		Telemetry: policy.TelemetryOptions{ApplicationID: agent},
		Retry:     policy.RetryOptions{MaxRetries: retries, TryTimeout: callTimeout, RetryDelay: retryFirst, MaxRetryDelay: retryLongest},
	}
}

// trust is nil without a file.
func trust(file string) (*tls.Config, error) {
	if file == "" {
		return nil, nil
	}
	pem, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("azure: CA: %w", err)
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool()
	}
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("azure: CA: %s has no certificate in PEM", file)
	}
	return &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}, nil
}

// transport is nil without settings of its own: then the SDK's default is used.
func transport(t *tls.Config) policy.Transporter {
	if t == nil {
		return nil
	}
	own := http.DefaultTransport.(*http.Transport).Clone()
	own.TLSClientConfig = t.Clone() // it adds its own protocols
	return &http.Client{Transport: own}
}
