// Package node is one running Weir. It builds the parts of other packages from
// the values of a Setup, wires them, swaps in a new setup while serving, and
// stops everything in stages. It knows no configuration file (package wire
// makes setups) and no kind of place: replicas run behind fleet.Place.
package node

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"weir"
	"weir/cache/memory"
	"weir/cache/remote"
	"weir/fleet"
	"weir/gateway"
	"weir/index/search"
	"weir/observe"
	"weir/store"
	"weir/store/vectors"
	"weir/upstream/dialects"
)

// Node is one running Weir. Make one with New, then Run it.
type Node struct {
	load  func() (Setup, error)
	log   *slog.Logger
	level *slog.LevelVar

	callers, operators net.Listener
	kedaAt             net.Listener // nil: none

	gateway  *gateway.Gateway
	metrics  *observe.Metrics
	access   *observe.AccessLog
	ledger   *store.DB
	writer   *store.Writer
	places   map[string]fleet.Place // by name
	replicas *replicas
	leader   *leader // nil: no other gateway shares the store
	engines  *engines
	scaler   *scaler
	short    *shortages
	overflow overflow
	canaries *canaries
	sharing  *sharing // nil: limits are not shared
	answers  *memory.Store
	indexes  *search.Stores // nil: callers search none
	vectors  *vectors.Store // nil: no model stores embeddings
	remote   *remote.Store  // nil: stored answers are of this gateway alone
	keda     *kedaScaler    // nil: KEDA scales nothing
	account  Account        // nil: the setup names no subscription

	setup     atomic.Pointer[Setup] // in force
	reloading sync.Mutex
}

// New makes everything and binds both addresses, so that what cannot work fails
// before anything is served. This is the order, and this the wiring:
//
//	callers ─▶ gateway ─▶ replicas ◀─ places ◀─ scaler ◀─ journal
//	             │  ▲                    │         ▲ ▲
//	             │  └─ replicas ◀─ watch ┘         │ │ leader, where gateways
//	             │     (every change)              │ │ share a database
//	             ├─▶ queue grew, demand ───────────┘ └ engines' own metrics
//	             ├─▶ record: metrics, ledger (writer), access log
//	             └─▶ shared limits (Redis)
//	KEDA ─▶ number last decided, where KEDA scales
//	operators ─▶ admin: metrics, health, replicas, decisions, usage, reload
//
// A part is given the funcs it needs, and none the node.
func New(o Options) (n *Node, err error) {
	n = &Node{load: o.Load, level: &slog.LevelVar{}, overflow: overflow{by: map[string]*divided{}}}
	s := &o.Setup
	n.setup.Store(s)
	defer func() {
		if err != nil {
			n.close()
		}
	}()
	if err = n.observe(o); err != nil {
		return n, err
	}
	if n.ledger, err = OpenLedger(s.Store, n.log); err != nil {
		return n, err
	}
	if err = n.ledger.Own(); err != nil {
		return n, err
	}
	n.writer = store.NewWriter(n.ledger, store.WriterOptions{Every: s.Store.FlushEvery, Log: n.log})
	if n.callers, err = listen("server.listen", s.Server.Listen.Addr); err != nil {
		return n, err
	}
	if n.operators, err = listen("admin.listen", s.Admin.Listen); err != nil {
		return n, err
	}
	if err = n.openAnswers(s); err != nil {
		return n, err
	}
	if err = n.openVectors(s); err != nil {
		return n, err
	}
	if len(s.Indexes) > 0 {
		n.indexes = search.New(s.Indexes)
	}
	n.canaries = newCanaries(o.Canaries, n.log)
	if n.gateway, err = n.newGateway(o); err != nil {
		return n, err
	}
	if n.sharing, err = newSharing(s.Sharing, n.gateway, n.log); err != nil {
		return n, err
	}
	if err = restoreBudgets(context.Background(), n.ledger, n.gateway, &s.Gateway); err != nil {
		return n, err
	}
	n.engines = newEngines(n.servers, n.log)
	if err = n.newKEDA(s); err != nil {
		return n, err
	}
	if n.leader, err = n.newLeader(s); err != nil {
		return n, err
	}
	if n.places, err = n.openPlaces(o.Places); err != nil {
		return n, err
	}
	n.replicas = newReplicas(n.gateway.SetReplicas)
	n.short = newShortages(n.gateway.SetShort, n.log)
	n.short.announce = n.announce
	if n.scaler, err = n.newScaler(s); err != nil {
		return n, err
	}
	if err = n.openAccount(o.Account); err != nil {
		return n, err
	}
	n.metrics.Watch(n.sources())
	return n, nil
}

// observe makes the node's own log and metrics.
func (n *Node) observe(o Options) (err error) {
	s := &o.Setup
	n.level.Set(s.Log.Level)
	if n.log, err = observe.NewLogger(o.LogTo, s.Log.Format, n.level); err != nil {
		return err
	}
	n.metrics = observe.New(o.Build)
	n.metrics.Configure(names(&s.Gateway))
	n.metrics.Reloaded(s.Hash, time.Now())
	n.logRemarks(s)
	n.access = observe.NewAccessLog(n.log)
	n.access.Enable(s.Log.Access)
	return nil
}

func (n *Node) newGateway(o Options) (*gateway.Gateway, error) {
	trials, err := n.canaries.read()
	if err != nil {
		return nil, err
	}
	l := o.Setup.Server.Listen
	l.Listener = n.callers
	return gateway.New(gateway.Options{
		Dialects: dialects.All(),
		Listen:   l, Drain: o.Setup.Server.Drain, Config: o.Setup.Gateway, Record: n.record, Nearest: o.Nearest, Log: n.log, Answers: n.answers, Vectors: n.keptVectors(), Searches: n.searches(), MeaningMemory: o.Setup.MeaningMemory,
		Copy: n.metrics.Copy, Canaries: trials,
		CanaryStepped: func(s gateway.CanaryStep) {
			n.metrics.CanaryStepped(s.Deployment, string(s.Change.Phase))
			n.canaries.changed()
		},
		Grew: func(deployment string) { n.scaler.poke(deployment) },
	})
}

// newKEDA makes KEDA's scaler, and opens its address.
func (n *Node) newKEDA(s *Setup) (err error) {
	if s.KEDA == nil {
		return nil
	}
	n.keda = &kedaScaler{o: *s.KEDA, setup: n.setup.Load, replicas: n.Replicas, log: n.log, want: map[string]int{}, watching: map[string][]chan struct{}{}}
	n.kedaAt, err = n.keda.listen()
	return err
}

// decided takes every decision of the scaler.
func (n *Node) decided(deployment string, want int, rules ...string) {
	n.metrics.Decided(deployment, want, rules...)
	if n.keda != nil {
		n.keda.decided(deployment, want)
	}
}

// newScaler makes the scaler. Where gateways share a database it begins when
// this one leads, and publishes its decisions to the others.
func (n *Node) newScaler(setup *Setup) (*scaler, error) {
	o := scalerOptions{
		setup: n.setup.Load, places: n.places, demand: n.demand, observed: n.observed,
		decided: n.decided, short: n.metrics.Short, lacking: n.short, log: n.log,
	}
	if n.leader != nil {
		o.demand, o.remember, o.acted = n.leader.demand, n.leader.remember, n.leader.acted
	}
	return newScaler(o, setup)
}

// record takes every request that has ended.
func (n *Node) record(r weir.Record) {
	n.metrics.Record(r)
	n.writer.Add(r)
	n.access.Record(r)
}

// Run serves until ctx ends or a part of it fails. It stops in stages: callers
// first, while replicas and scaler still serve them; then replicas and scaler;
// last it writes the ledger. also, if not nil, runs beside it, and the node
// ends when also returns.
func (n *Node) Run(ctx context.Context, also func(context.Context) error) error {
	defer n.close()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	behind, stopBehind := context.WithCancel(context.WithoutCancel(ctx))
	defer stopBehind()
	last, stopLast := context.WithCancel(context.WithoutCancel(ctx))
	defer stopLast()

	var front, middle, back errgroup.Group
	part := func(g *errgroup.Group, ctx context.Context, run func(context.Context) error) {
		g.Go(func() error {
			err := run(ctx)
			if err != nil && !errors.Is(err, context.Canceled) {
				n.log.Error("stopping", "error", err)
				cancel()
				return err
			}
			return nil
		})
	}
	part(&back, last, n.writer.Run)
	for _, run := range n.middle() {
		part(&middle, behind, run)
	}
	part(&front, ctx, n.serveCallers)
	part(&front, ctx, n.reloadOnHangup)
	if also != nil {
		part(&front, ctx, func(ctx context.Context) error { defer cancel(); return also(ctx) })
	}

	err := front.Wait()
	stopBehind()
	err = errors.Join(err, middle.Wait())
	stopLast()
	return errors.Join(err, back.Wait())
}

// middle are the parts that run until the last caller is served.
func (n *Node) middle() []func(context.Context) error {
	admin := n.admin().handler()
	parts := []func(context.Context) error{
		n.retain, n.engines.run, n.scaler.run, n.lookAtIndexes,
		func(ctx context.Context) error { return n.canaries.keep(ctx, n.gateway.Canaries) },
		func(ctx context.Context) error { return runAdmin(ctx, n.operators, admin, n.log) },
	}
	for name, p := range n.places {
		parts = append(parts, p.Run, func(ctx context.Context) error {
			return fleet.Watch(ctx, p, func() []string { return n.setup.Load().at(name) }, lookEvery, n.replicas.heard)
		})
	}
	if n.leader != nil {
		parts = append(parts, n.leader.run)
	}
	if n.account != nil {
		parts = append(parts, n.account.Run)
	}
	if n.keda != nil {
		parts = append(parts, func(ctx context.Context) error { return n.keda.run(ctx, n.kedaAt) })
	}
	if n.sharing != nil {
		parts = append(parts, n.sharing.redis.Run)
	}
	if n.remote != nil {
		parts = append(parts, func(ctx context.Context) error { return n.remote.Run(ctx, n.answers) })
	}
	return parts
}

// serveCallers runs the gateway. It first waits a moment for leases of shared
// limits.
func (n *Node) serveCallers(ctx context.Context) error {
	if n.sharing != nil {
		n.sharing.join(ctx)
	}
	return n.gateway.Run(ctx)
}

// close releases what New took and Run did not release.
func (n *Node) close() {
	for _, l := range []net.Listener{n.callers, n.operators, n.kedaAt} {
		if l != nil {
			l.Close()
		}
	}
	if n.answers != nil {
		n.answers.Close()
	}
	if n.indexes != nil {
		if err := n.indexes.Close(); err != nil {
			n.log.Error("closing the vector stores", "error", err)
		}
	}
	if n.vectors != nil {
		if err := n.vectors.Close(); err != nil {
			n.log.Error("closing the stored embeddings", "error", err)
		}
	}
	if n.scaler != nil {
		if err := n.scaler.close(); err != nil {
			n.log.Error("closing the journal", "error", err)
		}
	}
	if n.ledger != nil {
		if err := n.ledger.Close(); err != nil {
			n.log.Error("closing the ledger", "error", err)
		}
	}
}

// Callers is the address for callers, Operators the admin address.
func (n *Node) Callers() net.Addr   { return n.callers.Addr() }
func (n *Node) Operators() net.Addr { return n.operators.Addr() }

// LogAccess turns the access log on or off.
func (n *Node) LogAccess(on bool) { n.access.Enable(on) }

func listen(key, addr string) (net.Listener, error) {
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("%s: %w; is another Weir running, or another program on that port?", key, err)
	}
	return ln, nil
}
