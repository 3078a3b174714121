package aci

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"weir"
	"weir/fleet"
)

// looked is one group as it was found: by its health path, and where that does not
// answer by what Azure says.
type looked struct {
	id, name, addr string
	late           bool // it should be ready by now
	outcome        outcome

	well  error // nil: it serves
	there bool  // Azure has it
	view  view
	why   trouble // of a creation that Azure gave up
	log   string  // the end of it, of one that ended or hangs
	err   error   // Azure does not say
}

// looksAtOnce bounds the groups that are looked at together.
const looksAtOnce = 8

// listed takes Azure's list, and returns the groups that are to be looked at.
func (s *state) listed(own map[string]view, names map[string]mark, leads bool, now time.Time) (all []*looked) {
	s.taken = map[string]bool{}
	for name := range names {
		s.taken[name] = true
	}
	known := map[string]bool{}
	for _, g := range s.groups {
		v, is := own[g.name]
		if is = is && v.mark.asked.Equal(g.mark.asked); is {
			known[g.name] = true
			s.see(g, v, leads, now)
		} else if g.deleting || g.leave || g.state == weir.Failed {
			g.gone = true
		}
	}
	s.adopt(own, known, now)
	s.trim()
	for _, g := range s.groups {
		if g.gone || g.deleting || g.leave || g.state == weir.Failed {
			continue
		}
		all = append(all, &looked{
			id: g.id, name: g.name, addr: g.addr, outcome: g.outcome,
			late: g.state == weir.Starting && now.Sub(g.mark.asked) > s.d.StartTimeout,
		})
	}
	return all
}

// adopt takes over groups with the deployment's tags that this Weir did not make.
func (s *state) adopt(own map[string]view, known map[string]bool, now time.Time) {
	for name, v := range own {
		if known[name] {
			continue
		}
		g := newGroup(name, v.mark)
		if !v.mark.draining.IsZero() {
			g.leave, g.from, g.told, g.state, g.readyAt = true, now, true, weir.Ready, v.mark.asked
		}
		s.see(g, v, true, now)
		s.groups, s.last = append(s.groups, g), latest(s.last, v.mark.asked)
	}
	slices.SortFunc(s.groups, func(a, b *group) int {
		return cmp.Or(a.mark.asked.Compare(b.mark.asked), cmp.Compare(a.name, b.name))
	})
}

// see takes what Azure's list says of a group. Where another gateway leads, its tag
// says whether it drains.
func (s *state) see(g *group, v view, leads bool, now time.Time) {
	g.mark.rest = v.mark.rest
	if v.addr != "" {
		g.addr = v.addr
	}
	switch {
	case v.state == deletingState:
		g.drain(now)
		g.deleting = true
	case g.deleting && now.Sub(g.ended) > deleteAgain: // it was accepted, and did not come about
		g.deleting = false
	}
	draining := !v.mark.draining.IsZero()
	switch {
	case leads:
		g.told = draining == g.leave
	case draining:
		g.drain(now)
	case !g.deleting:
		g.back()
	}
}

// deleteAgain is how long a deletion may not show before it is asked for again.
const deleteAgain = time.Minute

// States of Azure's provisioning that matter here; in any other it works on the group
// or has made it.
const (
	deletingState = "Deleting"
	failedState   = "Failed"
	canceledState = "Canceled"
)

// look looks at the groups, several at a time.
func (t *target) look(ctx context.Context, d *Deployment, all []*looked) {
	var wait sync.WaitGroup
	slots := make(chan struct{}, looksAtOnce)
	for _, x := range all {
		slots <- struct{}{}
		wait.Go(func() {
			defer func() { <-slots }()
			t.lookAt(ctx, d, x)
		})
	}
	wait.Wait()
}

func (t *target) lookAt(ctx context.Context, d *Deployment, x *looked) {
	if x.well = health(ctx, x.addr, d.HealthPath); x.well == nil {
		return
	}
	c := t.f.calls
	if x.view, x.there, x.err = c.get(ctx, d, x.name); x.err != nil || !x.there {
		return
	}
	gaveUp := x.view.state == failedState || x.view.state == canceledState
	if gaveUp {
		x.why = trouble{fleet.WhyProvider, "Azure gave up its creation (" + x.view.state + ")"}
		if x.outcome != nil {
			if err := x.outcome(ctx); err != nil {
				x.why = why(c.account, d, err)
			}
		}
	}
	if gaveUp || x.view.ended || x.late {
		x.log = c.logs(ctx, d, x.name)
	}
}

// learn takes what was found.
func (s *state) learn(x *looked, now time.Time, p Pace) {
	g := s.find(x.id)
	if g == nil || g.leave || g.state == weir.Failed {
		return
	}
	if x.view.addr != "" {
		g.addr = x.view.addr
	}
	log := ""
	if x.log != "" {
		log = "; the end of its log: " + x.log
	}
	if x.well != nil && g.sick.IsZero() {
		g.sick = now
	}
	switch {
	case x.well == nil:
		s.ready(g, now)
	case x.err == nil && !x.there:
		g.gone = true
		s.fail(g, trouble{fleet.WhyEnded, "it is gone, and Weir did not delete it"}, now, p)
	case x.why.why != "":
		s.fail(g, trouble{x.why.why, x.why.text + log}, now, p)
	case x.view.ended && g.state == weir.Ready:
		s.fail(g, trouble{fleet.WhyEnded, x.view.said + log}, now, p)
	case x.view.ended:
		s.fail(g, trouble{fleet.WhyCrash, x.view.said + ", before it was ready" + log}, now, p)
	case x.late:
		s.fail(g, trouble{fleet.WhySlowStart, fmt.Sprintf("not ready after start_timeout, which is %v (Azure: %s; health: %v)%s", s.d.StartTimeout, x.view.state, x.well, log)}, now, p)
	case g.state == weir.Ready && now.Sub(g.sick) >= p.Sick:
		s.fail(g, trouble{fleet.WhyUnreachable, fmt.Sprintf("no health for %v: %v", p.Sick, x.well)}, now, p)
	}
}
