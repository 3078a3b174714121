// Package gateway is where callers come in: over HTTP, by the OpenAI, Azure OpenAI
// and Anthropic surfaces, or from inside the process, by Submit. It has their keys
// and limits, and the path of one request from its first byte to its Record.
//
// It decides nothing about where a request goes or when: that is package
// dispatch, one core per model behind one lock. It speaks to no inference
// server itself: that is package upstream. It starts no replicas: it is told
// them (SetReplicas) and tells what is asked of them (Demand). What it owns is
// that every request ends exactly once, whole or with an error its caller can
// read, and that nothing a request holds outlives it (see booking).
//
// The body of a request is scanned, not decoded (see ask), and passed on as it
// came but for two members: the model's name, where the upstream calls it
// otherwise, and stream_options.include_usage, which a stream is asked for when
// its caller did not. The one event with the usage is then not shown. With it
// OpenAI's servers put "usage":null into the other events; those stay byte for
// byte as they came, since the field is part of the schema and taking it out
// would mean writing every event again. Of an answer only the model's name is
// changed, to the one the caller asked for (see renaming).
package gateway

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"weir"
	"weir/canary"
	"weir/dispatch"
	"weir/meter"
)

// Gateway serves callers. Make one with New; Run listens, or it is mounted as
// an http.Handler. All methods are safe for concurrent use.
type Gateway struct {
	listen        Listen
	surfaces      surfaces
	drain         time.Duration
	record        func(weir.Record)
	onCopy        func(weir.Copy)
	canaryStepped func(CanaryStep)
	nearest       func(name string, known []string) string // nil: no name is suggested
	stored        map[string]canary.State                  // of trials, at the start
	log           *slog.Logger
	began         time.Time
	epoch         weir.Instant // of began
	ids           *idSource

	state atomic.Pointer[state]
	spend spend

	grew  func(deployment string) // nil: it is not called
	grows chan struct{}           // cap 1: a queue has grown

	throttled func(deployment, replica string, until weir.Instant) // nil: it is not called

	arrived atomic.Uint64
	open    atomic.Int64 // requests to models, in whatever phase
	streams atomic.Int64 // of them streamed

	apply    sync.Mutex // held by Apply and SetReplicas
	replicas map[string][]weir.Replica

	inside *inside
	second func(*call) sink // for exchange.tee, asked of each request before it is sent; nil: no answer has one

	origins origins
	bodies  bodyMemory

	slo   tally
	calls sync.Pool // of *call

	copies    sync.WaitGroup  // copies that outlive their request
	copying   context.Context // theirs
	cutCopies context.CancelFunc

	alarm    alarm
	certs    *certificates
	stopping atomic.Bool
}

// New makes a Gateway of valid options. Its error names every fault.
func New(o Options) (*Gateway, error) {
	if len(o.Dialects) == 0 {
		return nil, errors.New("the gateway has no Dialects: nothing says which paths it serves")
	}
	g := &Gateway{
		surfaces: o.Dialects, listen: o.Listen.withDefaults(), drain: o.Drain, record: o.Record, nearest: o.Nearest, log: o.Log, onCopy: o.Copy, canaryStepped: o.CanaryStepped, stored: o.Canaries, grew: o.Grew,
		began: time.Now(), replicas: map[string][]weir.Replica{}, alarm: newAlarm(), inside: newInside(), ids: newIDSource(),
	}
	g.calls.New = newCall
	g.bodies.fell = make(chan struct{}, 1)
	if g.grew != nil {
		g.grows = make(chan struct{}, 1)
	}
	g.epoch = weir.At(g.began)
	g.copying, g.cutCopies = context.WithCancel(context.Background())
	orElse(&g.drain, 30*time.Second)
	if g.log == nil {
		g.log = slog.Default()
	}
	g.spend.meter = meter.New(nil)
	var err error
	if g.certs, err = openCertificates(g.listen.CertFile, g.listen.KeyFile); err != nil {
		return nil, err
	}
	if err := g.Apply(o.Config); err != nil {
		return nil, err
	}
	g.stored = nil
	return g, nil
}

// now is monotonic.
func (g *Gateway) now() weir.Instant { return g.epoch.Add(time.Since(g.began)) }

// at converts a time of this process's clock.
func (g *Gateway) at(t time.Time) weir.Instant { return g.epoch.Add(t.Sub(g.began)) }

// Apply swaps the configuration while serving. On an error nothing has
// changed. Requests in flight end as they began; those that wait go by the new
// configuration; models and deployments that keep their name keep their queue,
// their replicas and their health. Limits keep what was used of them.
func (g *Gateway) Apply(c Config) error {
	if err := c.Validate(); err != nil {
		return err
	}
	g.apply.Lock()
	defer g.apply.Unlock()
	if err := g.certs.reload(); err != nil {
		return err
	}
	old := g.state.Load()
	next, err := g.newState(c, old)
	if err != nil {
		return err
	}
	g.adopt(c, next)
	g.bodies.most.Store(next.bounds.MaxBodyMemory)
	g.state.Store(next)
	if old != nil {
		g.retire(old, next)
	}
	return nil
}

// adopt tells cores and meter of the new configuration.
func (g *Gateway) adopt(c Config, next *state) {
	now := g.now()
	g.spend.mu.Lock()
	g.spend.meter.Configure(now, limitsOf(&c))
	g.spend.mu.Unlock()
	shares := sharesOf(c.Tenants)
	for i := range c.Models {
		m := &c.Models[i]
		next.models[m.Name].configure(now, optionsOf(m, shares), m, g.stored)
		for _, d := range m.Deployments {
			t := next.targets[d.Name]
			rs := t.fixed(now)
			if rs == nil {
				rs = g.replicas[d.Name]
			}
			t.model.tell(func(core *dispatch.Core) []dispatch.Verdict {
				return core.Replicas(now, d.Name, rs)
			})
		}
	}
}

// retire lets the old configuration's connections go and refuses what waits
// for models that are no more.
func (g *Gateway) retire(old, next *state) {
	now := g.now()
	for _, s := range old.list {
		if slices.ContainsFunc(next.list, func(n *served) bool { return n.model == s.model }) {
			continue
		}
		s.tell(func(core *dispatch.Core) []dispatch.Verdict {
			return core.Configure(now, dispatch.Options{Model: s.name})
		})
	}
	for name := range g.replicas {
		if next.targets[name] == nil {
			delete(g.replicas, name)
		}
	}
	old.drop()
}

// SetReplicas tells the gateway the full present list of a deployment's
// replicas, as the place that runs them reports it.
func (g *Gateway) SetReplicas(deployment string, rs []weir.Replica) error {
	g.apply.Lock()
	defer g.apply.Unlock()
	t := g.state.Load().targets[deployment]
	if t == nil {
		return fmt.Errorf("deployment %q is not configured", deployment)
	}
	now := g.now()
	if fixed := t.fixed(now); fixed != nil {
		return fmt.Errorf("deployment %q has fixed addresses; its replicas cannot be set", deployment)
	}
	rs = slices.Clone(rs)
	g.replicas[deployment] = rs
	t.model.tell(func(core *dispatch.Core) []dispatch.Verdict {
		return core.Replicas(now, deployment, rs)
	})
	return nil
}
