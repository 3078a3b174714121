package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"sync"
	"time"

	"weir"
	"weir/config"
	"weir/control"
	"weir/price/pricefile"
	"weir/scale"
	"weir/store"
	"weir/wire"
)

// scaler wires package control into a node: demand from the gateway and from
// the engines' own metrics in, decisions to the process place, the journal,
// metrics and log out.
type scaler struct {
	n       *node
	engines *engines

	mu     sync.Mutex
	now    *controlling      // nil while another gateway scales
	latest []decisionView    // those that changed something, newest last
	said   map[string][2]int // have and want of the last one told, by deployment
}

// controlling is a Controller and where it writes what it does.
type controlling struct {
	ctrl    *control.Controller
	journal *control.Journal
	term    store.Term // zero where no other gateway could scale
}

// maxDecisions bounds what GET /admin/decisions shows; the journal has all.
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
}

func newScaler(n *node, c *config.Config) (*scaler, error) {
	s := &scaler{n: n, engines: newEngines(), said: map[string][2]int{}}
	if n.office != nil {
		return s, s.validate(c) // it scales when it is in office
	}
	return s, s.begin(c, nil, store.Term{})
}

// begin makes the Controller. What it remembers of a deployment is in states,
// else in the journal.
func (s *scaler) begin(c *config.Config, states map[string]scale.State, term store.Term) error {
	trouble, err := control.Examine(c.Journal.Path)
	if err != nil {
		return fmt.Errorf("journal.path: %w", err)
	}
	for _, t := range trouble {
		s.n.log.Warn(t)
	}
	known, err := control.Recover(c.Journal.Path)
	if err != nil {
		return fmt.Errorf("journal.path: %w", err)
	}
	maps.Copy(known, states)
	journal, err := control.OpenJournal(control.JournalOptions{Path: c.Journal.Path, MaxBytes: int64(c.Journal.MaxSize), Tell: func(trouble string) { s.n.log.Error(trouble) }})
	if err != nil {
		return fmt.Errorf("journal.path: %w", err)
	}
	targets, err := s.targets(c)
	if err != nil {
		return errors.Join(err, journal.Close())
	}
	ctrl, err := control.New(control.Options{
		Journal: journal, Holder: term.Holder, Token: term.Token,
		Decided: func(e control.Event) { s.decided(e, term) },
		Failed: func(deployment string, err error) {
			s.n.log.Error("no scaling decision", "deployment", deployment, "error", err)
		},
	}, targets, known)
	if err != nil {
		return errors.Join(err, journal.Close())
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now = &controlling{ctrl, journal, term}
	return nil
}

// serve scales in one term of office.
func (s *scaler) serve(ctx context.Context, states map[string]scale.State, term store.Term) error {
	if err := s.begin(s.n.config.Load(), states, term); err != nil {
		return err
	}
	err := s.controller().Run(ctx)
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

// poke lets a deployment be decided on at once.
func (s *scaler) poke(deployment string) {
	if c := s.controller(); c != nil {
		c.Poke(deployment)
	}
}

// targets are the deployments whose replicas Weir runs.
func (s *scaler) targets(c *config.Config) ([]control.Target, error) {
	prices, err := pricefile.Catalogue("")
	if err != nil {
		return nil, err
	}
	var ts []control.Target
	for i := range c.Models {
		m := &c.Models[i]
		for k := range m.Deployments {
			d := &m.Deployments[k]
			if d.Process == nil {
				continue
			}
			p, err := wire.Policy(m, d, prices)
			if err != nil {
				return nil, fmt.Errorf("scaling of %s: %w", d.Name, err)
			}
			is := wire.Scaling(d)
			ts = append(ts, control.Target{
				Deployment: d.Name, Actuator: s.n.fleet, Demand: s.demand(is.Quota), Policy: p, Zone: is.Location(),
			})
		}
	}
	return ts, nil
}

// validate says whether configure would take the configuration.
func (s *scaler) validate(c *config.Config) error {
	targets, err := s.targets(c)
	if err != nil {
		return err
	}
	var faults []error
	for _, t := range targets {
		if err := t.Policy.Validate(); err != nil {
			faults = append(faults, fmt.Errorf("scaling of %s: %w", t.Deployment, err))
		}
	}
	return errors.Join(faults...)
}

func (s *scaler) configure(c *config.Config) error {
	targets, err := s.targets(c)
	if err != nil {
		return err
	}
	if ctrl := s.controller(); ctrl != nil {
		return ctrl.Configure(targets)
	}
	return nil
}

// run asks the engines, and steps where no other gateway could, until ctx ends.
func (s *scaler) run(ctx context.Context) error {
	var wg sync.WaitGroup
	wg.Go(func() { s.engines.run(ctx, s.n) })
	var err error
	if s.n.office == nil {
		err = s.controller().Run(ctx)
	}
	wg.Wait()
	return err
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

// demand observes a deployment: the demand of this gateway, or of all on one
// database.
func (s *scaler) demand(quota int) control.Demand {
	return func(now weir.Instant, deployment string) (scale.Observation, error) {
		observe := s.here
		if s.n.office != nil {
			observe = s.n.office.demand
		}
		o, err := observe(now, deployment)
		if err != nil {
			return o, err
		}
		if o.Quota = s.n.fleet.Room(deployment); quota > 0 && (o.Quota < 0 || quota < o.Quota) {
			o.Quota = quota
		}
		return o, nil
	}
}

// here observes a deployment at this gateway: its own part of the demand, and
// the model's queue, which the first deployment that can grow answers for.
func (s *scaler) here(now weir.Instant, deployment string) (scale.Observation, error) {
	o := scale.Unknown(now)
	d, err := s.n.gateway.Demand(deployment)
	if err != nil {
		return o, err
	}
	m, here := d.Model, d.Here
	o.Arrived, o.ArrivedPrompt, o.ArrivedOutput = m.Arrived, m.ArrivedPrompt, m.ArrivedOutput
	o.Waiting, o.WaitingWork, o.HeadAge = m.Waiting, m.WaitingWork, m.HeadAge
	o.Completed, o.DonePrompt, o.DoneOutput = here.Completed, here.DonePrompt, here.DoneOutput
	o.InFlight, o.InFlightWork = here.InFlight, here.InFlightWork
	o.Attained, o.Missed = d.Attained, d.Missed
	o.LastActive = max(m.LastArrived, here.LastEnded)
	o.PerReplica = make(map[string]scale.Load, len(here.PerReplica))
	for _, r := range here.PerReplica {
		o.PerReplica[r.ID] = scale.Load{InFlight: r.InFlight, Work: r.Work}
	}
	s.engines.observe(deployment, &o)
	return o, nil
}

// decided tells everybody of a decision that changes something.
func (s *scaler) decided(e control.Event, term store.Term) {
	rules := make([]string, 0, len(e.Decision.Reasons))
	for _, r := range e.Decision.Reasons {
		rules = append(rules, string(r.Rule))
	}
	s.n.metrics.Decided(e.Deployment, e.Decision.Want, rules...)
	if s.n.office != nil {
		s.n.office.stepped(e.Deployment, e.State)
	}
	if !e.Acted || !s.news(e) {
		return
	}
	if s.n.office != nil {
		s.n.office.acted(term, e.Deployment, e.Decision)
	}
	v := decisionView{
		At: e.Observation.Now.Time(), Deployment: e.Deployment, Have: e.Decision.Have,
		Wanted: e.Decision.Wanted, Want: e.Decision.Want, Reasons: e.Decision.Reasons,
	}
	args := []any{"deployment", e.Deployment, "have", v.Have, "want", v.Want, "why", v.Reasons.String()}
	if e.Err != nil {
		v.Err = e.Err.Error()
		s.n.log.Warn("scaled, but not as asked", append(args, "error", e.Err)...)
	} else {
		s.n.log.Info("scaled", args...)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.latest = append(s.latest, v)
	if extra := len(s.latest) - maxDecisions; extra > 0 {
		s.latest = append([]decisionView(nil), s.latest[extra:]...)
	}
}

// news says whether a decision differs from the last one told: a replica that
// cannot start is asked for again at every step.
func (s *scaler) news(e control.Event) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	is := [2]int{e.Decision.Have, e.Decision.Want}
	if was, told := s.said[e.Deployment]; told && was == is && e.Err == nil {
		return false
	}
	s.said[e.Deployment] = is
	return true
}

func (s *scaler) recent() []decisionView {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]decisionView{}, s.latest...)
}
