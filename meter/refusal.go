package meter

import (
	"fmt"
	"math"
	"time"

	"weir"
)

// Kind names the kind of limit that refused: error code, metric label and the
// configuration's key alike.
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

// Refusal says which limit turned a request away and when to come back. It is
// an error whose text says limit, value and remedy, fit for the caller.
type Refusal struct {
	Kind    Kind
	Limit   string // "requests_per_minute of key demo/ci"
	Value   int64  // what the request asked for: requests, tokens, or requests in flight with it; of a budget what is used
	Allowed int64  // the limit as configured

	// RetryAfter is when the request will be admitted if nobody else uses the
	// limit meanwhile: exact for rates; for Concurrent an estimate from how long
	// this account's requests take. 0 with TooLarge: waiting does not help.
	RetryAfter time.Duration

	// TooLarge: one request that exceeds what may be used at once.
	TooLarge bool
}

// Error says what was refused, by which limit, and what to do.
func (r *Refusal) Error() string {
	switch {
	case r.TooLarge:
		return fmt.Sprintf("the request needs about %d tokens and %s allows %d at once: shorten the prompt, "+
			"lower max_tokens, or have the limit raised; waiting does not help", r.Value, r.Limit, r.Allowed)
	case r.Kind == TokensDay || r.Kind == TokensMonth:
		return fmt.Sprintf("%s allows %d tokens, of which %d are used or in use: too few are left, retry in %s",
			r.Limit, r.Allowed, r.Value, shown(r.RetryAfter))
	case r.Kind == MoneyDay || r.Kind == MoneyMonth:
		return fmt.Sprintf("%s allows %s, of which %s are spent or in use: too little is left, retry in %s",
			r.Limit, weir.Money(r.Allowed), weir.Money(r.Value), shown(r.RetryAfter))
	case r.Kind == Concurrent:
		return fmt.Sprintf("the request would be number %d in flight and %s allows %d: retry when one has ended, in about %s",
			r.Value, r.Limit, r.Allowed, shown(r.RetryAfter))
	case r.Kind == Requests:
		return fmt.Sprintf("%s allows %d and they are used up: retry in %s", r.Limit, r.Allowed, shown(r.RetryAfter))
	}
	return fmt.Sprintf("the request needs about %d tokens and %s allows %d, of which too few are left: retry in %s",
		r.Value, r.Limit, r.Allowed, shown(r.RetryAfter))
}

// shown rounds up to what people read; never below the truth.
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

func (a *account) refusal(k Kind, value, allowed int64) *Refusal {
	who := "tenant " + a.scope.tenant
	if a.scope.key != "" {
		who = "key " + a.scope.tenant + "/" + a.scope.key
	}
	return &Refusal{Kind: k, Limit: string(k) + " of " + who, Value: value, Allowed: allowed}
}

// check asks one rate for n units.
func (a *account) check(now weir.Instant, b *bucket, k Kind, n int64) *Refusal {
	if b.rate == 0 {
		return nil
	}
	if n > b.burst {
		r := a.refusal(k, n, b.burst)
		r.TooLarge = true
		return r
	}
	wait := b.wait(now, n)
	if wait == 0 {
		return nil
	}
	r := a.refusal(k, n, b.rate)
	r.RetryAfter = wait
	return r
}

// checkConcurrent expects one of n requests in flight to end after an nth of
// the time they take.
func (a *account) checkConcurrent() *Refusal {
	if a.maxOpen <= 0 || a.inFlight < a.maxOpen {
		return nil
	}
	r := a.refusal(Concurrent, int64(a.inFlight)+1, int64(a.maxOpen))
	r.RetryAfter = time.Second
	if a.held > 0 {
		r.RetryAfter = max(a.held/time.Duration(a.inFlight), time.Millisecond)
	}
	return r
}

// later returns the refusal that lasts longer; one that waiting does not lift
// lasts longest. Of equals the first.
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
