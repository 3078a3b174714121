package gateway

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"

	"weir"
	"weir/canary"
	"weir/dispatch"
)

// Canary makes a deployment a new version, compared with a stable one of the same model
// and tier.
type Canary struct {
	Of   string // the stable deployment; the two share its weight
	Plan canary.Plan
}

// CanaryStep is one change of a canary's share.
type CanaryStep struct {
	Model, Stable, Deployment string
	Change                    canary.Change
}

// CanaryStatus is the current state of a trial.
type CanaryStatus struct {
	Model, Stable, Deployment string
	Share                     int // of canary.Whole
	State                     canary.State
	Figures                   canary.Figures // of the current step
}

// trial is a canary of a model. It lives as long as its deployment is a canary. The
// model's lock guards it.
type trial struct {
	stable, name string
	plan         canary.Plan
	state        canary.State
}

// trialsOf returns the trials of a model. Each continues from the current trial of the
// same deployment, else from its stored state.
func trialsOf(m *Model, present []*trial, stored map[string]canary.State, now weir.Instant) (ts []*trial) {
	for i := range m.Deployments {
		d := &m.Deployments[i]
		if d.Canary == nil {
			continue
		}
		state := stored[d.Name]
		if i := slices.IndexFunc(present, func(t *trial) bool { return t.name == d.Name }); i >= 0 {
			state = present[i].state
		}
		ts = append(ts, &trial{stable: d.Canary.Of, name: d.Name, plan: d.Canary.Plan, state: canary.Begin(d.Canary.Plan, state, now)})
	}
	return ts
}

// weighed is o with the trials' weights. All weights are multiplied to make the
// smallest share of the smallest weight a whole number.
func weighed(o dispatch.Options, trials []*trial) dispatch.Options {
	if len(trials) == 0 {
		return o
	}
	o.Deployments = slices.Clone(o.Deployments)
	at := func(name string) *dispatch.Deployment {
		return &o.Deployments[slices.IndexFunc(o.Deployments, func(d dispatch.Deployment) bool { return d.Name == name })]
	}
	for i := range o.Deployments {
		o.Deployments[i].Weight *= canary.Whole
	}
	for _, t := range trials {
		stable, share := at(t.stable), t.state.Share(t.plan)
		each := stable.Weight / canary.Whole
		at(t.name).Weight, stable.Weight = each*share, each*(canary.Whole-share)
	}
	return o
}

// configure sets the model's new options and trials.
func (m *model) configure(now weir.Instant, o dispatch.Options, conf *Model, stored map[string]canary.State) {
	m.tell(func(core *dispatch.Core) []dispatch.Verdict {
		m.trials, m.options = trialsOf(conf, m.trials, stored, now), o
		return core.Configure(now, weighed(o, m.trials))
	})
}

// observe counts the result of an attempt at a deployment on trial. It says whether
// that ended a step; the traffic has then been shifted.
func (m *model) observe(now weir.Instant, deployment string, o canary.Outcome) (step CanaryStep, stepped bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, t := range m.trials {
		arm := canary.Canary
		switch deployment {
		case t.stable:
			arm = canary.Stable
		case t.name:
		default:
			continue
		}
		if change, ok := t.state.Observe(t.plan, now, arm, o); ok {
			m.reweigh(now)
			return CanaryStep{m.name, t.stable, t.name, change}, true
		}
	}
	return CanaryStep{}, false
}

// reweigh passes the current shares to the core. The lock is held.
func (m *model) reweigh(now weir.Instant) {
	for _, v := range m.core.Configure(now, weighed(m.options, m.trials)) {
		m.deliver(v)
	}
	m.rearm()
}

// outcome is the trial result of the attempt that just ended; not ok: none. f is its
// failure, nil if it answered.
func (b *booking) outcome(now weir.Instant, f *failure) (o canary.Outcome, ok bool) {
	o.Granted = b.grantedAt
	if waited := b.grantedAt.Sub(b.rec.Arrived); b.rec.TTFT > waited {
		o.TTFT = b.rec.TTFT - waited
		o.TPOT = b.rec.TPOT
	}
	if f == nil {
		return o, true
	}
	if f.problem.is == errThrottled { // a lack of room says nothing about a version
		return o, false
	}
	switch f.result {
	case dispatch.Throttled, dispatch.TooLong: // the same
		return o, false
	case dispatch.Abandoned:
		if f.problem.is == errStopping {
			return o, false
		}
		if o.TTFT == 0 { // it would have taken even longer
			o.TTFT = now.Sub(b.grantedAt)
		}
		return o, true
	}
	switch answers[f.problem.is].fault {
	case weir.UpstreamFault:
		o.Failed = true
	case weir.CallerFault:
		// A version that refuses what the other accepts is worse. But a sticky caller that
		// keeps sending bad requests to one version is not that version's fault.
		if b.served.sticky.By != NotSticky {
			return o, false
		}
		o.Failed = true
	default:
		return o, false
	}
	return o, true
}

// learned passes the result of the current attempt to its trial.
func (c *call) learned(f *failure) {
	b := &c.booking
	if b.target == nil || !b.target.onTrial {
		return
	}
	now := c.g.now()
	if o, ok := b.outcome(now, f); ok {
		c.g.observe(now, b.target, o)
	}
}

func (g *Gateway) observe(now weir.Instant, t *target, o canary.Outcome) {
	step, ok := t.model.observe(now, t.Name, o)
	if !ok {
		return
	}
	g.sayStep(step)
	if g.canaryStepped != nil {
		g.canaryStepped(step)
	}
}

// sayStep logs a canary's step with its figures.
func (g *Gateway) sayStep(s CanaryStep) {
	c, level, message := s.Change, slog.LevelInfo, "canary stepped forward"
	attrs := []any{"model", s.Model, "canary", s.Deployment, "stable", s.Stable, "from", sharePercent(c.From), "to", sharePercent(c.To),
		"requests_stable", c.Figures.Requests[canary.Stable], "requests_canary", c.Figures.Requests[canary.Canary]}
	switch c.Phase {
	case canary.SteppedBack:
		level, message = slog.LevelWarn, "canary rolled back: significantly worse"
		attrs = append(attrs, "because", c.Why, "evidence_needed", c.Figures.Threshold)
	case canary.Promoted:
		message = "canary promoted: it has all of the traffic"
	}
	for _, m := range c.Figures.Measures {
		attrs = append(attrs, slog.Group(m.Name, "stable", m.Stable, "canary", m.Canary, "evidence", m.Evidence))
	}
	g.log.Log(context.Background(), level, message, attrs...)
}

func sharePercent(share int) string {
	return strconv.FormatFloat(float64(share)/canary.Whole*100, 'f', -1, 64) + "%"
}

// Canaries returns the state of all trials, in configured order.
func (g *Gateway) Canaries() (all []CanaryStatus) {
	for _, s := range g.state.Load().list {
		s.mu.Lock()
		for _, t := range s.trials {
			all = append(all, CanaryStatus{
				Model: s.name, Stable: t.stable, Deployment: t.name,
				Share: t.state.Share(t.plan), State: t.state, Figures: t.state.Figures(t.plan),
			})
		}
		s.mu.Unlock()
	}
	return all
}

// RestartCanary restarts a deployment's trial at its first step.
func (g *Gateway) RestartCanary(deployment string) error {
	t := g.state.Load().targets[deployment]
	if t == nil || t.Canary == nil {
		return fmt.Errorf("deployment %q is not a canary: nothing was changed", deployment)
	}
	now := g.now()
	t.model.mu.Lock()
	defer t.model.mu.Unlock()
	for _, tr := range t.model.trials {
		if tr.name == deployment {
			tr.state = canary.Begin(tr.plan, canary.State{}, now)
			t.model.reweigh(now)
			return nil
		}
	}
	return fmt.Errorf("deployment %q was just removed from the configuration: nothing was changed", deployment)
}

// trials checks the canaries of a model.
func (v *validator) trials(m *Model) {
	stable := map[string]bool{}
	for i := range m.Deployments {
		d := &m.Deployments[i]
		if d.Canary == nil {
			continue
		}
		of := slices.IndexFunc(m.Deployments, func(o Deployment) bool { return o.Name == d.Canary.Of })
		err := d.Canary.Plan.Validate()
		if of < 0 || m.Deployments[of].Canary != nil || m.Deployments[of].Tier != d.Tier || stable[d.Canary.Of] {
			err = errors.Join(err, fmt.Errorf("canary of %q, which must be a stable deployment of model %q and tier %d, with no other canary", d.Canary.Of, m.Name, d.Tier))
		}
		stable[d.Canary.Of] = true
		if err != nil {
			v.fault("deployment %q: %w", d.Name, err)
		}
	}
}
