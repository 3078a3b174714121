package azureml

import (
	"cmp"
	"sync"
	"time"

	"weir/fleet"
)

// target is one deployment.
type target struct {
	f    *Fleet
	at   at
	name string // at the endpoint

	mu     sync.Mutex
	d      Deployment
	s      state
	access error // why its endpoint cannot be read or written; nil: it can
	unfit  error // why it cannot be scaled at all; nil: it can
}

func (t *target) set(d Deployment) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.d = d
}

// unknown is why nothing is known yet. The lock is held.
func (t *target) unknown() error {
	return cmp.Or(t.unfit, t.access, fleet.ErrNotYet)
}

// misfit notes why it cannot be scaled at all; nil: it can.
func (t *target) misfit(why error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.unfit = why
}

// follow forgets the number: another gateway says it.
func (t *target) follow() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.s.want, t.s.draining = unsaid, time.Time{}
}

// scale notes the number wanted, and says whether it is another than before, and
// what keeps it from coming.
func (t *target) scale(want int, now time.Time) (fresh bool, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := &t.s
	if !s.known {
		return false, t.d.fault("%w", t.unknown())
	}
	if by := s.held(now); by != "" {
		s.want = unsaid
		return false, t.d.fault("%w: %s", ErrHeld, by)
	}
	s.holder = ""
	if fresh = want != s.want; fresh {
		if want > max(s.want, s.ready) {
			s.asked = now
		}
		if want >= s.ready {
			s.draining, s.quiet = time.Time{}, time.Time{}
		}
		s.want = want
	}
	return fresh, t.lacks(want, now)
}

// lacks is what keeps the number wanted from coming. The lock is held.
func (t *target) lacks(want int, now time.Time) error {
	s, most := &t.s, t.d.most()
	switch {
	case t.unfit != nil:
		return t.d.fault("%w", t.unfit)
	case t.access != nil:
		return t.d.fault("%w", t.access)
	case want > most:
		return &fleet.Shortage{Why: fleet.WhyMaxReplicas, Err: t.d.fault("%w: %d of %d instances: %s: its limit", fleet.ErrNoCapacity, most, want, fleet.WhyMaxReplicas)}
	case want > s.ready && s.failed.why != "" && !s.sent:
		return &fleet.Shortage{Why: s.failed.why, Err: t.d.fault("%w: %d of %d instances: %s: %s", fleet.ErrNoCapacity, s.ready, want, s.failed.why, s.failed.text)}
	case want == 0 && s.v.there && now.Before(s.gone.until):
		return t.d.fault("scale to 0: %s", s.gone.text)
	case want > 0 && want < s.ready && now.Before(s.fewer.until):
		return t.d.fault("scale to %d: %s", want, s.fewer.text)
	case want == 0 && s.v.there && !t.d.AllowDelete:
		return t.d.fault("scale to 0: Azure has no zero, and without allow_delete one instance stays")
	case want > 0 && !s.v.there && !t.d.AllowDelete:
		return &fleet.Shortage{Why: fleet.WhySetup, Err: t.d.fault("%w: %s is not there, and without allow_delete Weir makes none", fleet.ErrNoCapacity, t.d.target())}
	}
	return nil
}

func (t *target) named() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.d.Name
}

func (t *target) learn(v view, pending bool) {
	t.mu.Lock()
	held := t.s.holder
	t.s.learn(v, pending, time.Now(), t.f.o.Pace)
	by, name := t.s.holder, t.d.Name
	t.mu.Unlock()
	if by != held && by != "" {
		t.f.o.Log.Warn("another wrote the instances: nothing is changed for now", "deployment", name, "found", by, "for", t.f.o.Pace.HoldFor)
	}
}

func (t *target) moving() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.s.v.moving()
}

// restless says whether something is to be done or looked at soon.
func (t *target) restless() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := &t.s
	return !s.known || s.v.moving() || !s.draining.IsZero() || s.want != unsaid && s.goal(&t.d, time.Now()) != s.ready
}

// next is what is to be done, with the requests in flight of this moment.
func (t *target) next() (act, int) {
	t.mu.Lock()
	d, s := t.d, &t.s
	id := d.Deployment
	if s.id != "" {
		id += "." + s.id
	}
	t.mu.Unlock()
	busy := -1
	if t.f.o.Busy != nil {
		busy = t.f.o.Busy(d.Name, id)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return s.next(&t.d, busy, time.Now(), t.f.o.Pace)
}

func (t *target) begun(what act, n int, now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.s.begun(what, n, now)
}

func (t *target) failed(op *operation, why trouble, now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.s.fail(op.what, op.less(), why, now, t.f.o.Pace)
}

// went notes that an operation went well.
func (t *target) went(op *operation) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if op.less() {
		t.s.fewer, t.s.gone = refusal{}, refusal{}
	}
}

func (t *target) hold(by string, until time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.s.hold(by, until)
}
