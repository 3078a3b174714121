package meter

import "weir"

// Knock stands for a request that has said whose it is and not yet what it wants:
// its body is on its way. The zero value counts nothing.
type Knock struct{ at []*account }

// Knock asks the limits of a request's tenant and key, before its body is read,
// whether there would be a place for it: in flight, together with those whose
// bodies are on their way, and in the requests per minute. Nothing is reserved.
// The Refusal says which has none. Limits of models and classes are not asked:
// the body names the model.
//
// Where limits are shared by gateways, the requests per minute are left to
// Reserve, and in flight counts those of this gateway.
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

// Leave ends a Knock: before Reserve, or because nothing came of it. Once.
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
