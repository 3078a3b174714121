package whatif

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"weir"
	"weir/config"
	"weir/report/words"
	"weir/sim"
)

// Bounds of the search for a setting that meets the goal.
const (
	adviseRounds   = 3
	adviseRuns     = 40
	adviseRequests = 50_000 // of one run; beyond it the search runs only on request
	attainedGoal   = 0.99   // without scaling.attainment
)

// Advice is the cheapest setting found that meets the goal, for a run that
// misses it.
type Advice struct {
	Policy   string            `json:"policy"`
	Goal     float64           `json:"goal_share"`
	Tried    int               `json:"tried_settings"`
	Found    bool              `json:"found"`
	Settings map[string]string `json:"settings,omitempty"` // in addition to those of the run
	Attained float64           `json:"attained_share"`     // with these settings, of the requests that an idle replica serves in time; that of the best one tried, if none meets the goal
	Cost     weir.Money        `json:"cost_dollars"`
	Before   weir.Money        `json:"cost_before_dollars"`
	Why      string            `json:"why,omitempty"` // why nothing was tried

	changed []Change
}

// adviser searches settings for one contender.
type adviser struct {
	s    *Setting
	t    *Traffic
	of   Contender
	goal float64
	runs []Contender // all that were tried
}

// Advise looks for a setting with which the first run that misses its goal
// meets it, and sets s.Advice; nil if every run meets it. With many requests it
// searches only on request (asked).
func (s *Study) Advise(ctx context.Context, asked bool) (err error) {
	s.Advice, err = s.advise(ctx, asked)
	return err
}

func (s *Study) advise(ctx context.Context, asked bool) (*Advice, error) {
	i := slices.IndexFunc(s.Runs, func(c Contender) bool { return c.Result.Reachable < s.Setting.goal() })
	if i < 0 {
		return nil, nil
	}
	c := s.Runs[i]
	out := &Advice{Policy: c.Label, Goal: s.Setting.goal(), Attained: c.Result.Reachable, Cost: c.Result.Cost, Before: c.Result.Cost}
	switch {
	case c.Policy == Clairvoyant || c.Policy == Foreseeing:
		out.Why = "it knows the future"
		return out, nil
	case c.Result.Arrived > adviseRequests && !asked:
		out.Why = fmt.Sprintf("more than %d requests: ask with --advise", adviseRequests)
		return out, nil
	}
	a := adviser{s: s.Setting, t: s.Traffic, of: c, goal: out.Goal}
	best, err := a.search(ctx)
	if err != nil {
		return nil, err
	}
	out.Tried = len(a.runs)
	if best == nil {
		if out.Tried == 0 {
			out.Why = "no scaling setting affects the cause of its misses"
		}
		return out, nil
	}
	out.Found, out.Attained, out.Cost = best.Result.Reachable >= a.goal, best.Result.Reachable, best.Result.Cost
	out.changed = best.Settings[len(c.Settings):]
	out.Settings = map[string]string{}
	for _, v := range out.changed {
		out.Settings[v.Key] = v.Value
	}
	return out, nil
}

// goal is the share of requests that should meet the SLO.
func (s *Setting) goal() float64 {
	for i := range s.Model.Deployments {
		if d := &s.Model.Deployments[i]; d.Scaling != nil && d.Scaling.Attainment > 0 {
			return d.Scaling.Attainment.Fraction()
		}
	}
	return attainedGoal
}

// search tries changes one at a time, then others on top of the best of them,
// until one meets the goal. Then it looks for the least of that change that
// still does.
func (a *adviser) search(ctx context.Context) (*Contender, error) {
	base := a.of
	var best *Contender
	for range adviseRounds {
		tried, err := a.try(ctx, base, a.axes(base))
		if err != nil || len(tried) == 0 {
			return best, err
		}
		next := a.better(tried)
		if next.Result.Reachable <= base.Result.Reachable {
			return best, nil
		}
		base, best = next, &next
		if next.Result.Reachable >= a.goal {
			return a.refine(ctx, next)
		}
	}
	return best, nil
}

// better is the cheapest that meets the goal; if none does, the one nearest to
// it.
func (a *adviser) better(cs []Contender) Contender {
	best := cs[0]
	for _, c := range cs[1:] {
		was, is := best.Result, c.Result
		switch {
		case is.Attainment >= a.goal && (was.Attainment < a.goal || is.Cost < was.Cost),
			is.Attainment < a.goal && was.Attainment < a.goal && is.Attainment > was.Attainment:
			best = c
		}
	}
	return best
}

// try runs the contender with each change; changes that the file's checks
// refuse are passed over.
func (a *adviser) try(ctx context.Context, base Contender, changes []Change) ([]Contender, error) {
	var cs []Contender
	for _, v := range changes {
		c := base
		c.Settings = append(slices.Clone(base.Settings), v)
		c.Result = nil
		changed, err := a.s.With(c.Settings)
		if err != nil || len(a.runs)+len(cs) >= adviseRuns {
			continue
		}
		if !runnable(changed) {
			continue
		}
		cs = append(cs, c)
	}
	if len(cs) == 0 {
		return nil, nil
	}
	quiet := *a.s
	quiet.Journal = nil
	err := RunAll(ctx, &quiet, a.t, cs, nil)
	a.runs = append(a.runs, cs...)
	return cs, err
}

// runnable says whether every policy of a setting is valid.
func runnable(s *Setting) bool {
	run, err := s.Config()
	if err != nil {
		return false
	}
	for i := range run.Deployments {
		if own := run.Deployments[i].Own; own != nil && own.Policy.Validate() != nil {
			return false
		}
	}
	return true
}

// axes are the changes that may help against the causes of a run's misses.
func (a *adviser) axes(c Contender) []Change {
	s, err := a.s.With(c.Settings)
	if err != nil {
		return nil
	}
	d := scaledOf(s.Model)
	if d == nil {
		return nil
	}
	has := func(causes ...sim.Cause) bool {
		return slices.ContainsFunc(c.Result.Misses, func(m sim.Miss) bool { return slices.Contains(causes, m.Cause) })
	}
	var all []Change
	set := func(key, format string, value any) { all = append(all, Change{key, fmt.Sprintf(format, value)}) }
	if has(sim.AtMax, sim.SlowPrefill, sim.SlowDecode) {
		for _, times := range []int{2, 4, 8} {
			set("scaling.max", "%d", d.Scaling.Max*times)
		}
	}
	if has(sim.NoRoom) && d.Scaling.Quota > 0 {
		set("scaling.quota", "%d", 2*d.Scaling.Quota)
	}
	if has(sim.ColdStart, sim.TooFew, sim.Lost, sim.SlowPrefill, sim.SlowDecode) {
		for least := max(d.Scaling.Min, 1) + 1; least <= d.Scaling.Max && least <= 16*max(d.Scaling.Min, 1); least *= 2 {
			set("scaling.min", "%d", least)
		}
		use := 0.8
		if d.Scaling.TargetUse > 0 {
			use = d.Scaling.TargetUse.Fraction()
		}
		for _, times := range []float64{0.75, 0.5} {
			set("scaling.target_use", "%.0f%%", 100*use*times)
			if rate := d.Scaling.TargetRequests.PerSecond(); rate > 0 {
				set("scaling.target_requests", "%.3g/s", rate*times)
			}
		}
	}
	return all
}

// scaledOf is the deployment whose scaling is changed.
func scaledOf(m *config.Model) *config.Deployment {
	for i := range m.Deployments {
		if m.Deployments[i].Scaling != nil {
			return &m.Deployments[i]
		}
	}
	return nil
}

// refine bisects for the lowest value of the last changed number of replicas
// that still meets the goal.
func (a *adviser) refine(ctx context.Context, found Contender) (*Contender, error) {
	last := found.Settings[len(found.Settings)-1]
	if last.Key != "scaling.max" && last.Key != "scaling.min" && last.Key != "scaling.quota" {
		return &found, nil
	}
	base := found
	base.Settings = found.Settings[:len(found.Settings)-1]
	before, err := a.s.With(base.Settings)
	if err != nil {
		return &found, nil
	}
	low, high := replicasSet(before.Model, last.Key), 0
	if _, err := fmt.Sscan(last.Value, &high); err != nil {
		return &found, nil
	}
	for high-low > 1 {
		middle := int(math.Ceil(float64(low+high) / 2))
		if middle == high {
			middle--
		}
		tried, err := a.try(ctx, base, []Change{{last.Key, fmt.Sprint(middle)}})
		if err != nil {
			return nil, err
		}
		if len(tried) == 0 || tried[0].Result.Reachable < a.goal {
			low = middle
			continue
		}
		high = middle
		if tried[0].Result.Cost <= found.Result.Cost {
			found = tried[0]
		}
	}
	return &found, nil
}

// replicasSet is a number of replicas from the file.
func replicasSet(m *config.Model, key string) int {
	d := scaledOf(m)
	switch key {
	case "scaling.max":
		return d.Scaling.Max
	case "scaling.quota":
		return d.Scaling.Quota
	}
	return d.Scaling.Min
}

// Text describes the advice in a clause; "" for nil.
func (a *Advice) Text() string {
	if a == nil {
		return ""
	}
	goal := fmt.Sprintf("%.4g %%", 100*a.Goal)
	var sets []string
	for _, v := range a.changed {
		sets = append(sets, "--set "+v.Key+"="+v.Value)
	}
	switch {
	case a.Why != "":
		return fmt.Sprintf("%s attains less than %s, and no better setting was searched for: %s", a.Policy, goal, a.Why)
	case a.Found:
		return fmt.Sprintf("what would suffice for %s: %s: %.2f %% attained for %s instead of %s; the cheapest of %d settings tried that attains %s",
			a.Policy, strings.Join(sets, " "), 100*a.Attained, words.Dollars(a.Cost), words.Dollars(a.Before), a.Tried, goal)
	case len(sets) > 0:
		return fmt.Sprintf("none of %d settings tried attains %s; the best is %s with %.2f %%", a.Tried, goal, strings.Join(sets, " "), 100*a.Attained)
	}
	return fmt.Sprintf("none of %d settings tried attains %s, or more than the file's own", a.Tried, goal)
}

// ErrNoArrivals: the traffic is empty.
var ErrNoArrivals = errors.New("no rows, or none between --from and --to: there is nothing to simulate")
