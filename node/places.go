package node

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"weir"
	"weir/fleet"
	"weir/fleet/shared"
)

// lookEvery is how often a place without fleet.Watcher is asked for its
// replicas. The scaler also looks at each of its steps.
const lookEvery = time.Second

// openPlaces opens every place; a place for the leader alone opens with its
// term.
func (n *Node) openPlaces(ps []Place) (map[string]fleet.Place, error) {
	for _, c := range n.setup.Load().Changes { // a place that only the leader opens would not report it before
		if err := c.Check(); err != nil {
			return nil, err
		}
	}
	places := map[string]fleet.Place{}
	host := Host{Busy: n.gateway.InFlight, Log: n.log}
	if n.leader != nil {
		host.Busy, host.Leads = n.leader.busy, n.leader.leads
	}
	for _, p := range ps {
		open := func() (fleet.Place, error) { return p.Open(host) }
		if p.Alone && n.leader != nil {
			places[p.Name] = n.leader.share(p.Name, open, func() []string { return n.setup.Load().at(p.Name) })
			continue
		}
		opened, err := open()
		if err != nil {
			return nil, err
		}
		places[p.Name] = opened
	}
	for _, d := range n.setup.Load().Deployments {
		if d.Place != "" && places[d.Place] == nil {
			return nil, fmt.Errorf("deployment %q: there is no place %q", d.Name, d.Place)
		}
	}
	return places, nil
}

// placed are the deployments whose replicas Weir runs, in order.
func (s *Setup) placed() (names []string) {
	for i := range s.Deployments {
		if d := &s.Deployments[i]; d.Place != "" {
			names = append(names, d.Name)
		}
	}
	return names
}

// at are the deployments of one place, in order.
func (s *Setup) at(place string) (names []string) {
	for i := range s.Deployments {
		if d := &s.Deployments[i]; d.Place == place {
			names = append(names, d.Name)
		}
	}
	return names
}

// place runs the replicas of a deployment; nil: no place does, or a reload has
// just removed the deployment.
func (n *Node) place(deployment string) fleet.Place {
	s := n.setup.Load()
	i := slices.IndexFunc(s.Deployments, func(d Deployment) bool { return d.Name == deployment })
	if i < 0 {
		return nil
	}
	return n.places[s.Deployments[i].Place]
}

// Replicas are the replicas Weir runs for a deployment.
func (n *Node) Replicas(ctx context.Context, deployment string) ([]weir.Replica, error) {
	p := n.place(deployment)
	if p == nil {
		return nil, fmt.Errorf("%w: %q", fleet.ErrUnknown, deployment)
	}
	return p.Status(ctx, deployment)
}

// own are the replicas at the place itself, for the other gateways.
func (n *Node) own(ctx context.Context, deployment string) ([]weir.Replica, error) {
	if p, ok := n.place(deployment).(*shared.Place); ok {
		return p.Own(ctx, deployment)
	}
	return n.Replicas(ctx, deployment)
}

// observed takes the replicas the scaler saw at a step. A place that watches
// has reported them already, and may have reported later changes since.
func (n *Node) observed(deployment string, rs []weir.Replica) {
	if _, watches := n.place(deployment).(fleet.Watcher); !watches {
		n.replicas.heard(deployment, rs)
	}
}

// lookAgain passes on the replicas of all deployments after a reload. The
// gateway drops replicas of a deployment it does not know yet, or that an
// earlier reload removed; they are passed on again even if unchanged.
func (n *Node) lookAgain() {
	n.replicas.forget()
	for _, name := range n.setup.Load().placed() {
		n.replicas.look(name, func() ([]weir.Replica, error) { return n.Replicas(context.Background(), name) })
	}
}

// replicas passes every change of replicas on to the gateway.
type replicas struct {
	set func(deployment string, rs []weir.Replica) error

	mu   sync.Mutex
	last map[string][]weir.Replica
}

func newReplicas(set func(string, []weir.Replica) error) *replicas {
	return &replicas{set: set, last: map[string][]weir.Replica{}}
}

// forget makes the next look pass everything on, changed or not.
func (r *replicas) forget() {
	r.mu.Lock()
	defer r.mu.Unlock()
	clear(r.last)
}

// heard takes the replicas of a deployment, changed or not.
func (r *replicas) heard(deployment string, rs []weir.Replica) {
	r.look(deployment, func() ([]weir.Replica, error) { return rs, nil })
}

// look looks up the replicas under the lock: a later look is never passed on
// before an earlier one.
func (r *replicas) look(deployment string, up func() ([]weir.Replica, error)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	rs, err := up()
	if err != nil {
		return
	}
	if last, ok := r.last[deployment]; ok && slices.Equal(rs, last) {
		return
	}
	if r.set(deployment, rs) != nil { // a reload has just removed it
		delete(r.last, deployment)
		return
	}
	r.last[deployment] = rs
}
