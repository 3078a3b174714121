package node

import (
	"cmp"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"weir"
	"weir/control"
	"weir/dispatch"
	"weir/fleet"
	"weir/observe"
	"weir/peers"
	"weir/scale"
)

// shortage is a deployment whose place gives fewer replicas than are needed.
type shortage struct {
	Deployment string     `json:"deployment"`
	Have       int        `json:"have"`
	Missing    int        `json:"missing"`
	Why        string     `json:"why"` // a word of package fleet, or of package scale
	Text       string     `json:"text"`
	Since      time.Time  `json:"since"`
	Again      *time.Time `json:"again,omitempty"` // when the place is asked for more
}

// shortages are those of all deployments, as the last decisions have them. What
// a place says is written once into metrics, log, the operators' address and the
// refusals of callers.
type shortages struct {
	tell func(deployment string, s dispatch.Shortage) // the gateway
	log  *slog.Logger
	// announce has the place show it; nil: none does.
	announce func(deployment, why, text string)

	mu    sync.Mutex
	by    map[string]shortage
	leads bool                   // this gateway decides, of several on one store
	heard map[string]peers.Bound // while another does: as the leader last said
}

func newShortages(tell func(string, dispatch.Shortage), log *slog.Logger) *shortages {
	return &shortages{tell: tell, log: log, by: map[string]shortage{}}
}

// decided takes a decision, with the bound of the place that it was made under.
func (s *shortages) decided(e control.Event, b bound) {
	now := shortageOf(e, b)
	s.mu.Lock()
	was, short := s.by[e.Deployment]
	if now.Missing == 0 {
		delete(s.by, e.Deployment)
	} else {
		if short {
			now.Since = was.Since
		}
		s.by[e.Deployment] = now
	}
	s.mu.Unlock()
	switch {
	case now.Missing == 0 && short:
		s.tell(e.Deployment, dispatch.Shortage{})
		s.log.Info("replicas can come again, or are no longer needed", "deployment", e.Deployment, "after", now.Since.Sub(was.Since).Round(time.Second))
		s.show(e.Deployment, "", fmt.Sprintf("after %v replicas can come again, or are no longer needed", now.Since.Sub(was.Since).Round(time.Second)))
	case now.Missing > 0:
		d := dispatch.Shortage{Why: now.Why, Text: now.Text}
		if now.Again != nil {
			d.Again = weir.At(*now.Again)
		}
		s.tell(e.Deployment, d)
		if !short || was.Why != now.Why || was.Missing != now.Missing {
			s.log.Warn("replicas cannot come", "deployment", e.Deployment, "have", now.Have, "missing", now.Missing, "why", now.Why, "text", now.Text)
			s.show(e.Deployment, now.Why, fmt.Sprintf("%d replicas that are needed cannot come: %s", now.Missing, now.Text))
		}
	}
}

func (s *shortages) show(deployment, why, text string) {
	if s.announce != nil {
		s.announce(deployment, why, text)
	}
}

// lead begins and ends a term of this gateway as the leader. What it heard, or
// decided, counts no more.
func (s *shortages) lead(leads bool) {
	s.mu.Lock()
	s.hear(nil)
	s.leads = leads
	s.mu.Unlock()
	s.forget(func(string) bool { return false })
}

// follow takes the leader's bounds on a gateway that does not lead: its callers
// hear of a shortage as the leader's do. The lock is held meanwhile, so that
// nothing of it is told in a term of this gateway's own.
func (s *shortages) follow(all map[string]peers.Bound) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.leads {
		s.hear(all)
	}
}

func (s *shortages) hear(all map[string]peers.Bound) {
	for name, b := range s.heard {
		if b.Why != "" && all[name].Why == "" {
			s.tell(name, dispatch.Shortage{})
		}
	}
	for name, b := range all {
		if b.Why != "" { // each time: a reload may have made the model again
			s.tell(name, dispatch.Shortage(b))
		}
	}
	s.heard = all
}

// bounds are what the leader tells the other gateways of the deployments names.
func (s *shortages) bounds(names []string, full func(string) bool) map[string]peers.Bound {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := map[string]peers.Bound{}
	for _, name := range names {
		x, short := s.by[name]
		if !short && !full(name) {
			continue
		}
		b := peers.Bound{Why: x.Why, Text: x.Text}
		if x.Again != nil {
			b.Again = weir.At(*x.Again)
		}
		all[name] = b
	}
	return all
}

// full says whether the leader's last word was that a deployment is at its bound.
func (s *shortages) full(deployment string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, is := s.heard[deployment]
	return is
}

// shortageOf is the part of a decision that the place does not give.
func shortageOf(e control.Event, b bound) shortage {
	s := shortage{Deployment: e.Deployment, Have: e.Decision.Have, Since: e.Observation.Now.Time()}
	for _, r := range e.Decision.Reasons {
		if r.Rule != scale.RuleQuota && r.Rule != scale.RuleStockOut || r.From <= r.To {
			continue
		}
		s.Missing += r.From - r.To
		s.Why, s.Text = string(r.Rule), r.Note
		if r.Rule == scale.RuleStockOut {
			until := e.State.Breaker.Until.Time()
			s.Again = &until
		}
	}
	if s.Missing > 0 && b.why != "" {
		s.Why, s.Text = b.why, b.text
	}
	if s.Missing > 0 && !b.again.IsZero() {
		s.Again = &b.again
	}
	return s
}

// bounded says whether a deployment can have no more replicas than it has.
func (s *shortages) bounded(deployment string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.by[deployment].Missing > 0
}

// forget drops deployments that a reload removed, and at the end of a term all.
func (s *shortages) forget(keep func(deployment string) bool) {
	s.mu.Lock()
	var gone []string
	for name := range s.by {
		if !keep(name) {
			gone = append(gone, name)
			delete(s.by, name)
		}
	}
	s.mu.Unlock()
	for _, name := range gone {
		s.tell(name, dispatch.Shortage{})
	}
}

// all are the shortages in order of name.
func (s *shortages) all() []shortage {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := make([]shortage, 0, len(s.by))
	for _, x := range s.by {
		list = append(list, x)
	}
	slices.SortFunc(list, func(a, b shortage) int { return cmp.Compare(a.Deployment, b.Deployment) })
	return list
}

// levels are the shortages as metrics.
func (s *shortages) levels() (ls []observe.Short) {
	for _, x := range s.all() {
		ls = append(ls, observe.Short{Deployment: x.Deployment, Why: x.Why, Missing: x.Missing})
	}
	return ls
}

// bound is what bounds a deployment's replicas, and when the place is asked for
// more again.
type bound struct {
	most      int
	why, text string
	again     time.Time
}

// boundOf asks a place. quota is the file's own bound; 0: none.
func boundOf(p fleet.Place, deployment string, quota int) bound {
	b := bound{}
	if s, ok := p.(fleet.Bounder); ok {
		b.most, b.why, b.text = s.Bound(deployment)
		b.again = s.Again(deployment)
	} else {
		b.most = p.Room(deployment)
	}
	if quota > 0 && (b.most < 0 || quota < b.most) {
		b = bound{most: quota}
	}
	return b
}
