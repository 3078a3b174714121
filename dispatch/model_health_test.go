package dispatch

import (
	"slices"

	"weir"
)

// Health, throttle clocks and capacity of the model.

// free ends an attempt: quota, then replica.
func (m *model) free(q *modelCall, how Result, used weir.Usage) {
	if u := q.on.d.use; u != nil {
		switch {
		case used.Prompt > 0 || used.Completion > 0:
			u.correct(m.now, q.booked, used)
		case how == Throttled || how == Rejected || how == Unreachable:
			u.unbook(m.now, q.booked)
			if until := max(q.on.pushed, q.on.d.pushed); until > m.now {
				u.refused(until)
			}
		}
	}
	m.release(q, how)
}

func (m *model) release(q *modelCall, how Result) {
	r := q.on
	q.on, m.settled = nil, false
	if how == OK {
		m.prove(q, r)
	}
	r.requests--
	r.work -= q.work
	m.tenants[q.Tenant] -= q.work
	if q.epoch == r.epoch {
		m.learn(r, q, how)
	}
	if r.gone && r.requests == 0 {
		r.d.replicas = slices.DeleteFunc(r.d.replicas, func(o *modelReplica) bool { return o == r })
	}
}

func (m *model) learn(r *modelReplica, q *modelCall, how Result) {
	tested := r.open && r.tester == q.ID
	if tested {
		r.tester = 0
	}
	switch how {
	case OK:
		r.close(0)
		r.opens = 0
	case Unreachable:
		if !slices.Contains(q.tried, r) {
			r.failed++
		}
	case Unhealthy, Unavailable:
		if q.suspect == nil {
			r.failed++
			q.suspect, q.streak = r, r.streak
		}
	default:
		return
	}
	if tested && how != OK {
		m.trip(r)
		return
	}
	m.judge(r)
}

func (m *model) judge(r *modelReplica) {
	if !r.open && r.failed >= m.o.Health.Failures*min(r.units, maxPatience) {
		m.trip(r)
	}
}

// prove: another replica has answered q. Its failure counts as the suspicion did.
func (m *model) prove(q *modelCall, on *modelReplica) {
	if r := q.suspect; r != nil && r != on && r.streak == q.streak {
		m.judge(r)
	}
	q.suspect = nil
}

func (r *modelReplica) close(failures int) {
	if r.open {
		r.open, r.until, r.tester = false, 0, 0
		r.epoch++
	}
	r.failed = failures
	r.streak++
}

func (m *model) trip(r *modelReplica) {
	wait := min(m.o.Health.Base<<r.opens, m.o.Health.Max)
	r.opens++
	r.epoch++
	r.streak++
	r.failed, r.tester, r.open, r.until = 0, 0, true, m.now.Add(wait)
	m.tripped, m.soured = true, true
	m.trickle()
}

// trickle lets a request through every Base while all are open.
func (m *model) trickle() {
	if all := true; true {
		m.all(func(r *modelReplica) { all = all && r.open })
		m.all(func(r *modelReplica) {
			if all {
				r.until = min(r.until, m.now.Add(m.o.Health.Base))
			}
		})
	}
}

func (m *model) pushBack(now weir.Instant, d *modelDeployment, replica string, until weir.Instant) {
	m.at(now)
	m.soured, m.clocks = true, true
	for _, r := range d.replicas {
		if r.id == replica {
			r.pushed = max(r.pushed, until)
		}
	}
	if replica == "" {
		d.pushed = max(d.pushed, until)
	}
	if d.use != nil && until > m.now {
		d.use.refused(until)
	}
}

func (m *model) capacity(now weir.Instant, d *modelDeployment, q Quota) []Verdict {
	m.at(now)
	d.use = newQuota(m.now, q, d.use)
	m.soured, m.settled, m.clocks = true, false, m.clocks || d.use != nil
	m.rewarm(true)
	return m.end()
}

func (m *model) setReplicas(now weir.Instant, d *modelDeployment, rs []weir.Replica) []Verdict {
	m.at(now)
	old, fresh := d.replicas, []*modelReplica(nil)
	d.listed, d.replicas = true, nil
	for _, r := range old {
		r.gone = true
	}
	for _, want := range rs {
		i := slices.IndexFunc(old, func(r *modelReplica) bool { return r.id == want.ID })
		r := &modelReplica{d: d, id: want.ID}
		if i >= 0 {
			r = old[i]
		} else {
			fresh = append(fresh, r)
		}
		if r.state != weir.Ready && want.State == weir.Ready {
			r.failed, r.opens, r.open, r.tester, r.until, r.pushed = 0, 0, false, 0, 0, 0
			r.epoch++
			r.streak++
		}
		r.gone, r.state, r.units = false, want.State, want.Size()
		d.replicas = append(d.replicas, r)
	}
	for _, i := range m.rng.Perm(len(fresh)) {
		m.turn++
		fresh[i].turn = m.turn
	}
	for _, r := range old {
		if r.gone && r.requests > 0 {
			d.replicas = append(d.replicas, r)
		}
	}
	m.trickle()
	m.soured, m.settled = true, false
	m.rewarm(false)
	return m.end()
}

func (m *model) rewarm(changed bool) {
	warm := false
	m.all(func(*modelReplica) { warm = true })
	if warm && !m.warm {
		m.warmAt = m.now
	}
	changed = changed || warm != m.warm
	m.warm = warm
	switch {
	case !warm && !m.hope():
		for len(m.queue) > 0 {
			m.giveUpOn(m.queue[0], NoReplica)
		}
	case changed:
		for _, q := range m.queue {
			q.limit = m.limitOf(q)
		}
	}
}
