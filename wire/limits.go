package wire

import (
	"weir"
	"weir/config"
	"weir/gateway"
	"weir/meter"
)

// scopeLimits are the limits of one scope.
func scopeLimits(l config.Limits, b config.Budget) meter.Limits {
	return meter.Limits{
		RequestsPerMinute: l.Requests.PerMinute(), TokensPerMinute: l.Tokens.PerMinute(), MaxConcurrent: l.Concurrent, Burst: l.Burst, Most: l.Reserve == "most",
		Budget: meter.Budget{
			TokensPerDay: int64(b.TokensPerDay), TokensPerMonth: int64(b.TokensPerMonth),
			MoneyPerDay: weir.Money(b.MoneyPerDay), MoneyPerMonth: weir.Money(b.MoneyPerMonth), Cut: b.Exhausted == "cut", Whole: b.Reserve == "all",
		},
	}
}

// Limit is one entry of the limits list.
func Limit(l *config.Limit) gateway.Limit {
	return gateway.Limit{
		Scope:  meter.Scope{Tenant: l.Tenant, Key: l.Key, Model: l.Model, Class: l.Class},
		Limits: scopeLimits(l.Limits, l.Budget),
	}
}

// ownPrefill is the default max_prefill of replicas that Weir starts. Each is
// one engine; a quarter of the tokens an engine computes in a step hardly
// delays another request's first token.
const ownPrefill = 512

// MaxPrefill bounds the prompt tokens a replica computes at a time; 0: no
// bound.
func MaxPrefill(d *config.Deployment) int {
	switch {
	case d.Capacity.MaxPrefill != nil:
		return *d.Capacity.MaxPrefill
	case Elastic(d):
		return ownPrefill
	}
	return 0
}
