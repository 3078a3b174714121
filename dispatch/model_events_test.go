package dispatch

import (
	"slices"
	"time"

	"weir"
)

// Events of the model.

func (m *model) at(now weir.Instant) {
	before := m.now
	m.out, m.now = nil, max(m.now, now)
	m.all(func(r *modelReplica) { m.settled = m.settled && !passed(before, r.back(), m.now) })
	for _, q := range m.queue {
		m.settled = m.settled && !passed(before, q.pause, m.now)
	}
}

func passed(before, at, now weir.Instant) bool { return before < at && at <= now }

// back is when r may be asked again.
func (r *modelReplica) back() weir.Instant {
	if r.open {
		return max(r.pushed, r.until)
	}
	return r.pushed
}

// look serves the waiting calls, unless nothing has changed since the last look
// and no clock runs that may make room.
func (m *model) look() {
	clock := m.clocks
	m.all(func(r *modelReplica) { clock = clock || r.back() > m.now })
	for _, q := range m.queue {
		clock = clock || q.pause > m.now
	}
	if !m.settled || clock {
		m.serve()
	}
}

func (m *model) arrive(now weir.Instant, r Request) []Verdict {
	m.at(now)
	m.number++
	q := &modelCall{Request: r, number: m.number, since: m.now, work: workOf(r)}
	m.calls[r.ID] = q
	m.tenants[r.Tenant] += 0
	m.interactive = m.interactive || r.Class == weir.Interactive
	m.end()
	behind := slices.IndexFunc(m.queue, func(o *modelCall) bool { return !o.again && o.Class == q.Class && o.Tenant == q.Tenant })
	preferred := m.preferred()
	switch {
	case behind >= 0:
		if m.queue[behind].patient && preferred < len(m.tiers) && !m.waits(q, true) && m.grantIn(q, preferred, len(m.tiers)) {
			return m.out
		}
	case m.place(q, true):
		return m.out
	}
	m.enqueue(q)
	return m.end()
}

func (m *model) place(q *modelCall, newcomer bool) bool {
	n := m.preferred()
	return m.grantIn(q, 0, n) || n < len(m.tiers) && !m.waits(q, newcomer) && m.grantIn(q, n, len(m.tiers))
}

func (m *model) retry(now weir.Instant, id uint64, why Result) []Verdict {
	m.at(now)
	q := m.calls[id]
	r := q.on
	m.free(q, why, weir.Usage{})
	comeBack := why == Throttled && !q.cameBack && q.attempts+1 < m.o.Attempts && m.patience(q) > m.now
	q.cameBack = q.cameBack || comeBack
	if !comeBack && !slices.Contains(q.tried, r) {
		q.tried = append(q.tried, r)
	}
	q.since, q.first, q.work, q.patient, q.again = m.now, false, workOf(q.Request), false, true
	switch {
	case q.attempts >= m.o.Attempts:
		m.refuse(q, AttemptsUsed)
	case !m.backOff(q, why) && len(m.queue) == 0 && m.place(q, false):
	default:
		m.enqueue(q)
	}
	return m.end()
}

func (m *model) backOff(q *modelCall, why Result) bool {
	if why == Throttled || m.avoids(q) {
		return false
	}
	most := min(backoffBase<<(q.attempts-1), backoffMax)
	for _, until := range []weir.Instant{q.SpillAt, q.Deadline} {
		if until != 0 && q.Class == weir.Interactive {
			most = min(most, max(until.Sub(m.now), backoffBase))
		}
	}
	q.pause = m.now.Add(time.Duration(m.jitter.Int64N(int64(most))) + 1)
	return true
}

func (m *model) firstToken(now weir.Instant, id uint64) {
	m.at(now)
	q := m.calls[id]
	if q.first {
		return
	}
	q.first = true
	m.settled = false
	done := min(q.Prompt, q.work)
	q.work, q.on.work = q.work-done, q.on.work-done
	m.tenants[q.Tenant] -= done
	if r := q.on; r.open && r.tester == q.ID && q.epoch == r.epoch {
		r.close(m.o.Health.Failures*min(r.units, maxPatience) - 1)
		q.epoch = r.epoch
	}
	m.prove(q, q.on)
}

func (m *model) done(now weir.Instant, id uint64, how Result, used weir.Usage) []Verdict {
	m.at(now)
	m.free(m.calls[id], how, used)
	delete(m.calls, id)
	return m.end()
}

func (m *model) cancel(now weir.Instant, id uint64) []Verdict {
	m.at(now)
	q := m.calls[id]
	if q.on != nil {
		m.release(q, Abandoned)
	} else {
		m.dequeue(q, false)
	}
	delete(m.calls, id)
	return m.end()
}
