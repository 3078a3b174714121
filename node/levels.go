package node

import (
	"context"
	"errors"
	"slices"

	"weir"
	"weir/gateway"
	"weir/observe"
	"weir/scale"
)

// This file reads the node's current levels, for metrics, operators, the scaler
// and the other gateways.

// sources are read by the metrics at each scrape.
func (n *Node) sources() observe.Sources {
	s := observe.Sources{Levels: n.levels, Replicas: n.allReplicas, Engines: n.engines.all, Ledger: n.ledgerState, Canaries: n.canaryLevels, Limits: n.limitUses, Short: n.short.levels, Starts: n.startLevels, Held: n.held}
	s.Cache = func() observe.Cache { return cacheLevels(n.answers, n.remote) }
	if n.vectors != nil {
		s.Vectors = func() observe.Vectors {
			st := n.vectors.Stats()
			return observe.Vectors{Entries: st.Entries, Bytes: st.Bytes, Disk: st.Disk, Dropped: st.Dropped}
		}
	}
	if n.account != nil {
		s.Account = n.account.Levels
	}
	if n.sharing != nil {
		s.Shared = n.sharing.levels
	}
	if n.leader != nil {
		s.Leader = n.leader.leads
	}
	return s
}

// names are the names allowed as metric labels.
func names(g *gateway.Config) observe.Known {
	var k observe.Known
	for i := range g.Tenants {
		k.Tenants = append(k.Tenants, g.Tenants[i].Name)
	}
	for i := range g.Models {
		k.Models = append(k.Models, g.Models[i].Name)
		if g.Models[i].Meaning != nil && !slices.Contains(k.Tenants, gateway.OwnAccount) {
			k.Tenants = append(k.Tenants, gateway.OwnAccount)
		}
		for _, d := range g.Models[i].Deployments {
			k.Deployments = append(k.Deployments, d.Name)
			if d.Elastic {
				k.Elastic = append(k.Elastic, d.Name)
			}
		}
	}
	return k
}

// demand observes a deployment at this gateway: its own part of the demand, and
// the model's arrivals and queue, divided where several deployments can grow.
func (n *Node) demand(now weir.Instant, deployment string) (scale.Observation, error) {
	o := scale.Unknown(now)
	d, err := n.gateway.Demand(deployment)
	if err != nil {
		return o, err
	}
	m, here := d.Model, d.Here
	o.Arrived, o.ArrivedPrompt, o.ArrivedOutput = m.Arrived, m.ArrivedPrompt, m.ArrivedOutput
	o.Waiting, o.WaitingWork, o.HeadAge = m.Waiting, m.WaitingWork, m.HeadAge
	o.Completed, o.DonePrompt, o.DoneOutput = here.Completed, here.DonePrompt, here.DoneOutput
	o.InFlight, o.InFlightWork = here.InFlight, here.InFlightWork
	o.Attained, o.Missed, o.OutOfReach = d.Attained, d.Missed, d.OutOfReach
	o.Gaps, o.GapTime = d.Gaps, d.GapTime
	o.LastActive = max(m.LastArrived, here.LastEnded)
	o.PerReplica = make(map[string]scale.Load, len(here.PerReplica))
	for _, r := range here.PerReplica {
		o.PerReplica[r.ID] = scale.Load{InFlight: r.InFlight, Work: r.Work}
	}
	if names := n.setup.Load().growing(deployment); names != nil {
		n.overflow.divide(&o, m, deployment, names, n.full)
	}
	n.engines.observe(deployment, &o)
	return o, nil
}

// full says whether a deployment is at its bound: by this gateway's decisions, or
// by those of the one that leads.
func (n *Node) full(deployment string) bool {
	if n.leader != nil && !n.leader.leads() {
		return n.short.full(deployment)
	}
	return n.scaler.full(deployment)
}

// levels runs at each scrape.
func (n *Node) levels() []observe.Level {
	s := n.setup.Load()
	var ls []observe.Level
	for i := range s.Gateway.Models {
		m := &s.Gateway.Models[i]
		for k := range m.Deployments {
			name := m.Deployments[k].Name
			have, err := n.gateway.Demand(name)
			if err != nil {
				continue // a reload is under way
			}
			if k == 0 {
				ls = append(ls, observe.Level{Model: m.Name, Waiting: have.Model.Waiting, WaitingTokens: have.Model.WaitingWork})
			}
			ls = append(ls, observe.Level{Model: m.Name, Deployment: name, InFlight: have.Here.InFlight, InFlightTokens: have.Here.InFlightWork, QuotaUse: have.Here.QuotaUse})
		}
	}
	return ls
}

// Load is how many requests wait for a deployment's model, and how many its
// replicas have in flight.
func (n *Node) Load(deployment string) (waiting, inFlight int) {
	d, err := n.gateway.Demand(deployment)
	if err != nil {
		return 0, 0
	}
	return d.Model.Waiting, d.Here.InFlight
}

// allReplicas are all replicas that Weir itself runs.
func (n *Node) allReplicas() []weir.Replica {
	var all []weir.Replica
	for _, name := range n.setup.Load().placed() {
		if rs, err := n.Replicas(context.Background(), name); err == nil {
			all = append(all, rs...)
		}
	}
	return all
}

// replicaViews shows operators all replicas with their requests in flight.
func (n *Node) replicaViews() []replicaView {
	views := []replicaView{}
	for _, name := range n.setup.Load().placed() {
		rs, err := n.Replicas(context.Background(), name)
		if err != nil {
			continue // a reload is under way
		}
		loads := map[string]scale.Load{}
		if d, err := n.gateway.Demand(name); err == nil {
			for _, l := range d.Here.PerReplica {
				loads[l.ID] = scale.Load{InFlight: l.InFlight, Work: l.Work}
			}
		}
		for _, r := range rs {
			views = append(views, viewOf(r, loads[r.ID].InFlight, loads[r.ID].Work))
		}
	}
	return views
}

// limitUses is the used part of each limit and budget.
func (n *Node) limitUses() []observe.LimitUse {
	uses := n.gateway.LimitUses(observe.MaxLimits)
	shown := make([]observe.LimitUse, len(uses))
	for i, u := range uses {
		shown[i] = observe.LimitUse{Scope: u.Scope.String(), Limit: string(u.Kind), Ratio: u.Ratio}
	}
	return shown
}

func (n *Node) ledgerState() observe.Ledger {
	s := n.writer.Stats()
	return observe.Ledger{Rows: s.Rows, Lag: s.Lag, Written: s.Written, Failures: s.Failures, Coarsened: s.Coarsened}
}

// readiness says why callers should not be sent here: no model has a replica
// that is ready or starting.
func (n *Node) readiness() error {
	if !n.gateway.Ready() {
		return errors.New("weir is stopping: requests in flight are finished, new ones are refused")
	}
	for _, d := range n.setup.Load().Deployments {
		if d.Place == "" {
			return nil // external: its health shows in requests
		}
		if rs, err := n.Replicas(context.Background(), d.Name); err == nil && weir.CountReady(rs) > 0 {
			return nil
		}
		if d.Scaling.Policy.Min == 0 {
			return nil // starts on demand
		}
	}
	return errors.New("no replica of any model is ready yet")
}

// admin is the operators' view of this node.
func (n *Node) admin() *adminAPI {
	a := n.setup.Load().Admin
	return &adminAPI{
		token: a.Token, hosts: a.Hosts, metrics: n.metrics.Handler(n.log), ready: n.readiness, note: n.sharing.note, shared: n.sharing.serve, reload: n.reload,
		replicas: n.replicaViews, usage: n.ledger.Usage, recent: n.scaler.recent, short: n.short.all, starts: n.startViews, gateways: n.gateways, canaries: n.canaryViews, restartCanary: n.restartCanary, cache: n.answers, account: n.account, remote: n.remote, meanings: n.gateway.Meanings, log: n.log,
	}
}
