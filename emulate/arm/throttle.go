package arm

import (
	"net/http"
	"strconv"
	"time"
)

// throttle is Resource Manager's limit of a subscription: 1,200 writes and
// 12,000 reads an hour ("Understand how Azure Resource Manager throttles
// requests"), as buckets that fill at that rate. The newer per-region buckets
// (200 writes, 10 a second) are wider than this for long, and not emulated.
type throttle struct{ writes, reads bucket }

type bucket struct {
	size float64
	left float64
	at   time.Time
}

func newThrottle(o Options, now time.Time) throttle {
	full := func(n int) bucket { return bucket{size: float64(n), left: float64(n), at: now} }
	return throttle{writes: full(o.WritesPerHour), reads: full(o.ReadsPerHour)}
}

// take uses one up, or says how long until there is one.
func (b *bucket) take(now time.Time) time.Duration {
	rate := b.size / time.Hour.Seconds()
	if now.After(b.at) {
		b.left = min(b.size, b.left+now.Sub(b.at).Seconds()*rate)
		b.at = now
	}
	if b.left < 1 {
		return time.Duration((1 - b.left) / rate * float64(time.Second))
	}
	b.left--
	return 0
}

func (c *Cloud) throttled(w http.ResponseWriter, r *http.Request, now time.Time) *problem {
	b, header := &c.throttle.reads, "X-Ms-Ratelimit-Remaining-Subscription-Reads"
	switch r.Method {
	case http.MethodPut, http.MethodPatch, http.MethodPost, http.MethodDelete:
		b, header = &c.throttle.writes, "X-Ms-Ratelimit-Remaining-Subscription-Writes"
	}
	wait := b.take(now)
	if f := c.fault("throttle", "", "", r.URL.Path, r.Method, true); f != nil {
		wait, _ = f.wait()
	}
	w.Header().Set(header, strconv.Itoa(int(b.left)))
	if wait == 0 {
		return nil
	}
	p := refuse(http.StatusTooManyRequests, "SubscriptionRequestsThrottled", "Number of requests for subscription '"+c.o.Subscription+"' exceeded the limit. Please try again after '"+strconv.Itoa(int(wait.Seconds())+1)+"' seconds.")
	p.after = wait
	return p
}
