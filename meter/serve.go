package meter

import "weir"

// Serve says that model serves a request of who, which may have requested
// another one. The limits of that model are checked as well: either all admit
// it, or the reservation is unchanged and the Refusal says why. Units that an
// earlier Serve took for a third model are returned. The limits of the
// requested model still count the request: both models' limits are settled with
// its use. Limits without a model count it once, whichever model serves it.
//
// It returns the reservation to settle. If no limit counted the request before,
// the reservation may begin here, with the given claim. A closed reservation
// stays closed.
func (m *Meter) Serve(now weir.Instant, r Reservation, who Who, model string, c Claim) (Reservation, *Refusal) {
	o := m.of(r)
	if o == nil && (model == who.Model || r != Reservation{}) {
		return r, nil
	}
	c = c.bounded()
	if o != nil {
		c = o.claim
	}
	more := m.servedBy(o, who, model)
	var worst *Refusal
	for _, a := range more {
		worst = later(worst, a.check(now, &c))
	}
	switch {
	case worst != nil:
		return r, worst
	case o != nil:
		o.leave(now, model)
	case len(more) == 0:
		return r, nil
	default:
		if r, worst = m.begin(now, c); worst != nil {
			return r, worst
		}
		o = m.of(r)
	}
	for _, a := range more {
		o.holds = append(o.holds, a.take(&c))
	}
	return r, nil
}

// servedBy returns the accounts that count a request because model serves it,
// without those that o already holds.
func (m *Meter) servedBy(o *open, who Who, model string) []*account {
	m.more = m.more[:0]
	if model == who.Model {
		return nil
	}
	who.Model = model
	for _, a := range m.set(who) {
		if a.scope.Model != "" && (o == nil || !o.serves(a)) {
			m.more = append(m.more, a)
		}
	}
	return m.more
}

// serves says whether a is among the accounts of the serving model.
func (o *open) serves(a *account) bool {
	for _, h := range o.holds[o.asked:] {
		if h.account == a {
			return true
		}
	}
	return false
}

// leave returns the units of models that no longer serve.
func (o *open) leave(now weir.Instant, model string) {
	kept := o.asked
	for _, h := range o.holds[o.asked:] {
		if h.account.scope.Model == model {
			o.holds[kept] = h
			kept++
			continue
		}
		h.close(now, &o.claim, Spent{}, 1)
	}
	clear(o.holds[kept:])
	o.holds = o.holds[:kept]
}
