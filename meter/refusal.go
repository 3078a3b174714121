package meter

import (
	"fmt"
	"math"
	"time"

	"weir"
)

// Kind is the kind of limit that refused. It is error code, metric label and
// configuration key alike.
type Kind string

const (
	Requests   Kind = "requests_per_minute"
	Tokens     Kind = "tokens_per_minute"
	Concurrent Kind = "max_concurrent"

	TokensDay   Kind = "tokens_per_day"
	TokensMonth Kind = "tokens_per_month"
	MoneyDay    Kind = "money_per_day"
	MoneyMonth  Kind = "money_per_month"
)

// Refusal says which limit refused a request and when to come back. It is an
// error whose text gives limit, value and remedy, fit for the caller.
type Refusal struct {
	Kind    Kind
	Scope   Scope  // scope of the limit
	Limit   string // "requests_per_minute of key demo/ci"
	Value   int64  // the request's demand: requests, tokens, or requests in flight including it; for a budget, its use
	Allowed int64  // the limit as configured

	// RetryAfter is when the request will be admitted if no other request uses
	// the limit meanwhile. It is exact for rates; for Concurrent it is an
	// estimate from the duration of the scope's requests. 0 with TooLarge:
	// waiting does not help.
	RetryAfter time.Duration

	// TooLarge: the request alone exceeds the burst.
	TooLarge bool
}

// Error gives the limit, the values and the remedy.
func (r *Refusal) Error() string {
	switch {
	case r.TooLarge:
		return fmt.Sprintf("the request needs about %d tokens and %s allows %d at once: shorten the prompt, "+
			"lower max_tokens, or have the limit raised; waiting does not help", r.Value, r.Limit, r.Allowed)
	case r.Kind == TokensDay || r.Kind == TokensMonth:
		return fmt.Sprintf("%s allows %d tokens, of which %d are used or reserved: too few are left, retry in %s",
			r.Limit, r.Allowed, r.Value, shown(r.RetryAfter))
	case r.Kind == MoneyDay || r.Kind == MoneyMonth:
		return fmt.Sprintf("%s allows %s, of which %s are spent or reserved: too little is left, retry in %s",
			r.Limit, weir.Money(r.Allowed), weir.Money(r.Value), shown(r.RetryAfter))
	case r.Kind == Concurrent:
		return fmt.Sprintf("the request would be number %d in flight, but %s allows %d: retry when one has ended, in about %s",
			r.Value, r.Limit, r.Allowed, shown(r.RetryAfter))
	case r.Kind == Requests:
		return fmt.Sprintf("%s allows %d, which are used up: retry in %s", r.Limit, r.Allowed, shown(r.RetryAfter))
	}
	return fmt.Sprintf("the request needs about %d tokens and %s allows %d, of which too few are left: retry in %s",
		r.Value, r.Limit, r.Allowed, shown(r.RetryAfter))
}

// shown rounds up to a readable time; never below the truth.
func shown(d time.Duration) time.Duration {
	unit := time.Millisecond
	if d >= 10*time.Second {
		unit = time.Second
	}
	if d > math.MaxInt64-unit {
		return d
	}
	return (d + unit - 1) / unit * unit
}

// later returns the refusal that lasts longer. One that waiting does not lift
// lasts longest. Of equals it returns the first.
func later(a, b *Refusal) *Refusal {
	switch {
	case b == nil:
		return a
	case a == nil:
		return b
	case a.TooLarge:
		return a
	case b.TooLarge || b.RetryAfter > a.RetryAfter:
		return b
	}
	return a
}
