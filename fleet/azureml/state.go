package azureml

import (
	"fmt"
	"slices"
	"strconv"
	"time"

	"weir/fleet"
)

// This file decides; it is told the time, and asks nothing.

// The provisioning states of a deployment (armmachinelearning 4.0.0,
// DeploymentProvisioningState).
const (
	creating  = "Creating"
	updating  = "Updating"
	scaling   = "Scaling"
	deleting  = "Deleting"
	succeeded = "Succeeded"
)

// view is what Azure says of a deployment.
type view struct {
	there       bool
	state       string
	capacity    int // instances asked for
	mark        mark
	marked      bool
	tags        map[string]*string // all of them; not to be changed
	created     time.Time
	perInstance int           // requests an instance takes at once
	timeout     time.Duration // of a request; 0: not said
	url         string        // base of its requests
}

// moving: an operation of the deployment is under way.
func (v *view) moving() bool {
	return v.there && (v.state == creating || v.state == updating || v.state == scaling || v.state == deleting)
}

// unsaid is the number wanted before anything was asked for.
const unsaid = -1

// trouble is why instances do not come: a word of package fleet, and the message.
type trouble struct{ why, text string }

// state is a deployment as Weir knows it. The zero value with want unsaid is one
// that has not been looked at.
type state struct {
	known bool // it has been seen
	v     view
	want  int
	ready int // instances that serve

	id            string    // of the address; a new one after each creation
	since         time.Time // when ready changed last
	asked         time.Time // of the instances that came or come last
	readyAt       time.Time
	draining      time.Time // since when instances are to go; zero: none
	quiet         time.Time // since when their requests have ended; zero: not yet
	wrote, before int       // the numbers that are Weir's own, before and after its last write; unsaid: any
	sent          bool      // a growth to want is under way or may begin: it counts as starting

	holder    string // the other writer
	heldUntil time.Time

	failed   trouble // of the last operation; no word: it went well
	failedAt time.Time
	failures int       // in a row
	again    time.Time // before it Azure is not asked for more

	fewer, gone refusal // of a lower number, of the deletion; neither delays more instances

	starts []time.Duration // the last cold starts
}

// refusal is that Azure could not take instances away.
type refusal struct {
	text  string
	times int       // in a row
	until time.Time // before it Azure is not asked again
}

func (r *refusal) again(text string, now time.Time, p Pace) {
	r.times++
	r.text, r.until = text, now.Add(p.backoff(r.times))
}

// startsKept is how many of the last cold starts are remembered.
const startsKept = 16

// learn takes what Azure says now. pending: an operation of this Weir is under way,
// whatever the state says yet.
func (s *state) learn(v view, pending bool, now time.Time, p Pace) {
	was, known := s.v, s.known
	s.v, s.known = v, true
	if !known {
		s.adopt(now)
		return
	}
	if v.there && v.created != was.created && !v.created.IsZero() {
		s.rename()
	}
	switch {
	case !v.there:
		s.serve(0, now)
		s.id = ""
	case v.state == creating, v.state == deleting:
		s.serve(0, now)
	case v.moving(), pending:
		s.serve(min(s.ready, v.capacity), now)
	case v.state == succeeded:
		s.arrived(now)
	default: // it failed: what served goes on serving
		s.serve(min(s.ready, v.capacity), now)
	}
	if !pending {
		s.foreign(now, p)
	}
}

// adopt takes over what is there at the first look.
func (s *state) adopt(now time.Time) {
	v := s.v
	s.wrote, s.before = unsaid, unsaid
	s.since, s.asked, s.readyAt = now, v.created, now
	s.rename()
	if v.marked && v.mark.to == v.capacity {
		s.asked = v.mark.at
	}
	switch {
	case !v.there, v.state == creating, v.state == deleting:
	case v.state == scaling, !v.moving() && v.state != succeeded: // in the middle, or failed
		s.ready = 1 // Azure's least, and nothing says more
		if v.marked {
			s.ready = min(v.mark.from, v.capacity)
		}
	default:
		s.ready = v.capacity
	}
	if v.there {
		s.wrote = v.capacity
	}
	if s.asked.IsZero() {
		s.asked = now
	}
}

// rename gives the address a name of its own after each creation: what was learned
// of the health of an earlier one does not count.
func (s *state) rename() {
	s.id = ""
	if s.v.there {
		s.id = strconv.FormatInt(s.v.created.Unix(), 36)
	}
}

func (s *state) serve(n int, now time.Time) {
	if n != s.ready {
		s.ready, s.since = n, now
	}
}

// arrived: the last operation went well.
func (s *state) arrived(now time.Time) {
	if s.v.capacity > s.ready {
		s.readyAt = now
		if s.sent && !s.asked.IsZero() {
			s.starts = append(s.starts, now.Sub(s.asked))
			s.starts = s.starts[max(0, len(s.starts)-startsKept):]
		}
	}
	s.serve(s.v.capacity, now)
	if s.sent && s.ready >= min(s.want, s.v.capacity) {
		s.failed, s.failures, s.again, s.sent = trouble{}, 0, time.Time{}, false
	}
}

// foreign notes a number that another wrote.
func (s *state) foreign(now time.Time, p Pace) {
	n := s.v.capacity
	switch {
	case !s.v.there:
		s.wrote, s.before = unsaid, unsaid
		return
	case s.v.moving():
		return
	case s.wrote == unsaid, n == s.wrote, n == s.before, s.v.marked && s.v.mark.to == n:
	default:
		s.hold(fmt.Sprintf("instances became %d, and Weir wrote %d", n, s.wrote), now.Add(p.HoldFor))
	}
	s.wrote, s.before = n, unsaid
}

func (s *state) hold(holder string, until time.Time) { s.holder, s.heldUntil = holder, until }

// held names the other writer; "": none.
func (s *state) held(now time.Time) string {
	if s.holder == "" || now.After(s.heldUntil) {
		return ""
	}
	return s.holder
}

// fail notes that an operation did not go well. less: it was to take instances away.
func (s *state) fail(what act, less bool, t trouble, now time.Time, p Pace) {
	switch {
	case what == remove:
		s.gone.again(t.text, now, p)
	case less:
		s.fewer.again(t.text, now, p)
	default:
		s.failures++
		s.failed, s.failedAt, s.again, s.sent = t, now, now.Add(p.backoff(s.failures)), false
	}
}

// backoff is the wait after so many failures in a row.
func (p *Pace) backoff(times int) time.Duration {
	if times >= 16 {
		return p.Longest
	}
	return min(p.Longest, p.Backoff<<(times-1))
}

// act is what is to be done at Azure.
type act uint8

const (
	nothing act = iota
	write       // sku.capacity
	remake      // the deployment, from its definition
	remove      // the deployment
)

// next is what should be done for the deployment, and to which number. busy are
// the requests in flight at its address; negative: not known.
func (s *state) next(d *Deployment, busy int, now time.Time, p Pace) (act, int) {
	if !s.known || s.want == unsaid || s.v.moving() || s.held(now) != "" {
		return nothing, 0
	}
	waits := now.Before(s.again)
	want := s.goal(d, now)
	switch {
	case !s.v.there:
		if want == 0 || waits || !d.AllowDelete {
			return nothing, 0
		}
		return remake, want
	case want < s.ready:
		if want > 0 && now.Before(s.fewer.until) || !s.drained(d, want, busy, now, p) {
			return nothing, 0
		}
		if want == 0 {
			return remove, 0
		}
		return write, want
	case want == 0: // it never served
		return remove, 0
	case s.want == 0: // it stays since it could not be deleted, and is left as it is
		return nothing, 0
	case waits, s.v.capacity == want && s.ready == want, s.v.capacity == want && s.v.state == succeeded:
		return nothing, 0
	case s.ready == 0 && s.v.state != succeeded && d.AllowDelete: // it failed as it was made
		return remake, want
	}
	return write, want
}

// goal is the number wanted, as far as it can be had.
func (s *state) goal(d *Deployment, now time.Time) int {
	want := min(s.want, d.most())
	if want == 0 && (!d.AllowDelete || now.Before(s.gone.until)) && s.v.there {
		want = 1
	}
	return want
}

// drained says whether the instances beyond want may go. Their requests cannot be
// told from the others: those in flight must fit those that stay, and before a
// deployment is deleted there must be none for a while, since one may be on its way.
func (s *state) drained(d *Deployment, want, busy int, now time.Time, p Pace) bool {
	if s.draining.IsZero() {
		s.draining = now
	}
	fits := busy == 0 || busy > 0 && want > 0 && s.v.perInstance > 0 && busy <= want*s.v.perInstance
	if !fits {
		s.quiet = time.Time{}
	} else if s.quiet.IsZero() {
		s.quiet = now
	}
	return now.Sub(s.draining) >= d.DrainDeadline || fits && (want > 0 || now.Sub(s.quiet) >= p.Quiet)
}

// begun notes a write.
func (s *state) begun(what act, n int, now time.Time) {
	s.before, s.wrote = s.v.capacity, n
	if n > s.ready {
		s.asked, s.sent = now, true
	}
	if what == remove {
		s.serve(0, now)
		s.wrote = unsaid
	}
	s.draining, s.quiet = time.Time{}, time.Time{}
}

// bound is how many instances there can be now, and what sets it.
func (s *state) bound(d *Deployment, now time.Time) (most int, why, text string) {
	if s.failed.why == fleet.WhyStock || s.failed.why == fleet.WhyQuota {
		if now.Before(s.again) {
			return s.ready, s.failed.why, s.failed.text
		}
	}
	if d.MaxReplicas == 0 || d.MaxReplicas > mostInstances {
		return mostInstances, fleet.WhyMaxReplicas, fmt.Sprintf("a deployment has at most %d instances", mostInstances)
	}
	return d.MaxReplicas, "", ""
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
