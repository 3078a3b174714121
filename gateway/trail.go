package gateway

import (
	"hash/fnv"
	"io"
	"strings"
	"time"

	"weir"
	"weir/dispatch"
)

// The trail of a request and its reason: for its caller (X-Weir-Route), the metrics and
// the access log.

// Words of Record.Reason that are not the core's own.
const (
	// reasonWaited: it waited for room in a preferred tier and got it.
	reasonWaited = "waited"
	// reasonAzure: Azure sent it on to a standard deployment.
	reasonAzure = "azure_spillover"
	// reasonSpill prefixes the reason of a request sent to a later tier. Why the first
	// deployment was skipped follows.
	reasonSpill = "spill_"
)

// spills are the reasons for spilling, built once.
var spills = map[dispatch.Reason]string{
	dispatch.Full:         reasonSpill + string(dispatch.Full),
	dispatch.QuotaUsed:    reasonSpill + string(dispatch.QuotaUsed),
	dispatch.ContextShort: reasonSpill + string(dispatch.ContextShort),
	dispatch.Unsupported:  reasonSpill + string(dispatch.Unsupported),
	dispatch.AllThrottled: reasonSpill + string(dispatch.AllThrottled),
	dispatch.AllUnhealthy: reasonSpill + string(dispatch.AllUnhealthy),
	dispatch.NoReplica:    reasonSpill + string(dispatch.NoReplica),
	dispatch.NoCapacity:   reasonSpill + string(dispatch.NoCapacity),
}

// reasonOf is the one word for why a granted request went to its replica.
func reasonOf(v *dispatch.Verdict) string {
	switch {
	case v.Reason == dispatch.Spill && len(v.Passed) > 0:
		return spills[v.Passed[0].Reason]
	case v.Reason == dispatch.Room && v.Queued > 0:
		return reasonWaited
	}
	return string(v.Reason)
}

// Bounds of a trail.
const (
	maxSteps     = 8
	maxTrailText = 512
)

// trail lists the attempts of one request and the deployments it skipped.
type trail struct {
	past  strings.Builder // deployments skipped or tried in vain, "name=why, "
	steps int
	going bool // to the booking's target: granted, and not failed
}

func (r *trail) add(deployment, why string) {
	const apart = 3 // "=" and ", "
	if r.steps == maxSteps || r.past.Len()+len(deployment)+len(why)+apart > maxTrailText {
		return
	}
	r.steps++
	r.past.WriteString(deployment)
	r.past.WriteByte('=')
	r.past.WriteString(why)
	r.past.WriteString(", ")
}

// passed adds the deployments that the core skipped.
func (r *trail) passed(v *dispatch.Verdict) {
	for _, p := range v.Passed {
		r.add(p.Deployment, string(p.Reason))
	}
}

// failed records a failed attempt that the caller has not seen.
func (r *trail) failed(deployment, code string) {
	r.add(deployment, code)
	r.going = false
}

// firsts is the time from grant to first token, as a mean and a mean deviation over
// about the last sixteen requests (Jacobson, "Congestion avoidance and control", 1988).
type firsts struct{ mean, deviation time.Duration }

func (f *firsts) saw(took time.Duration) {
	if f.mean == 0 {
		f.mean, f.deviation = took, took/2
		return
	}
	off := took - f.mean
	f.mean += off / 16
	if off < 0 {
		off = -off
	}
	f.deviation += (off - f.deviation) / 16
}

// most covers nearly all requests: the mean and two deviations. 0: unknown.
func (f *firsts) most() time.Duration { return f.mean + 2*f.deviation }

// defaultSpillAfter is how long a request waits for paid capacity if its model has no
// SLO: Azure's provisioned deployments have room again within tens of milliseconds.
const defaultSpillAfter = 100 * time.Millisecond

// spillAt is the time until which a request should wait for a preferred tier: after
// spillAfter or, without it, when the SLO leaves just the usual time to a first token.
// The model's lock is held.
func (s *served) spillAt(arrived weir.Instant) weir.Instant {
	switch {
	case s.spillAfter > 0:
		return arrived.Add(s.spillAfter)
	case s.slo.TTFT > 0:
		most := s.firsts.most()
		if most == 0 {
			most = s.slo.TTFT / 2
		}
		return arrived.Add(s.slo.TTFT - most)
	}
	return arrived.Add(defaultSpillAfter)
}

// trailText is the trail so far; "" if the request was sent to no deployment.
func (b *booking) trailText() string {
	switch r := &b.trail; {
	case !r.going || b.target == nil:
		return strings.TrimSuffix(r.past.String(), ", ")
	case r.steps == 0 && b.rec.Reason == string(dispatch.Room):
		return b.target.asRoom
	default:
		return r.past.String() + b.target.Name + "=" + b.rec.Reason
	}
}

// hasLonger says whether a deployment has more context than t.
func (s *served) hasLonger(t *target) bool { return t.Context > 0 && s.context > t.Context }

// affinity is a hash of what the request shares with others of its tenant; 0: nothing.
func (c *call) affinity() uint64 {
	rec := &c.booking.rec
	h := fnv.New64a()
	switch c.booking.served.affinity {
	case NoAffinity, ByPrefix:
		return 0
	case ByKey:
		io.WriteString(h, rec.Tenant+"/"+rec.Key)
		return h.Sum64()
	}
	session := c.x.get("X-Weir-Session")
	if session == "" {
		session = quotedText(c.body, c.ask.user)
	}
	if session == "" {
		return 0
	}
	io.WriteString(h, rec.Tenant+"/"+session)
	return h.Sum64()
}

// extra is the additional cost of a request that spilled, compared with its preferred
// tier. One more request costs nothing at a tier that is already paid for.
func (b *booking) extra() weir.Money {
	first := b.served.first
	if b.spilled && b.target.Paid {
		return b.rec.Cost
	}
	if !strings.HasPrefix(b.rec.Reason, reasonSpill) || first == nil || first == b.target {
		return 0
	}
	if first.Paid {
		return b.rec.Cost
	}
	return b.rec.Cost - first.Rates.Cost(b.used)
}

// readLimits reads the rate limits an upstream states, for a deployment with a quota.
func (b *booking) readLimits() {
	t := b.target
	if t.Quota.TokensPerMinute == 0 && t.Quota.RequestsPerMinute == 0 {
		return
	}
	tokens, requests := b.reply.Limits()
	if both := uint64(min(tokens, 1<<32-1))<<32 | uint64(min(requests, 1<<32-1)); t.limits.Swap(both) != both {
		b.served.limits(b.g.now(), t.Name, tokens, requests)
	}
}
