package upstream

import (
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// maxRetryAfter bounds what an upstream that asks for a time is believed: API
// Management is known to answer with a day. maxAsked bounds what is read.
const (
	maxRetryAfter = time.Hour
	maxAsked      = 10 * 365 * 24 * time.Hour
)

// readRetryAfter reads when to come back, as far as it is believed.
func readRetryAfter(header func(string) string, now time.Time) (time.Duration, bool) {
	d, ok := askedRetryAfter(header, now)
	return min(d, maxRetryAfter), ok
}

// readLimits reads what an answer says of when to ask again.
func (f *Failure) readLimits(header func(string) string, now time.Time) {
	var asked time.Duration
	asked, f.HasRetryAfter = askedRetryAfter(header, now)
	f.RetryAfter = min(asked, maxRetryAfter)
	if asked > f.RetryAfter {
		f.Asked = asked
	}
	f.Exhausted = f.exhausted()
	f.Throttled = f.Status == http.StatusTooManyRequests || f.Status == statusOverloaded || f.Status == http.StatusServiceUnavailable && f.HasRetryAfter
}

// askedRetryAfter reads when to come back. retry-after-ms and
// x-ms-retry-after-ms are exact; retry-after is the same time rounded up to
// seconds, or a date, and counts only where it says more than that: a
// provisioned deployment of Azure drains in some 40 ms, and a second of pause
// would be twenty times too long. Without any of them, the reset times of
// exhausted rate limits are taken (x-ratelimit-reset-*).
func askedRetryAfter(header func(string) string, now time.Time) (time.Duration, bool) {
	exact, ok := time.Duration(0), false
	for _, name := range [...]string{"retry-after-ms", "x-ms-retry-after-ms"} {
		if d, is := inUnits(header(name), time.Millisecond); is {
			exact, ok = max(exact, d), true
		}
	}
	rounded, has := inUnits(header("retry-after"), time.Second)
	if !has {
		if at, err := http.ParseTime(header("retry-after")); err == nil {
			rounded, has = at.Sub(now), true
		}
	}
	if has && (!ok || rounded >= exact+time.Second) {
		exact, ok = rounded, true
	}
	if !ok {
		exact, ok = rateLimitReset(header)
	}
	return min(max(exact, 0), maxAsked), ok
}

// inUnits reads a number, with a fraction or without, of units.
func inUnits(s string, unit time.Duration) (time.Duration, bool) {
	n, err := strconv.ParseFloat(strings.TrimSpace(s), 64)
	if err != nil || math.IsNaN(n) || n < 0 {
		return 0, false
	}
	return time.Duration(min(n*float64(unit), float64(maxAsked))), true
}

// rateLimitReset reads x-ratelimit-reset-requests and -tokens ("6m0s", "1.5s",
// or seconds) of limits that have nothing left.
func rateLimitReset(header func(string) string) (longest time.Duration, ok bool) {
	for _, what := range [...]string{"requests", "tokens"} {
		if left, err := strconv.ParseInt(header("x-ratelimit-remaining-"+what), 10, 64); err != nil || left > 0 {
			continue
		}
		reset := header("x-ratelimit-reset-" + what)
		d, is := inUnits(reset, time.Second)
		if !is {
			var err error
			if d, err = time.ParseDuration(reset); err != nil {
				continue
			}
		}
		longest, ok = max(longest, d), true
	}
	return longest, ok
}
