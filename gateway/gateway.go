// Package gateway accepts callers: over HTTP, by the OpenAI, Azure OpenAI and Anthropic
// protocols, or from inside the process, by Submit. It owns their keys and limits, and
// the path of a request from its first byte to its Record.
//
// It does not decide where or when a request is sent: package dispatch does, with one
// core per model behind one lock. It does not talk to inference servers: package
// upstream does. It does not start replicas: SetReplicas sets them, and Demand reports
// the load. Its promise: every request ends exactly once, with a whole answer or an
// error that the caller can read, and nothing a request holds outlives it (see
// booking).
//
// A request body is scanned, not decoded (see ask). It is passed on unchanged except
// for a few members, such as the model's name, where the upstream uses another, and
// stream_options.include_usage, which the gateway sets on a stream if the caller did
// not. The one event with the usage is then hidden from the caller. OpenAI's servers
// also put "usage":null into the other events; those are not changed, because the field
// is in the schema and removing it would mean rewriting every event. In an answer only
// the model's name changes, to the name the caller used (see renaming).
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

// Gateway serves callers. Make one with New; Run listens, or mount it as an
// http.Handler. All methods are safe for concurrent use.
type Gateway struct {
	listen        Listen
	surfaces      surfaces
	drain         time.Duration
	record        func(weir.Record)
	onCopy        func(weir.Copy)
	canaryStepped func(CanaryStep)
	nearest       func(name string, known []string) string // nil: no name is suggested
	stored        map[string]canary.State                  // states of trials at the start
	log           *slog.Logger
	began         time.Time
	epoch         weir.Instant // time of began
	ids           *idSource

	state atomic.Pointer[state]
	spend spend

	grew  func(deployment string) // nil: it is not called
	grows chan struct{}           // cap 1: a signal that a queue has grown

	throttled func(deployment, replica string, until weir.Instant) // nil: it is not called

	arrived atomic.Uint64
	open    atomic.Int64 // requests to models, in any phase
	streams atomic.Int64 // streams among them

	apply    sync.Mutex // held by Apply and SetReplicas
	replicas map[string][]weir.Replica

	answers     Answers // nil: no answer is stored
	meanings    meanings
	flights     flights
	transcripts atomic.Int64 // bytes of answers that are being kept

	vectors  Vectors  // nil: no embedding is stored
	searches Searches // nil: there are no vector stores
	claims   claims

	inside *inside
	second func(*call) sink // returns exchange.tee for a request before it is sent; nil: no request has one

	origins origins
	bodies  bodyMemory

	slo   tally
	calls sync.Pool // of *call

	copies    sync.WaitGroup  // hedges and mirrors that outlive their request
	copying   context.Context // context of copies
	cutCopies context.CancelFunc

	alarm    alarm
	certs    *certificates
	stopping atomic.Bool
}

// New makes a Gateway from valid options. Its error names every fault.
func New(o Options) (*Gateway, error) {
	if len(o.Dialects) == 0 {
		return nil, errors.New("the gateway has no Dialects: nothing says which paths it serves")
	}
	g := &Gateway{
		surfaces: o.Dialects, listen: o.Listen.withDefaults(), drain: o.Drain, record: o.Record, nearest: o.Nearest, log: o.Log, onCopy: o.Copy, canaryStepped: o.CanaryStepped, stored: o.Canaries, grew: o.Grew, answers: o.Answers, vectors: o.Vectors, searches: o.Searches,
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
	g.meanings.open(o.MeaningMemory)
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

// at converts a wall-clock time of this process.
func (g *Gateway) at(t time.Time) weir.Instant { return g.epoch.Add(t.Sub(g.began)) }

// Apply replaces the configuration while serving. On an error nothing has changed.
// Requests in flight finish under the old configuration; waiting requests use the new
// one. Models and deployments that keep their name keep their queue, replicas and
// health. Limits keep the usage already counted.
func (g *Gateway) Apply(c Config) error {
	if err := c.Validate(); err != nil {
		return err
	}
	if g.answers == nil && c.caches() {
		return errors.New("a model has a Cache, but the gateway has no Answers to keep them in")
	}
	if g.vectors == nil && c.storesVectors() {
		return errors.New("a model stores embeddings (embeddings.store), and none did when the gateway started: restart it")
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

// adopt passes the new configuration to the cores and the meter.
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

// retire closes the old configuration's connections and refuses requests waiting for
// removed models.
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

// SetShort notes why a deployment's place can give it no replica now; the zero
// Shortage: it can. Requests then wait for no first replica of it.
func (g *Gateway) SetShort(deployment string, s dispatch.Shortage) {
	t := g.state.Load().targets[deployment]
	if t == nil {
		return // a reload has just removed it
	}
	now := g.now()
	t.model.tell(func(core *dispatch.Core) []dispatch.Verdict { return core.Short(now, deployment, s) })
}

// SetReplicas sets the full list of a deployment's replicas, as reported by the place
// that runs them.
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
