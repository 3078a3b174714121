package node

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"weir"
	"weir/observe"
	"weir/scale"
	"weir/scrape"
)

// engines scrapes the metrics of inference servers and keeps their last
// figures, for servers Weir started and for external ones.
type engines struct {
	servers func(context.Context) []asked
	log     *slog.Logger

	mu   sync.Mutex
	last map[string]observe.Engine // by deployment

	noted map[string]string // metrics each deployment's servers lack, as logged; used by run alone
}

// scrapeEvery is how often engines are scraped: once per scaling decision.
const scrapeEvery = 2 * time.Second

func newEngines(servers func(context.Context) []asked, log *slog.Logger) *engines {
	return &engines{servers: servers, log: log, last: map[string]observe.Engine{}, noted: map[string]string{}}
}

// run scrapes the servers of every deployment that has a metrics path.
func (e *engines) run(ctx context.Context) error {
	tick := time.NewTicker(scrapeEvery)
	defer tick.Stop()
	clients := map[string]*scrape.Client{} // by path
	defer func() {
		for _, c := range clients {
			c.Close()
		}
	}()
	for {
		e.round(ctx, clients)
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

func (e *engines) round(ctx context.Context, clients map[string]*scrape.Client) {
	is := map[string]observe.Engine{}
	for _, s := range e.servers(ctx) {
		c := clients[s.path]
		if c == nil {
			c = scrape.New(scrape.Options{Path: s.path})
			clients[s.path] = c
		}
		rs := c.ReadAll(ctx, s.addrs)
		e.note(s.deployment, rs)
		is[s.deployment] = aggregate(s.deployment, rs)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.last = is
}

// note logs once which metrics the servers of a deployment lack.
func (e *engines) note(deployment string, rs []scrape.Result) {
	for _, r := range rs {
		if r.Err != nil || r.Lacks == "" || e.noted[deployment] == r.Lacks {
			continue
		}
		e.noted[deployment] = r.Lacks
		e.log.Warn("an inference server's metrics lack values that Weir reads: they count as unknown", "deployment", deployment, "engine", r.Engine, "lacks", r.Lacks)
	}
}

// asked are the servers of one deployment and the path of their metrics.
type asked struct {
	deployment, path string
	addrs            []string
}

// servers are the servers to scrape: of each deployment with a metrics path.
func (n *Node) servers(ctx context.Context) (all []asked) {
	for _, d := range n.setup.Load().Deployments {
		if d.Metrics == "" {
			continue
		}
		a := asked{deployment: d.Name, path: d.Metrics, addrs: d.Servers}
		if d.Place != "" {
			a.addrs = n.readyAddrs(ctx, d.Name)
		}
		all = append(all, a)
	}
	return all
}

// readyAddrs are the base URLs of a deployment's ready replicas.
func (n *Node) readyAddrs(ctx context.Context, deployment string) (addrs []string) {
	rs, err := n.Replicas(ctx, deployment)
	if err != nil {
		return nil // a reload has just removed it
	}
	for _, r := range rs {
		if r.State == weir.Ready {
			addrs = append(addrs, r.Addr)
		}
	}
	return addrs
}

// aggregate sums the figures of the servers that answered.
func aggregate(deployment string, rs []scrape.Result) observe.Engine {
	sum := observe.Engine{Deployment: deployment, Running: -1, Waiting: -1, KVUse: -1, GPUUtilisation: -1}
	var gpu float64
	gpus := 0
	for _, r := range rs {
		if r.Err != nil {
			continue
		}
		if r.Known.Running {
			sum.Running = max(sum.Running, 0) + r.Running
		}
		if r.Known.Waiting {
			sum.Waiting = max(sum.Waiting, 0) + r.Waiting
		}
		if r.Known.KVUse {
			sum.KVUse = max(sum.KVUse, r.KVUse)
		}
		if r.Known.GPUUtilisation {
			gpu += r.GPUUtilisation
			gpus++
		}
	}
	if gpus > 0 {
		sum.GPUUtilisation = gpu / float64(gpus)
	}
	return sum
}

// observe fills in the last figures of a deployment's engines.
func (e *engines) observe(deployment string, o *scale.Observation) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if is, ok := e.last[deployment]; ok {
		o.EngineWaiting, o.KVUse, o.GPUUtilisation = is.Waiting, is.KVUse, is.GPUUtilisation
	}
}

// all runs at each scrape of Weir's own metrics.
func (e *engines) all() []observe.Engine {
	e.mu.Lock()
	defer e.mu.Unlock()
	var all []observe.Engine
	for _, is := range e.last {
		all = append(all, is)
	}
	return all
}
