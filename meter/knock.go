package meter

import "weir"

// Knock is a request whose caller is known but whose body is still on its way.
// The zero value counts nothing.
type Knock struct{ at []*account }

// Knock checks the limits of a request's tenant and key before its body is
// read: for requests in flight, including those whose bodies are on their way,
// and for requests per minute. Nothing is reserved. The Refusal says which
// limit has no room. Limits of models and classes are not checked: the body
// names the model.
//
// Where gateways share limits, the requests per minute are left to Reserve, and
// the requests in flight are those of this gateway.
func (m *Meter) Knock(now weir.Instant, who Who) (Knock, *Refusal) {
	set := m.set(Who{Tenant: who.Tenant, Key: who.Key})
	var worst *Refusal
	for _, a := range set {
		if a.scope.Class == "" {
			worst = later(worst, a.knock(now))
		}
	}
	if worst != nil {
		return Knock{}, worst
	}
	for _, a := range set {
		a.door++
	}
	return Knock{set}, nil
}

// Leave ends a Knock, once: before Reserve, or when the request failed.
func (m *Meter) Leave(k Knock) {
	for _, a := range k.at {
		a.door--
	}
}

func (a *account) knock(now weir.Instant) *Refusal {
	var worst *Refusal
	if most := a.limits.MaxConcurrent; most > 0 && a.inFlight+a.door >= most {
		worst = a.refusal(Concurrent, int64(a.inFlight+a.door)+1, int64(most))
		worst.RetryAfter = a.oneEnds()
	}
	if a.shared == nil && a.requests.rate > 0 {
		worst = later(worst, a.checkRate(now, &a.requests, Requests, min(int64(a.door)+1, a.requests.burst)))
	}
	return worst
}
