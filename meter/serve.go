package meter

import "weir"

// Serve says that model serves a request of who, which may have asked for
// another. The limits that name that model are asked as well: either all
// give, or the reservation stays as it was and the Refusal says why. What an
// earlier Serve had taken of a third model is given back. The limits of the model
// asked for go on counting the request, so those of both are settled with what
// it uses; those that name no model count it once, whichever model serves it.
//
// It returns the reservation to settle: one that was zero because nothing
// counted the request may begin here, with the claim given. One that was closed
// stays so.
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

// servedBy returns the accounts that count a request for being served by model,
// less those o has been taken from for it already.
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

// serves says whether a is among the accounts of the model that serves.
func (o *open) serves(a *account) bool {
	for _, h := range o.holds[o.asked:] {
		if h.account == a {
			return true
		}
	}
	return false
}

// leave gives back what was taken of models that serve no more.
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
