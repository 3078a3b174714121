package main

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"time"
)

// rate is the limit a second.
func (o *outcome) rate() float64 { return float64(o.perMinute) / 60 }

// burstUnits is how many requests may come at once.
func (o *outcome) burstUnits() float64 { return o.rate() * o.burst.Seconds() }

// bound is how much may be used beyond the limit, as docs/guide states it: the
// total of the leases and one request of each gateway.
func (o *outcome) bound() float64 { return o.leases + float64(o.gateways) }

// over is how much was used beyond the limit.
func (o *outcome) over() float64 { return o.upstream.over(o.began, o.rate(), o.burstUnits()) }

// share of the limit that a phase let in.
func (o *outcome) share(p phase) float64 {
	return float64(o.upstream.between(p.from, p.to)) / (o.rate() * p.to.Sub(p.from).Seconds())
}

// load is the machine's load average of the last minute.
func load() string {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "unknown"
	}
	one, _, _ := strings.Cut(string(text), " ")
	return one
}

func (o *outcome) text() string {
	var b strings.Builder
	fmt.Fprintf(&b, `# Several gateways, one Redis

Written by `+"`make bench-share`"+` on %d cores shared with other work (load average
%s), %s.

%d processes of `+"`weir serve`"+` share one redis-server. %d callers at once ask for
one tenant, whose limit is %d requests a minute with a burst of %s (%.0f requests).
A refused caller comes back after %v on average, not before Retry-After-Ms. The
requests let in are counted at the upstream. Redis is paused with
SIGSTOP: its connections stay open and it answers nothing, which is the worst case.

| | seconds | let in, a second | of the limit | refused with 429 | other statuses | answer p50 | p99 |
|---|---|---|---|---|---|---|---|
`, runtime.NumCPU(), load(), time.Now().UTC().Format("2006-01-02"), o.gateways, o.callers, o.perMinute, o.burst, o.burstUnits(), o.comeBack)
	for _, p := range o.phases {
		d := p.to.Sub(p.from).Seconds()
		n := statuses(o.answers, p.from, p.to)
		refused, other := n[429], 0
		for status, k := range n {
			if status != 200 && status != 429 {
				other += k
			}
		}
		fmt.Fprintf(&b, "| %s | %.1f | %.2f | %.2f %% | %d | %d | %v | %v |\n", p.name, d,
			float64(o.upstream.between(p.from, p.to))/d, 100*o.share(p), refused, other,
			quantile(o.answers, p.from, p.to, 0.5).Round(100*time.Microsecond), quantile(o.answers, p.from, p.to, 0.99).Round(100*time.Microsecond))
	}
	fmt.Fprintf(&b, `
The warm-up uses the burst, so it lets in more than the limit a second.

- **Overshoot**: the largest excess over burst and rate in any stretch of the
  whole run, pause included: %.1f requests. The stated bound is the
  total of the leases, at most %.0f as the gateways' metrics said, and one
  request of each gateway: %.0f.
- The gateways said that Redis did not answer: %v; and that it answered again: %v.
`, max(o.over(), 0), o.leases, o.bound(), o.silent, o.heard)
	return b.String()
}
