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

// engines asks inference servers for their own metrics, and keeps what inference servers last said of their own load: those Weir
// started and those that ran already.
type engines struct {
	servers func(context.Context) []asked
	log     *slog.Logger

	mu   sync.Mutex
	last map[string]observe.Engine // by deployment

	noted map[string]string // what each deployment's servers lack, as it was logged; of run alone
}

// scrapeEvery is how often engines are asked; as often as a decision is made.
const scrapeEvery = 2 * time.Second

func newEngines(servers func(context.Context) []asked, log *slog.Logger) *engines {
	return &engines{servers: servers, log: log, last: map[string]observe.Engine{}, noted: map[string]string{}}
}

// run asks the servers of every deployment that has a metrics path.
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

// note logs once what the servers of a deployment should tell and do not.
func (e *engines) note(deployment string, rs []scrape.Result) {
	for _, r := range rs {
		if r.Err != nil || r.Lacks == "" || e.noted[deployment] == r.Lacks {
			continue
		}
		e.noted[deployment] = r.Lacks
		e.log.Warn("an inference server's metrics lack values that Weir reads: they count as unknown", "deployment", deployment, "engine", r.Engine, "lacks", r.Lacks)
	}
}

// asked is the servers of one deployment and where their metrics are.
type asked struct {
	deployment, path string
	addrs            []string
}

// servers are those to ask: of each deployment that has a path for it.
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
		return nil // taken out by a reload this moment
	}
	for _, r := range rs {
		if r.State == weir.Ready {
			addrs = append(addrs, r.Addr)
		}
	}
	return addrs
}

// aggregate sums what those that answered have said.
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

// observe fills in what the engines of a deployment said.
func (e *engines) observe(deployment string, o *scale.Observation) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if is, ok := e.last[deployment]; ok {
		o.EngineWaiting, o.KVUse, o.GPUUtilisation = is.Waiting, is.KVUse, is.GPUUtilisation
	}
}

// all is asked at each scrape of Weir's own metrics.
func (e *engines) all() []observe.Engine {
	e.mu.Lock()
	defer e.mu.Unlock()
	var all []observe.Engine
	for _, is := range e.last {
		all = append(all, is)
	}
	return all
}
