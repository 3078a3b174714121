package emulate

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"

	"weir"
)

// This file and the others that begin with azure emulate one Azure OpenAI
// resource: classic and v1 paths, keys and tokens, provisioned and standard
// deployments with their limits, spillover, content filters. They follow
// Microsoft's public documentation; each rule names its source, and choices
// beyond the documentation are marked as such. Titles below are of pages under
// learn.microsoft.com/azure/foundry/openai, with the date each page carries.

// AzureOptions describe the emulated resource.
type AzureOptions struct {
	Listen      string // address Run serves at; "": none, the owner serves Handler
	Deployments []AzureDeployment
	Keys        []string // keys of the resource; none: any key is accepted, but one is required
	Tokens      []string // Entra ID tokens; none: any text with the form of a token
	Speed       float64  // time factor over the service, limits included; default 1
	Seed        uint64   // of its words and its faults
	Grows       bool     // deployments may come later, by Put: none is fine
	Log         *slog.Logger
}

// AzureDeployment is one deployment of the resource.
type AzureDeployment struct {
	Name  string
	Model string // gpt-4o
	SKU   string // ProvisionedManaged, GlobalStandard, ...: see provisioned and standard

	// Of a provisioned deployment.
	PTU          int
	InputTPM     float64       // normalised tokens per minute of one PTU
	OutputWeight float64       // normalised tokens of one output token
	CachedWeight float64       // normalised tokens of one cached token; 0 before gpt-6
	Window       time.Duration // time of its rate that the bucket holds; default 10 s
	Utilisation  bool          // send azure-openai-deployment-utilization
	Spillover    string        // properties.spilloverDeploymentName

	// Of a standard deployment.
	TPM int // tokens a minute
	RPM int // requests a minute; default 6 for each 1,000 TPM

	TokensPerSecond float64 // of one stream when the deployment is fully used; default 50
	Context         int     // longest prompt and answer together, in tokens; default 128,000
	MaxPrompt       int     // longest accepted prompt; 0: no separate bound
}

// SKU names of deployments, "Deployment types", 2026-05-08.
var (
	provisioned = []string{"ProvisionedManaged", "GlobalProvisionedManaged", "DataZoneProvisionedManaged"}
	standard    = []string{"Standard", "GlobalStandard", "DataZoneStandard"}
)

// Azure is one emulated Azure OpenAI resource.
type Azure struct {
	o      AzureOptions
	began  time.Time
	faults *faults
	mux    http.Handler

	mu          sync.RWMutex
	deployments map[string]*azureDeployment
	names       []string        // in the order given
	base        context.Context // of what moves deployments; nil until Run
	moving      sync.WaitGroup
}

// maxDeployments is the most deployments of one resource ("Quotas and limits",
// 2026-02-17: 32 standard deployments per resource).
const maxDeployments = 32

// NewAzure checks the options; every fault is named.
func NewAzure(o AzureOptions) (*Azure, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Speed == 0 {
		o.Speed = 1
	}
	if !(o.Speed > 0 && o.Speed <= maxSpeed) {
		return nil, fmt.Errorf("emulate: speed %v: want a speed above 0 and at most %d", o.Speed, maxSpeed)
	}
	if n := len(o.Deployments); n == 0 && !o.Grows || n > maxDeployments {
		return nil, fmt.Errorf("emulate: %d deployments: want 1 to %d", n, maxDeployments)
	}
	a := &Azure{o: o, began: time.Now(), deployments: map[string]*azureDeployment{}, faults: newFaults(o.Seed)}
	var wrong []error
	for _, spec := range o.Deployments {
		d, err := newAzureDeployment(spec, o)
		if err != nil {
			wrong = append(wrong, fmt.Errorf("emulate: deployment %q: %w", spec.Name, err))
			continue
		}
		if a.deployments[spec.Name] != nil {
			wrong = append(wrong, fmt.Errorf("emulate: deployment %q: there are two of that name", spec.Name))
		}
		a.deployments[spec.Name] = d
		a.names = append(a.names, spec.Name)
	}
	for _, name := range a.names {
		if err := a.checkSpillover(a.deployments[name]); err != nil {
			wrong = append(wrong, err)
		}
	}
	if err := errors.Join(wrong...); err != nil {
		return nil, err
	}
	a.mux = a.routes()
	return a, nil
}

// checkSpillover: the target is a standard deployment of the same resource
// ("Manage traffic with spillover", 2026-03-04).
func (a *Azure) checkSpillover(d *azureDeployment) error {
	to := d.Spillover
	if to == "" {
		return nil
	}
	if t := a.deployments[to]; t == nil || t.bucket != nil || d.bucket == nil {
		return fmt.Errorf("emulate: deployment %q: spillover to %q: want a provisioned deployment that spills to a standard one of the same resource", d.Name, to)
	}
	return nil
}

// Handler serves the resource while Run runs.
func (a *Azure) Handler() http.Handler { return a.mux }

// now is emulated time: Speed times as fast as real time.
func (a *Azure) now() weir.Instant {
	return 1 + weir.Instant(float64(time.Since(a.began))*a.o.Speed)
}

// wall converts a span of emulated time.
func (a *Azure) wall(d time.Duration) time.Duration {
	return time.Duration(float64(d) / a.o.Speed)
}

// Run advances every deployment until ctx ends, and listens if the options have
// an address.
func (a *Azure) Run(ctx context.Context) error {
	if a.o.Listen == "" {
		a.run(ctx)
		return nil
	}
	l, err := a.Listen(ctx)
	if err != nil {
		return err
	}
	return a.serve(ctx, l)
}

// Listen listens at the options' address, for Serve.
func (a *Azure) Listen(ctx context.Context) (net.Listener, error) {
	if a.o.Listen == "" {
		return nil, errors.New("emulate: Azure OpenAI has no address to listen at")
	}
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", a.o.Listen)
	if err != nil {
		return nil, fmt.Errorf("emulate: %w", err)
	}
	a.o.Log.Warn("EMULATING Azure OpenAI: no GPU, no model, made-up answers", "addr", l.Addr().String(), "deployments", a.names, "speed", a.o.Speed)
	return l, nil
}

// Serve is Run with an existing listener.
func (a *Azure) Serve(ctx context.Context, l net.Listener) error { return a.serve(ctx, l) }

func (a *Azure) serve(ctx context.Context, l net.Listener) error {
	return serve(ctx, l, a.mux, a.o.Log, a.run)
}

func (a *Azure) run(ctx context.Context) {
	a.mu.Lock()
	a.base = ctx
	for _, d := range a.deployments {
		a.move(d)
	}
	a.mu.Unlock()
	<-ctx.Done()
	a.mu.Lock() // no Put starts another from here on
	a.base = nil
	a.mu.Unlock()
	a.moving.Wait()
}

// move advances a deployment until Run ends or it is removed.
func (a *Azure) move(d *azureDeployment) {
	ctx, stop := context.WithCancel(a.base)
	d.stop = stop
	a.moving.Go(func() { d.server.loop.run(ctx) })
}

// kindOf says whether a SKU is provisioned or standard.
func kindOf(sku string) (isProvisioned bool, err error) {
	switch {
	case slices.Contains(provisioned, sku):
		return true, nil
	case slices.Contains(standard, sku):
		return false, nil
	}
	return false, fmt.Errorf("sku %q: want one of %v or %v", sku, provisioned, standard)
}
