package aci

import (
	"fmt"
	"slices"
	"time"

	"weir"
	"weir/fleet"
)

// unsaid: no number was asked for yet.
const unsaid = -1

// state is what is known of a deployment's groups, and what is wanted of them. It is
// told the time. Its target's lock is held.
type state struct {
	d      Deployment
	known  bool // they were looked at
	access error
	want   int
	groups []*group        // in order of age
	taken  map[string]bool // names in the resource group, others' too

	failed   trouble   // why the last one did not come; no word: it came
	failures int       // in a row
	again    time.Time // before it no group is made
	starts   []time.Duration
	last     time.Time // when the newest was asked for
}

// Bounds of what is remembered.
const (
	startsKept = 16 // cold starts
	failedKept = 16 // failed groups
	crowd      = 2  // groups at Azure, those that go included, for each of MaxReplicas
)

// unknown is why nothing is known yet.
func (s *state) unknown() error {
	if s.access != nil {
		return s.access
	}
	return fleet.ErrNotYet
}

func (s *state) replicas(p Pace) (rs []weir.Replica) {
	cold := s.coldStart(p)
	for _, g := range s.groups {
		if !g.hidden {
			rs = append(rs, g.replica(&s.d, cold, s.failures))
		}
	}
	return rs
}

func (s *state) live() (n int) {
	for _, g := range s.groups {
		if g.live() {
			n++
		}
	}
	return n
}

func (s *state) find(id string) *group {
	for _, g := range s.groups {
		if g.id == id {
			return g
		}
	}
	return nil
}

// scale notes the number wanted and drains or takes back, at once.
func (s *state) scale(want int, victims []string, now time.Time) error {
	if !s.known {
		return s.d.fault("%w", s.unknown())
	}
	s.want = want
	s.shrink(victims, now)
	s.grow(now)
	s.trim()
	live := s.live()
	switch {
	case want > s.d.MaxReplicas:
		return &fleet.Shortage{Why: fleet.WhyMaxReplicas, Err: s.d.fault("%w: %d of %d groups: %s: its limit", fleet.ErrNoCapacity, s.d.MaxReplicas, want, fleet.WhyMaxReplicas)}
	case live < want && s.access != nil:
		return s.d.fault("%w", s.access)
	case live < want && s.failed.why != "" && now.Before(s.again):
		return &fleet.Shortage{Why: s.failed.why, Err: s.d.fault("%w: %d of %d groups: %s: %s", fleet.ErrNoCapacity, live, want, s.failed.why, s.failed.text)}
	}
	return nil
}

// shrink drains what is too many: victims, then those that start, those of an older
// template, the newest.
func (s *state) shrink(victims []string, now time.Time) {
	most := min(s.want, s.d.MaxReplicas)
	drop := func(which func(*group) bool) {
		for _, g := range slices.Backward(s.groups) {
			if s.live() > most && g.live() && which(g) {
				s.settle(g.replaces)
				g.drain(now)
			}
		}
	}
	for _, id := range victims {
		drop(func(g *group) bool { return g.id == id })
	}
	hash := s.d.hash()
	drop(func(g *group) bool { return g.state == weir.Starting })
	drop(func(g *group) bool { return g.mark.template != hash })
	drop(func(*group) bool { return true })
}

// settle: the replacement of a group does not come, and the group counts again.
func (s *state) settle(replaced string) {
	if old := s.find(replaced); old != nil {
		old.replaced = false
	}
}

// grow takes back those that drain and are still there, the newest first.
func (s *state) grow(now time.Time) {
	hash := s.d.hash()
	for _, g := range slices.Backward(s.groups) {
		if s.live() >= min(s.want, s.d.MaxReplicas) {
			return
		}
		if g.leave && !g.deleting && !g.gone && !g.replaced && g.state != weir.Failed && g.mark.template == hash {
			g.back()
		}
	}
}

// trim hides failed groups that another stands for, or that are no longer wanted.
func (s *state) trim() {
	shown := 0
	for _, g := range s.groups {
		if g.state == weir.Failed && !g.hidden {
			shown++
		}
	}
	most := failedKept
	if s.want != unsaid {
		most = min(most, max(0, s.want-s.live()))
	}
	for _, g := range s.groups {
		if shown > most && g.state == weir.Failed && !g.hidden {
			g.hidden = true
			shown--
		}
	}
	s.groups = slices.DeleteFunc(s.groups, func(g *group) bool { return g.gone && (g.hidden || g.state != weir.Failed) })
}

// next makes the record of a group that is to be made now; nil: none is.
func (s *state) next(now time.Time) *group {
	if !s.known || s.want == unsaid || now.Before(s.again) {
		return nil
	}
	at := 0 // at Azure
	for _, g := range s.groups {
		if !g.gone {
			at++
		}
	}
	var old *group
	if s.live() >= min(s.want, s.d.MaxReplicas) {
		if old = s.stale(); old == nil {
			return nil
		}
	}
	if at >= crowd*s.d.MaxReplicas {
		return nil
	}
	s.last = latest(now.Truncate(time.Millisecond), s.last.Add(time.Millisecond))
	g := newGroup(s.free(), mark{owner: s.d.Owner, deployment: s.d.Name, template: s.d.hash(), asked: s.last})
	if old != nil {
		old.replaced, g.replaces = true, old.id
	}
	s.groups = append(s.groups, g)
	s.taken[g.name] = true
	s.trim()
	return g
}

// stale is a group of an older template that is to be replaced now: one after the
// other.
func (s *state) stale() (old *group) {
	hash := s.d.hash()
	for _, g := range s.groups {
		if g.replaced && g.state == weir.Ready && !g.leave {
			return nil
		}
		if old == nil && g.live() && g.mark.template != hash {
			old = g
		}
	}
	return old
}

// free is the name of a slot that no group has, of Weir or another.
func (s *state) free() string {
	for n := 0; ; n++ {
		if name := s.d.slot(n); !s.taken[name] {
			return name
		}
	}
}

// ready notes that a group serves.
func (s *state) ready(g *group, now time.Time) {
	g.sick, g.why, g.detail = time.Time{}, "", ""
	if g.state != weir.Starting {
		return
	}
	g.state, g.since, g.readyAt = weir.Ready, now, now
	if g.outcome != nil {
		s.starts = append(s.starts, now.Sub(g.mark.asked))
		s.starts = s.starts[max(0, len(s.starts)-startsKept):]
		s.failed, s.failures, s.again = trouble{}, 0, time.Time{}
	}
	if old := s.find(g.replaces); old != nil {
		old.drain(now)
	}
	g.replaces = ""
}

// fail notes that a group is of no more use.
func (s *state) fail(g *group, t trouble, now time.Time, p Pace) {
	started := g.state == weir.Ready
	s.refuse(t, now, p)
	if started {
		s.failed = trouble{} // it is made good at once, or after the wait that is due
	}
	s.settle(g.replaces)
	g.replaces = ""
	g.state, g.since, g.why, g.detail, g.failures = weir.Failed, now, t.why, t.text, s.failures
	s.trim()
}

// refuse notes that a group did not come. Of several at once the wait grows by one.
func (s *state) refuse(t trouble, now time.Time, p Pace) {
	s.failed = t
	if now.Before(s.again) {
		return
	}
	s.failures++
	wait := p.Longest
	if s.failures < 16 {
		wait = min(p.Longest, p.Backoff<<(s.failures-1))
	}
	s.again = now.Add(wait)
}

// bound is how many groups there can be now, and what sets it.
func (s *state) bound(now time.Time) (most int, why, text string) {
	if (s.failed.why == fleet.WhyQuota || s.failed.why == fleet.WhyStock) && now.Before(s.again) {
		return s.live(), s.failed.why, s.failed.text
	}
	if s.d.MaxReplicas >= mostGroups {
		return s.d.MaxReplicas, fleet.WhyMaxReplicas, fmt.Sprintf("a subscription has %d groups in a region, unless that was raised", mostGroups)
	}
	return s.d.MaxReplicas, "", ""
}

// coldStart is the median of the last cold starts.
func (s *state) coldStart(p Pace) time.Duration {
	if len(s.starts) == 0 {
		return p.ColdStart
	}
	all := slices.Clone(s.starts)
	slices.Sort(all)
	return all[len(all)/2]
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
