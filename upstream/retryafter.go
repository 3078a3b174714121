package upstream

import (
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// maxRetryAfter bounds the retry time accepted from an upstream: API Management is
// known to ask for a day. maxAsked bounds the parsed value.
const (
	maxRetryAfter = time.Hour
	maxAsked      = 10 * 365 * 24 * time.Hour
)

// readRetryAfter reads the retry time, up to maxRetryAfter.
func readRetryAfter(header func(string) string, now time.Time) (time.Duration, bool) {
	d, ok := askedRetryAfter(header, now)
	return min(d, maxRetryAfter), ok
}

// readLimits reads the retry time of an answer and the state of its limits.
func (f *Failure) readLimits(header func(string) string, now time.Time) {
	var asked time.Duration
	asked, f.HasRetryAfter = askedRetryAfter(header, now)
	f.RetryAfter = min(asked, maxRetryAfter)
	if asked > f.RetryAfter {
		f.Asked = asked
	}
	f.Exhausted = f.exhausted()
	f.Full = f.isFull()
	f.Throttled = f.Status == http.StatusTooManyRequests || f.Status == statusOverloaded || f.Status == http.StatusServiceUnavailable && f.HasRetryAfter
}

// askedRetryAfter reads the requested retry time. retry-after-ms and
// x-ms-retry-after-ms are exact. retry-after is the same time rounded up to seconds, or
// a date, and counts only if it exceeds the exact time by a second or more: a
// provisioned deployment of Azure has room again in some 40 ms, and a pause of a second
// would be twenty times too long. Without any of them, the reset times of exhausted
// rate limits count (x-ratelimit-reset-*).
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

// inUnits reads a number of units, whole or fractional.
func inUnits(s string, unit time.Duration) (time.Duration, bool) {
	n, err := strconv.ParseFloat(strings.TrimSpace(s), 64)
	if err != nil || math.IsNaN(n) || n < 0 {
		return 0, false
	}
	return time.Duration(min(n*float64(unit), float64(maxAsked))), true
}

// rateLimitReset reads x-ratelimit-reset-requests and -tokens ("6m0s", "1.5s", or
// seconds) of limits with nothing left.
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
