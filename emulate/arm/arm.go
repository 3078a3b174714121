// Package arm emulates the part of Azure that says how much runs: an issuer of
// Entra tokens, Azure Resource Manager with the resources that Weir scales, and
// the scoring side of managed online endpoints. Everything is served over HTTPS
// on loopback, with a certificate of its own authority, so that a program with
// the real SDKs runs against it when its cloud configuration names this server.
//
// It owns resources, long-running operations, quotas, throttling and what may go
// wrong with them. It knows no SDK and no Weir configuration. It is written from
// Microsoft's public documents and the request and response types of the Go SDKs;
// each rule names its source. "Choice" marks what no document says.
//
// Two times matter. Emulated time, sped up by Options.Speed or given by
// Options.Now, moves operations, containers and throttling. Tokens and scoring
// requests are in real time, since their clients compare them with their own
// clock. Nothing here wakes by itself: each request first brings every operation
// to the present.
package arm

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"

	"weir/emulate"
	"weir/engine"
	"weir/price"
)

// Name is in the Server header of every answer.
const Name = emulate.Name

// Options describe the emulated subscription. The zero value is usable.
type Options struct {
	Listen string // address Run serves at; default 127.0.0.1:0
	Dir    string // folder that New writes ca.pem to; "": none

	Tenant        string // default 00000000-0000-0000-0000-0000000000aa
	Subscription  string // default 00000000-0000-0000-0000-000000000001
	ResourceGroup string // default weir
	Location      string // of what is there from the start; default swedencentral
	Workspace     string // of Azure Machine Learning; default weir

	Account string         // of Azure OpenAI; default weir-openai
	Cluster string         // of Kubernetes, with a pool "system"; default weir
	OpenAI  *emulate.Azure // its data plane, run by its owner; nil: one of the account's own, with no deployment

	Endpoints []Endpoint // deployments of managed endpoints that are there from the start

	Clients   map[string]string // client id to secret; none: any secret is accepted, but one is required
	TokenLife time.Duration     // real time; default 1 h

	Speed float64          // of emulated time; default 1
	Now   func() time.Time // replaces the clock, for tests; it must not go back
	Seed  uint64           // of the times drawn
	Times map[string]Times // replaces entries of the table of times, by their names
	Quota map[string]int   // "location/name" or "name" to a limit; see quota.go for the defaults

	WritesPerHour int // of the subscription; default 1,200
	ReadsPerHour  int // default 12,000

	Server emulate.Options // what each instance runs; default llama-3.1-8b on an A100
	Log    *slog.Logger    // nil: silent
}

// Cloud is the emulated control plane.
type Cloud struct {
	o      Options
	log    *slog.Logger
	kinds  map[string]*kind // by lower-case type
	sizes  map[string]size  // by lower-case name
	prices *price.Catalogue
	issuer *issuer
	cert   *certificates
	mux    http.Handler
	spec   func() (engine.Spec, error) // of the instances, looked up once

	mu        sync.Mutex
	clock     clock
	url       string // https://127.0.0.1:port
	resources map[string]*resource
	ops       map[string]*operation
	order     []string     // ids of ops, the oldest first
	active    []*operation // those in progress, the oldest first
	serial    uint64
	faults    []*Fault
	throttle  throttle
	calls     calls
	limits    map[string]int
	base      context.Context // of the instances; nil until Run
	running   sync.WaitGroup  // instances
}

// New checks the options.
func New(o Options) (*Cloud, error) {
	o.fill()
	if !(o.Speed >= minSpeed && o.Speed <= maxSpeed) {
		return nil, fmt.Errorf("emulate: speed of Azure is %v: want %v to %d", o.Speed, minSpeed, maxSpeed)
	}
	prices, err := catalogue()
	if err != nil {
		return nil, fmt.Errorf("emulate: %w", err)
	}
	if err := checkTimes(o.Times); err != nil {
		return nil, err
	}
	cert, err := newCertificates(o.Listen)
	if err != nil {
		return nil, fmt.Errorf("emulate: certificate: %w", err)
	}
	if o.Dir != "" {
		if err := os.WriteFile(filepath.Join(o.Dir, "ca.pem"), cert.ca, 0o600); err != nil {
			return nil, fmt.Errorf("emulate: %w", err)
		}
	}
	c := &Cloud{
		o: o, log: o.Log, prices: prices, cert: cert, sizes: sizesOf(prices), clock: newClock(o),
		spec:      sync.OnceValues(func() (engine.Spec, error) { s := o.Server; return engine.Lookup(s.GPU, s.Model, s.TP, s.DType) }),
		resources: map[string]*resource{}, ops: map[string]*operation{}, limits: map[string]int{},
	}
	for name, limit := range o.Quota {
		c.limits[lower(name)] = limit
	}
	c.issuer = newIssuer(o)
	c.kinds = kinds()
	c.throttle = newThrottle(o, c.clock.now())
	c.given()
	if err := c.giveEndpoints(); err != nil {
		return nil, err
	}
	c.mux = c.routes()
	return c, nil
}

// catalogue is read once: it takes a tenth of a second.
var catalogue = sync.OnceValues(price.Default)

// maxSpeed: the clock stands when it is maxAhead, which takes 3 days at this speed.
const maxSpeed = 10_000

// minSpeed keeps real time, in nanoseconds, within an int64.
const minSpeed = 0.001

func (o *Options) fill() {
	set := func(s *string, to string) {
		if *s == "" {
			*s = to
		}
	}
	set(&o.Listen, "127.0.0.1:0")
	set(&o.Tenant, "00000000-0000-0000-0000-0000000000aa")
	set(&o.Subscription, "00000000-0000-0000-0000-000000000001")
	set(&o.ResourceGroup, "weir")
	set(&o.Location, "swedencentral")
	set(&o.Workspace, "weir")
	set(&o.Account, "weir-openai")
	set(&o.Cluster, "weir")
	if o.Speed == 0 {
		o.Speed = 1
	}
	if o.TokenLife == 0 {
		o.TokenLife = time.Hour
	}
	if o.WritesPerHour == 0 {
		o.WritesPerHour = 1200
	}
	if o.ReadsPerHour == 0 {
		o.ReadsPerHour = 12_000
	}
	if o.Server.Model == "" {
		o.Server.Model = "llama-3.1-8b"
	}
	if o.Server.TP == 0 {
		o.Server.TP = 1
	}
	if o.Server.GPU == "" && o.Server.Spec == nil {
		o.Server.GPU = "A100-80GB"
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
}

// CA is the certificate, in PEM, that clients must trust.
func (c *Cloud) CA() []byte { return c.cert.ca }

// URL is the address of Resource Manager and, with the tenant's name behind it,
// of the issuer. It is empty until Serve.
func (c *Cloud) URL() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.url
}

// Describe is the options with their defaults: names, places, limits.
func (c *Cloud) Describe() Options { return c.o }

// Handler serves the emulated cloud. Clients reach it through Serve, which sets
// the addresses that answers contain.
func (c *Cloud) Handler() http.Handler { return c.mux }

// Run listens and serves until ctx ends.
func (c *Cloud) Run(ctx context.Context) error {
	l, err := c.Listen(ctx)
	if err != nil {
		return err
	}
	return c.Serve(ctx, l)
}

// Listen listens at the options' address, if it is one of loopback.
func (c *Cloud) Listen(ctx context.Context) (net.Listener, error) {
	a, err := net.ResolveTCPAddr("tcp", c.o.Listen)
	if err != nil {
		return nil, fmt.Errorf("emulate: %w", err)
	}
	if !a.IP.IsLoopback() {
		return nil, notLoopback(a)
	}
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", a.String())
	if err != nil {
		return nil, fmt.Errorf("emulate: %w", err)
	}
	return l, nil
}

func notLoopback(a net.Addr) error {
	return fmt.Errorf("emulate: Azure's control plane at %s: want an address of loopback, such as 127.0.0.1:9443", a)
}

// Serve is Run with an existing listener, which must be on loopback: /emulator/ asks for
// no credential.
func (c *Cloud) Serve(ctx context.Context, l net.Listener) error {
	if a, ok := l.Addr().(*net.TCPAddr); !ok || !a.IP.IsLoopback() {
		_ = l.Close()
		return notLoopback(l.Addr())
	}
	instances, stop := context.WithCancel(context.WithoutCancel(ctx))
	c.mu.Lock()
	c.url, c.base = "https://"+l.Addr().String(), instances
	for _, a := range c.ofType("Microsoft.CognitiveServices/accounts") {
		c.moveAccount(a)
	}
	c.mu.Unlock()
	c.announce()
	srv := &http.Server{
		Handler: c.mux, TLSConfig: c.cert.config(), ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute,
		MaxHeaderBytes: 64 << 10, ErrorLog: slog.NewLogLogger(c.log.Handler(), slog.LevelDebug),
	}
	served := make(chan error, 1)
	go func() { served <- srv.ServeTLS(l, "", "") }()
	var err error
	select {
	case err = <-served: // the listener failed
	case <-ctx.Done():
		grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopGrace)
		if srv.Shutdown(grace) != nil {
			_ = srv.Close() // the rest is cut off
		}
		cancel()
		<-served
	}
	stop()
	c.running.Wait()
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}

// stopGrace is how long requests in flight may go on after ctx has ended.
const stopGrace = 5 * time.Second

func (c *Cloud) announce() {
	c.log.Warn("EMULATING Azure: no cloud, no cost, made-up times", "resource_manager", c.url, "authority", c.url+"/",
		"audience", audience, "tenant", c.o.Tenant, "subscription", c.o.Subscription, "resource_group", c.o.ResourceGroup,
		"workspace", c.o.Workspace, "location", c.o.Location, "speed", c.o.Speed)
}
