package azureml

import (
	"fmt"
	"time"

	"weir"
	"weir/fleet"
)

// replicas is the list for the gateway and the scaler, in a fixed order: those that
// serve, go, start, failed.
func (s *state) replicas(d *Deployment, now time.Time, p Pace) (rs []weir.Replica) {
	want := s.goal(d, now)
	if s.want == unsaid || s.holder != "" {
		want = max(s.ready, s.coming())
	}
	name := d.Deployment
	if s.id != "" {
		name += "." + s.id
	}
	one := func(suffix string, n int, st weir.ReplicaState) *weir.Replica {
		rs = append(rs, weir.Replica{
			ID: name + suffix, Deployment: d.Name, Units: n, State: st,
			Since: weir.At(s.since), Asked: weir.At(s.asked), ReadyAt: weir.At(s.readyAt),
		})
		return &rs[len(rs)-1]
	}
	serves := min(s.ready, want)
	switch {
	case serves > 0:
		one("", serves, weir.Ready).Addr = s.v.url
	case s.ready > 0: // the whole address goes
		one("", s.ready, weir.Draining).Addr = s.v.url
	}
	if going := max(s.ready, s.coming()) - want; going > 0 && serves > 0 {
		one("-going", going, weir.Draining)
	} else if s.v.there && s.v.state == deleting || serves == 0 && s.ready == 0 && want == 0 && s.v.there {
		one("-going", max(1, s.v.capacity), weir.Draining)
	}
	missing := want - serves
	if missing <= 0 {
		return rs
	}
	if s.failed.why != "" && !s.sent {
		r := one("-failed", missing, weir.Failed)
		r.Detail, r.Why, r.FailedStarts, r.Since, r.ReadyAt = s.failed.text, s.failed.why, s.failures, weir.At(s.failedAt), 0
		return rs
	}
	if late := now.Sub(s.asked); late > d.StartTimeout {
		r := one("-failed", missing, weir.Failed)
		r.Since, r.ReadyAt, r.FailedStarts = weir.At(s.asked.Add(d.StartTimeout)), 0, s.failures+1
		r.Why, r.Detail = fleet.WhySlowStart, s.slow(d)
		return rs
	}
	r := one("-starting", missing, weir.Starting)
	r.Since, r.ReadyAt = r.Asked, weir.At(s.asked.Add(s.coldStart(p)))
	return rs
}

// slow is why instances have not come within their time.
func (s *state) slow(d *Deployment) string {
	if s.v.moving() {
		return fmt.Sprintf("Azure has been at it (%s) for more than start_timeout, which is %v", s.v.state, d.StartTimeout)
	}
	return fmt.Sprintf("Azure has not begun within start_timeout, which is %v: another operation of the endpoint may be under way", d.StartTimeout)
}

// coming is the number that the operation under way leads to.
func (s *state) coming() int {
	if s.v.moving() && s.v.state != deleting {
		return s.v.capacity
	}
	return 0
}
