package scale

import (
	"fmt"
	"math"
	"time"
)

// KPA is the Knative Pod Autoscaler with its defaults: every 2 s, total
// concurrency averaged over 60 s and, for panic, over 6 s; panic from twice of
// what is ready, not lowered until 60 s after; down by at most half of what is
// ready at once.
type KPA struct {
	Bounds
	Target float64 // the knob: concurrency per replica, the 70 % applied; 0: 70
}

const (
	kpaTick     = 2 * time.Second
	kpaStable   = 60 * time.Second
	kpaPanic    = 6 * time.Second
	kpaPanicAt  = 2.0
	kpaUpRate   = 1000.0
	kpaDownRate = 2.0
)

// Decider returns the policy.
func (b KPA) Decider() Decider {
	b.Target = orDefault(b.Target, 70)
	return b.decider(kpaTick, b.advise)
}

func (b KPA) advise(m *Memory, o *Observation, c census) (int, string) {
	if len(m.Levels) == 0 && c.have > 1 {
		m.Since, m.Most = o.Now, c.have // one that comes up over several pods begins in panic
	}
	m.level(o.Now, o.ongoing(), kpaStable)
	stable, short := m.mean(o.Now, kpaStable), m.mean(o.Now, kpaPanic)
	if stable == 0 && short == 0 {
		m.Since, m.Most = 0, 0
		return 0, "nothing for 60 s" // to zero, where Min allows
	}
	ready := float64(max(1, c.ready))
	clamp := func(v float64) int {
		return int(min(max(math.Ceil(v/b.Target), math.Floor(ready/kpaDownRate)), math.Ceil(kpaUpRate*ready)))
	}
	if math.Ceil(short/b.Target)/ready >= kpaPanicAt {
		m.Since = o.Now
	} else if m.Since != 0 && o.Now.Sub(m.Since) > kpaStable {
		m.Since, m.Most = 0, 0
	}
	n, why := clamp(stable), fmt.Sprintf("concurrency %.3g over 60 s, %.3g over 6 s, target %.3g each", stable, short, b.Target)
	if m.Since != 0 {
		m.Most = max(m.Most, n, clamp(short))
		n, why = m.Most, why+", panic"
	}
	return n, why
}

// APA is AIBrix's pod autoscaler (v0.6.0), with its defaults: every 10 s, the
// mean per pod over 180 s, 10 % tolerance, at most twice up and half down, and
// of the recommendations of the last 300 s the lowest when going down, which is
// what its source does.
type APA struct {
	Bounds
	Target float64 // the knob: concurrency per replica; 0: 22.4
}

const (
	apaTick      = 10 * time.Second
	apaWindow    = 180 * time.Second
	apaTolerance = 0.1
	apaDown      = 300 * time.Second
)

// Decider returns the policy.
func (b APA) Decider() Decider {
	b.Target = orDefault(b.Target, 0.7*32)
	return b.decider(apaTick, func(m *Memory, o *Observation, c census) (int, string) {
		if c.have == 0 {
			return min(b.Min, 1), "disabled: there are no replicas"
		}
		m.level(o.Now, o.ongoing()/float64(max(c.ready, 1)), apaWindow)
		mean := m.mean(o.Now, apaWindow)
		n, ratio := c.have, mean/b.Target
		if math.Abs(ratio-1) > apaTolerance {
			n = whole(float64(c.have) * ratio)
		}
		n = min(max(n, c.have/2, 1), 2*c.have)
		if low := m.lowest(o.Now, n, apaDown); n < c.have {
			n = min(n, max(low, c.have/2, 1))
		}
		return n, fmt.Sprintf("concurrency %.3g per pod over 180 s, target %.3g", mean, b.Target)
	})
}
