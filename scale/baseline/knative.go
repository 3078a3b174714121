package baseline

import (
	"fmt"
	"math"
	"time"

	"weir/scale"
)

// KPA is the Knative Pod Autoscaler with its defaults: every 2 s, total
// concurrency averaged over 60 s and, for panic, over 6 s; panic from twice the
// ready pods, not lowered until 60 s after; down by at most half of the ready
// pods at once.
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
func (b KPA) Decider() scale.Decider {
	b.Target = orDefault(b.Target, 70)
	return b.decider(kpaTick, b.advise)
}

func (b KPA) advise(m *scale.Memory, o *scale.Observation, c census) (int, string) {
	if len(m.Levels) == 0 && c.ready > 1 {
		m.Since, m.Most = o.Now, c.ready // an autoscaler that starts with several pods begins in panic
	}
	m.Level(o.Now, ongoing(o), kpaStable)
	stable, short := m.Mean(o.Now, kpaStable), m.Mean(o.Now, kpaPanic)
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

// APA is AIBrix's pod autoscaler (v0.6.0) with its defaults: every 10 s, the
// mean per pod over 180 s, 10 % tolerance, at most twice up and half down. When
// going down it takes the lowest recommendation of the last 300 s, at once and
// past the half, as in its source.
type APA struct {
	Bounds
	Target float64 // the knob: concurrency per replica; 0: 22.4
}

const (
	apaTick      = 10 * time.Second
	apaWindow    = 181 * time.Second // 180 s of one-second buckets, both ends included
	apaTolerance = 0.1
	apaDown      = 300*time.Second - 1 // a 300 s old recommendation is too old
)

// Decider returns the policy.
func (b APA) Decider() scale.Decider {
	b.Target = orDefault(b.Target, 0.7*32)
	return b.decider(apaTick, b.advise)
}

func (b APA) advise(m *scale.Memory, o *scale.Observation, c census) (int, string) {
	switch {
	case c.have == 0 && b.Min > 0:
		return 0, "disabled: there are no replicas"
	case c.have < b.Min || c.have > b.Max:
		return c.have, "outside of the bounds"
	case c.ready == 0 && c.have > 0:
		return c.have, "no pod answers"
	}
	if c.ready > 0 {
		m.Level(o.Now, ongoing(o)/float64(c.ready), apaWindow)
	}
	mean := m.Mean(o.Now, apaWindow)
	n := b.recommend(mean/b.Target, c.have)
	if low := m.Lowest(o.Now, n, apaDown); n < c.have {
		n = low
	}
	return n, fmt.Sprintf("concurrency %.3g per pod over 180 s, target %.3g", mean, b.Target)
}

// recommend is the algorithm, before the controller's cooldown.
func (b APA) recommend(ratio float64, have int) int {
	n := have
	switch pods := float64(have); {
	case ratio > 1+apaTolerance:
		n = int(min(math.Ceil(pods*ratio), 2*pods))
	case ratio < 1-apaTolerance:
		n = int(max(math.Ceil(pods*ratio), math.Floor(pods/2)))
	}
	return min(max(n, b.Min), b.Max)
}
