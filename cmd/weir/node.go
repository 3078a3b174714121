package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"weir"
	"weir/config"
	"weir/fleet/process"
	"weir/gateway"
	"weir/observe"
	"weir/share"
	"weir/store"
	"weir/wire"
)

// node is one running Weir: the wiring of everything serve needs.
//
//	callers ─▶ gateway ─▶ replicas ◀─ processes ◀─ scaler
//	              │  Record              ▲            │
//	              ├─▶ metrics            └── follow ──┤ every replica change to the gateway
//	              ├─▶ ledger (writer)                 │
//	              ├─▶ shared limits (Redis)           │
//	              └─▶ demand ─────────────────────────┘
//	operators ─▶ admin: metrics, health, replicas, decisions, usage, reload
//
// Where gateways share a database (office.go), one of them scales, and the
// others follow what it says of the replicas.
type node struct {
	load  func() (*config.Config, error)
	log   *slog.Logger
	level *slog.LevelVar

	callers, operators net.Listener

	gateway  *gateway.Gateway
	metrics  *observe.Metrics
	access   *observe.AccessLog
	ledger   *store.DB
	writer   *store.Writer
	fleet    place
	office   *office // nil: no other gateway shares the store
	scaler   *scaler
	canaries *canaryFile
	share    *share.Share // nil: this gateway has its limits to itself

	config    atomic.Pointer[config.Config] // in force
	reloading sync.Mutex
}

// newNode makes everything and binds both addresses, so that what cannot work
// fails before anything is served.
func newNode(c *config.Config, load func() (*config.Config, error), stateDir string, logTo io.Writer) (n *node, err error) {
	n = &node{load: load, level: &slog.LevelVar{}}
	n.config.Store(c)
	defer func() {
		if err != nil {
			n.close()
		}
	}()
	n.level.Set(levelOf(c.Log.Level))
	if n.log, err = observe.NewLogger(logTo, observe.Format(c.Log.Format), n.level); err != nil {
		return n, err
	}
	b := readBuild()
	n.metrics = observe.New(observe.Build{Version: b.version, Revision: b.commit, Go: b.goVersion})
	n.metrics.Configure(wire.Known(c))
	n.metrics.Reloaded(c.Hash, time.Now())
	n.logWarnings(c)
	n.access = observe.NewAccessLog(n.log)
	n.access.Enable(c.Log.Access)
	if err = n.openStore(c); err != nil {
		return n, err
	}
	if n.callers, err = listen("server.listen", c.Server.Listen); err != nil {
		return n, err
	}
	if n.operators, err = listen("admin.listen", c.Admin.Listen); err != nil {
		return n, err
	}
	n.canaries = newCanaryFile(stateDir)
	if err = n.makeGateway(c); err != nil {
		return n, err
	}
	if err = n.shareLimits(c); err != nil {
		return n, err
	}
	if err = n.restoreBudgets(context.Background(), c); err != nil {
		return n, err
	}
	if err = n.openPlace(c, stateDir); err != nil {
		return n, err
	}
	if n.scaler, err = newScaler(n, c); err != nil {
		return n, err
	}
	sources := observe.Sources{Levels: n.levels, Replicas: n.replicas, Engines: n.scaler.engines.all, Ledger: n.ledgerState, Canaries: n.canaryLevels, Limits: n.limitUses}
	if n.share != nil {
		sources.Shared = n.sharedLevels
	}
	if n.office != nil {
		sources.Leader = n.office.in
	}
	n.metrics.Watch(sources)
	return n, nil
}

func (n *node) openStore(c *config.Config) (err error) {
	if n.ledger, err = openLedger(c.Store, n.log); err != nil {
		return err
	}
	if err = n.ledger.Own(); err != nil {
		return err
	}
	n.writer = store.NewWriter(n.ledger, store.WriterOptions{Every: c.Store.FlushEvery, Log: n.log})
	return nil
}

// openPlace takes the process place, or stands by to take it when in office.
func (n *node) openPlace(c *config.Config, stateDir string) error {
	o := process.Options{
		Deployments: wire.Processes(c), StateDir: filepath.Join(stateDir, "replicas"),
		GPUs: gpus(c), Ports: [2]int{c.Machine.FirstPort, c.Machine.LastPort}, Keep: c.Machine.Keep,
		Busy: n.busy, Log: n.log,
	}
	if c.Store.Postgres.Set() {
		f, err := newOffice(n, c, o)
		if err != nil {
			return err
		}
		n.office, n.fleet = f, f.place
		return nil
	}
	f, err := process.New(o)
	if err != nil {
		return err
	}
	n.fleet = f
	return nil
}

func (n *node) makeGateway(c *config.Config) error {
	trials, err := n.canaries.read()
	if err != nil {
		return err
	}
	g, err := wire.Gateway(c, wire.AzureCredential)
	if err != nil {
		return err
	}
	o := gateway.Options{
		Listen: gateway.Listen{
			Listener: n.callers, HeaderTimeout: c.Server.HeaderTimeout, IdleTimeout: c.Server.IdleTimeout,
			MaxHeaderBytes: int(c.Server.MaxHeader),
		},
		Drain: c.Server.DrainTimeout, Config: g, Record: n.record, Nearest: config.Nearest, Log: n.log,
		Aside: n.metrics.Aside, Canaries: trials, CanaryStepped: n.canaryStepped,
	}
	if t := c.Server.TLS; t != nil {
		o.Listen.CertFile, o.Listen.KeyFile = t.Cert, t.Key
	}
	n.gateway, err = gateway.New(o)
	return err
}

// record is told of every request that has ended.
func (n *node) record(r weir.Record) {
	n.metrics.Record(r)
	n.writer.Add(r)
	n.access.Record(r)
}

// run serves until ctx ends or a part of it fails. It stops in stages: first
// callers are drained, while replicas and scaler still run for them; then
// those; last the ledger is written.
func (n *node) run(ctx context.Context, also runner) error {
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
	admin := n.admin()
	part(&back, last, n.writer.Run)
	part(&middle, behind, n.retain)
	part(&middle, behind, n.fleet.Run)
	part(&middle, behind, n.scaler.run)
	part(&middle, behind, n.follow)
	if n.office != nil {
		part(&middle, behind, n.office.run)
	}
	part(&middle, behind, n.keepCanaries)
	if n.share != nil {
		part(&middle, behind, n.share.Run)
	}
	part(&middle, behind, func(ctx context.Context) error { return runAdmin(ctx, n.operators, admin.handler(), n.log) })
	part(&front, ctx, n.serveCallers)
	part(&front, ctx, n.reloadOnHangup)
	if also != nil {
		part(&front, ctx, func(ctx context.Context) error { defer cancel(); return also.run(ctx, n) })
	}

	err := front.Wait()
	stopBehind()
	err = errors.Join(err, middle.Wait())
	stopLast()
	return errors.Join(err, back.Wait())
}

// runner is something that runs beside the node and ends it when it is done.
type runner interface {
	run(ctx context.Context, n *node) error
}

// close gives back what newNode took and run did not.
func (n *node) close() {
	for _, l := range []net.Listener{n.callers, n.operators} {
		if l != nil {
			l.Close()
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

// followEvery is how often the gateway hears of replicas that came or went.
// Asking the process place costs a lock, not a system call.
const followEvery = 100 * time.Millisecond

// follow tells the gateway of every change of the replicas Weir runs.
func (n *node) follow(ctx context.Context) error {
	tick := time.NewTicker(followEvery)
	defer tick.Stop()
	told := map[string][]weir.Replica{}
	waiting := map[string]int{}
	for {
		for _, name := range n.processNames() {
			if w, _ := n.levelOf(name); w > waiting[name] {
				n.scaler.poke(name) // a queue that grows does not wait for the tick
			}
			waiting[name], _ = n.levelOf(name)
			rs, err := n.fleet.Status(ctx, name)
			if err != nil || slices.Equal(rs, told[name]) && told[name] != nil {
				continue
			}
			if err := n.gateway.SetReplicas(name, rs); err != nil {
				continue // taken out by a reload this moment
			}
			told[name] = rs
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

func (n *node) processNames() []string {
	var names []string
	for _, d := range wire.ProcessDeployments(n.config.Load()) {
		names = append(names, d.Name)
	}
	return names
}

// readyAddrs are the base URLs of a deployment's ready replicas.
func (n *node) readyAddrs(ctx context.Context, deployment string) []string {
	rs, err := n.fleet.Status(ctx, deployment)
	if err != nil {
		return nil // taken out by a reload this moment
	}
	var addrs []string
	for _, r := range rs {
		if r.State == weir.Ready {
			addrs = append(addrs, r.Addr)
		}
	}
	return addrs
}

// busy says how many requests a replica works on, -1 when the gateway does not
// know it (any more). Replica ids of the process place are unique over all
// deployments.
func (n *node) busy(replica string) int {
	if n.office != nil {
		return n.office.busy(replica)
	}
	for _, r := range n.loads() {
		if r.ID == replica {
			return r.InFlight
		}
	}
	return -1
}

func levelOf(name string) slog.Level {
	var l slog.Level
	if err := l.UnmarshalText([]byte(name)); err != nil {
		return slog.LevelInfo // config allows nothing else
	}
	return l
}

func listen(key, addr string) (net.Listener, error) {
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("%s: %w; is another Weir running, or another program on that port?", key, err)
	}
	return ln, nil
}

// gpus are the GPUs replicas may get: those the file names, else
// CUDA_VISIBLE_DEVICES where it is set, else those the NVIDIA driver lists.
// None is no fault.
func gpus(c *config.Config) []string {
	if len(c.Machine.GPUs) > 0 {
		return c.Machine.GPUs
	}
	if v, ok := os.LookupEnv("CUDA_VISIBLE_DEVICES"); ok {
		return strings.FieldsFunc(v, func(r rune) bool { return r == ',' || r == ' ' })
	}
	found, err := filepath.Glob("/proc/driver/nvidia/gpus/*")
	if err != nil {
		return nil
	}
	var ids []string
	for i := range found {
		ids = append(ids, fmt.Sprint(i))
	}
	return ids
}
