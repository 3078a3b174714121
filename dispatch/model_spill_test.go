package dispatch

import (
	"slices"
	"time"

	"weir"
)

// How long the model waits for the preferred tiers.

func (m *model) patience(q *modelCall) weir.Instant {
	metered := slices.ContainsFunc(slices.Concat(m.tiers[:m.preferred()]...), func(d *modelDeployment) bool { return d.use != nil })
	switch {
	case m.preferred() >= len(m.tiers) || len(q.tried) > 0:
		return 0
	case q.Class == weir.Batch && metered:
		return m.giveUp(q)
	case q.SpillAt > m.now:
		return q.SpillAt
	}
	return 0
}

// opens is when a clock or a quota lets in a request of that class where it waits.
func (m *model) opens(class weir.Class) weir.Instant {
	first := never
	for _, d := range slices.Concat(m.tiers[:m.preferred()]...) {
		for _, r := range d.replicas {
			if r.state != weir.Ready || r.gone {
				continue
			}
			at := max(d.pushed, r.pushed)
			if r.open {
				at = max(at, r.until)
			}
			if d.use != nil {
				at = max(at, d.use.at(m.now, class), 1)
			}
			if at > m.now || d.use != nil {
				first = min(first, at)
			}
		}
	}
	return first
}

func (m *model) waits(q *modelCall, newcomer bool) bool {
	q.patient = false
	until := m.patience(q)
	if until <= m.now {
		return false
	}
	at := m.opens(q.Class)
	if newcomer && at < never {
		at = max(at, m.now).Add(m.ahead(q))
	}
	q.patient = at <= until
	return q.patient
}

// ahead returns how long the preferred quotas take for the calls served before
// q.
func (m *model) ahead(q *modelCall) time.Duration {
	var requests, prompt, output int
	for class := weir.Interactive; class <= q.Class; class++ {
		var n, p, o, work, weights int
		for _, w := range m.queue {
			if w.Class == class {
				n, p, o, work = n+1, p+w.Prompt, o+w.mayAnswer(), work+w.work
			}
		}
		for _, h := range m.heads(class) {
			weights += m.share(h.Tenant)
		}
		part := 1.0
		if class == q.Class {
			if len(m.flow(q)) == 0 {
				weights += m.share(q.Tenant)
			}
			mine := float64(m.backlog(q)+q.work) * float64(weights) / float64(m.share(q.Tenant))
			part = min(mine/float64(max(work, 1)), 1)
		}
		requests, prompt, output = requests+int(part*float64(n)), prompt+int(part*float64(p)), output+int(part*float64(o))
	}
	rate := 0.0
	for _, d := range slices.Concat(m.tiers[:m.preferred()]...) {
		if n, _ := d.ready(); d.use != nil && n > 0 && requests > 0 {
			if lag := d.use.lag(requests, prompt, output); lag > 0 {
				rate += 1 / lag.Seconds()
			}
		}
	}
	if rate == 0 {
		return 0
	}
	return time.Duration(min(1/rate, (24*time.Hour).Seconds()) * float64(time.Second))
}

// hurry ends q's patience. It says whether q was granted.
func (m *model) hurry(q *modelCall) bool {
	q.patient, m.settled = false, false
	q.limit = m.giveUp(q)
	if !m.grantIn(q, m.preferred(), len(m.tiers)) {
		return false
	}
	m.dequeue(q, false)
	return true
}
