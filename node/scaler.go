package node

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"sync"
	"time"

	"weir"
	"weir/control"
	"weir/fleet"
	"weir/scale"
	"weir/store"
)

// scalerOptions are the funcs a scaler needs. remember and acted are nil where
// only this gateway can scale.
type scalerOptions struct {
	setup    func() *Setup          // in force
	places   map[string]fleet.Place // by name
	demand   func(now weir.Instant, deployment string) (scale.Observation, error)
	observed func(deployment string, rs []weir.Replica)                 // replicas seen at a step
	decided  func(deployment string, want int, rules ...string)         // called at every step
	short    func(deployment, why string)                               // called when a place could not give the number
	lacking  *shortages                                                 // told every decision; nil: no one needs them
	remember func(deployment string, s scale.State)                     // state the next step begins with
	acted    func(term store.Term, deployment string, d scale.Decision) // called for new decisions
	log      *slog.Logger
}

// scaler runs package control: demand in, decisions to the places, the journal,
// metrics and log out.
type scaler struct {
	o scalerOptions

	configuring sync.Mutex

	mu     sync.Mutex
	now    *controlling         // nil while another gateway scales
	bounds map[string]bound     // as last asked for, by deployment
	atMost map[string]bool      // the last decision was below what the demand asked for
	latest []decisionView       // decisions that changed something, newest last
	said   map[string]announced // by deployment
}

// announced is what was last said of a deployment.
type announced struct {
	have, want int
	err        string
}

// controlling is a Controller and its journal.
type controlling struct {
	ctrl    *control.Controller
	journal *control.Journal
}

// maxDecisions bounds the list of GET /admin/decisions; the journal has all.
const maxDecisions = 200

// decisionView is one decision as operators see it.
type decisionView struct {
	At         time.Time     `json:"at"`
	Deployment string        `json:"deployment"`
	Have       int           `json:"have"`
	Wanted     int           `json:"wanted"`
	Want       int           `json:"want"`
	Reasons    scale.Reasons `json:"reasons"`
	Err        string        `json:"error,omitempty"`
	Why        string        `json:"why,omitempty"` // the place gives no more: its reason, in a word
}

// newScaler makes a scaler that scales from the start or, where acted is set,
// in each term of this gateway as the leader.
func newScaler(o scalerOptions, setup *Setup) (*scaler, error) {
	s := &scaler{o: o, said: map[string]announced{}, bounds: map[string]bound{}, atMost: map[string]bool{}}
	if o.acted != nil {
		return s, validPolicies(setup)
	}
	return s, s.begin(setup, nil, store.Term{})
}

// begin makes the Controller. A deployment's state comes from states, else from
// the journal.
func (s *scaler) begin(setup *Setup, states map[string]scale.State, term store.Term) error {
	j := setup.Journal
	j.Tell = func(trouble string) { s.o.log.Error(trouble) }
	trouble, err := control.Examine(j.Path)
	if err != nil {
		return fmt.Errorf("journal.path: %w", err)
	}
	for _, t := range trouble {
		s.o.log.Warn(t)
	}
	known, err := control.Recover(j.Path)
	if err != nil {
		return fmt.Errorf("journal.path: %w", err)
	}
	maps.Copy(known, states)
	journal, err := control.OpenJournal(j)
	if err != nil {
		return fmt.Errorf("journal.path: %w", err)
	}
	ctrl, err := control.New(control.Options{
		Journal: journal, Holder: term.Holder, Token: term.Token,
		Replicas: s.o.observed,
		Decided:  func(e control.Event) { s.decided(e, term) },
		Failed: func(deployment string, err error) {
			if errors.Is(err, fleet.ErrNotYet) {
				return // the next step asks again
			}
			s.o.log.Error("no scaling decision", "deployment", deployment, "error", err)
		},
	}, s.targets(setup), known)
	if err != nil {
		return errors.Join(err, journal.Close())
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now = &controlling{ctrl, journal}
	s.atMost = map[string]bool{} // not those of an earlier term
	return nil
}

// serve scales in one term as the leader.
func (s *scaler) serve(ctx context.Context, states map[string]scale.State, term store.Term) error {
	if err := s.begin(s.o.setup(), states, term); err != nil {
		return err
	}
	err := s.configure() // a reload since the line above found no controller
	if err == nil {
		err = s.controller().Run(ctx)
	}
	return errors.Join(err, s.close())
}

// controller is nil while another gateway scales.
func (s *scaler) controller() *control.Controller {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.now == nil {
		return nil
	}
	return s.now.ctrl
}

// poke has a deployment decided on at once.
func (s *scaler) poke(deployment string) {
	if c := s.controller(); c != nil {
		c.Poke(deployment)
	}
}

// targets are the deployments whose replicas Weir runs.
func (s *scaler) targets(setup *Setup) (ts []control.Target) {
	for i := range setup.Deployments {
		d := &setup.Deployments[i]
		if d.Place == "" {
			continue
		}
		p := s.o.places[d.Place]
		ts = append(ts, control.Target{
			Deployment: d.Name, Actuator: p, Demand: s.demand(p, d.Scaling.Quota), Policy: d.Scaling.Policy, Zone: d.Scaling.Zone,
		})
	}
	return ts
}

// validPolicies returns the errors Configure would have for a setup.
func validPolicies(setup *Setup) error {
	var faults []error
	for i := range setup.Deployments {
		d := &setup.Deployments[i]
		if d.Place == "" {
			continue
		}
		if err := d.Scaling.Policy.Validate(); err != nil {
			faults = append(faults, fmt.Errorf("scaling of %s: %w", d.Name, err))
		}
	}
	return errors.Join(faults...)
}

// configure gives the controller the setup in force. The lock is held around
// both, so a reload and the beginning of a term cannot leave an older setup.
func (s *scaler) configure() error {
	s.configuring.Lock()
	defer s.configuring.Unlock()
	if ctrl := s.controller(); ctrl != nil {
		return ctrl.Configure(s.targets(s.o.setup()))
	}
	return nil
}

// run steps until ctx ends, where only this gateway can scale.
func (s *scaler) run(ctx context.Context) error {
	if s.o.acted != nil {
		return nil // it steps in serve
	}
	return s.controller().Run(ctx)
}

// close closes the journal, if this gateway scales.
func (s *scaler) close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.now == nil {
		return nil
	}
	journal := s.now.journal
	s.now = nil
	return journal.Close()
}

// demand observes a deployment, with the room for its replicas.
func (s *scaler) demand(p fleet.Place, quota int) control.Demand {
	return func(now weir.Instant, deployment string) (scale.Observation, error) {
		o, err := s.o.demand(now, deployment)
		if err != nil {
			return o, err
		}
		b := boundOf(p, deployment, quota)
		s.mu.Lock()
		s.bounds[deployment] = b
		s.mu.Unlock()
		o.Quota, o.QuotaText = b.most, b.text
		return o, nil
	}
}

// decided passes a decision on, and announces one that changes something.
func (s *scaler) decided(e control.Event, term store.Term) {
	rules := make([]string, 0, len(e.Decision.Reasons))
	for _, r := range e.Decision.Reasons {
		rules = append(rules, string(r.Rule))
	}
	s.o.decided(e.Deployment, e.Decision.Want, rules...)
	s.mu.Lock()
	b := s.bounds[e.Deployment]
	if s.atMost != nil {
		s.atMost[e.Deployment] = e.Decision.Wanted > e.Decision.Want
	}
	s.mu.Unlock()
	if s.o.lacking != nil {
		s.o.lacking.decided(e, b)
	}
	if s.o.remember != nil {
		s.o.remember(e.Deployment, e.State)
	}
	var short *fleet.Shortage
	if errors.As(e.Err, &short) {
		s.o.short(e.Deployment, short.Why)
	}
	if !e.Acted || !s.isNew(e) {
		return
	}
	if s.o.acted != nil {
		s.o.acted(term, e.Deployment, e.Decision)
	}
	v := decisionView{
		At: e.Observation.Now.Time(), Deployment: e.Deployment, Have: e.Decision.Have,
		Wanted: e.Decision.Wanted, Want: e.Decision.Want, Reasons: e.Decision.Reasons,
	}
	args := []any{"deployment", e.Deployment, "have", v.Have, "want", v.Want, "why", v.Reasons.String()}
	if e.Err != nil {
		v.Err = e.Err.Error()
		if short != nil {
			v.Why = short.Why
		}
		s.o.log.Warn("scaled, but not as asked", append(args, "error", e.Err)...)
	} else {
		s.o.log.Info("scaled", args...)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.latest = append(s.latest, v)
	if extra := len(s.latest) - maxDecisions; extra > 0 {
		s.latest = append([]decisionView(nil), s.latest[extra:]...)
	}
}

// isNew says whether a decision or its outcome differs from the last one
// announced: every step asks again for a replica that cannot start.
func (s *scaler) isNew(e control.Event) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	is := announced{have: e.Decision.Have, want: e.Decision.Want}
	if e.Err != nil {
		is.err = e.Err.Error()
	}
	if was, said := s.said[e.Deployment]; said && was == is {
		return false
	}
	s.said[e.Deployment] = is
	return true
}

// full says whether a deployment is at its bound: its demand asks for more.
func (s *scaler) full(deployment string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.atMost[deployment]
}

func (s *scaler) recent() []decisionView {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]decisionView{}, s.latest...)
}
