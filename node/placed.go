package node

import (
	"weir/fleet"
	"weir/observe"
)

// startView is what was learned of a deployment's cold start, as operators see it.
type startView struct {
	Deployment string  `json:"deployment"`
	Starts     int     `json:"starts"` // the medians below are of so many, the last
	Scheduled  float64 `json:"scheduled_seconds"`
	Pulled     float64 `json:"pulled_seconds"`
	Loaded     float64 `json:"loaded_seconds"`
	Total      float64 `json:"total_seconds"`
}

// startViews are the cold starts of all deployments whose place knows their phases.
func (n *Node) startViews() []startView {
	views := []startView{}
	n.eachStart(func(d string, c fleet.ColdStart) {
		views = append(views, startView{Deployment: d, Starts: c.Seen, Scheduled: c.Scheduled.Seconds(), Pulled: c.Pulled.Seconds(),
			Loaded: c.Loaded.Seconds(), Total: c.Total().Seconds()})
	})
	return views
}

// startLevels are the same as metrics.
func (n *Node) startLevels() (ls []observe.ColdStart) {
	n.eachStart(func(d string, c fleet.ColdStart) {
		ls = append(ls, observe.ColdStart{Deployment: d, Scheduled: c.Scheduled, Pulled: c.Pulled, Loaded: c.Loaded})
	})
	return ls
}

func (n *Node) eachStart(do func(deployment string, c fleet.ColdStart)) {
	for _, name := range n.setup.Load().placed() {
		if p, ok := n.place(name).(fleet.Starter); ok {
			if c, known := p.ColdStart(name); known {
				do(name, c)
			}
		}
	}
}

// held are the deployments whose place tells of other writers, and whether there is
// one now.
func (n *Node) held() map[string]bool {
	all := map[string]bool{}
	for _, name := range n.setup.Load().placed() {
		if p, ok := n.place(name).(fleet.Holder); ok {
			all[name] = p.Held(name) != ""
		}
	}
	return all
}

// announce has a deployment's place show its own users what keeps replicas from
// coming.
func (n *Node) announce(deployment, why, text string) {
	if p, ok := n.place(deployment).(fleet.Announcer); ok {
		p.Announce(deployment, why, text)
	}
}
