package scale

import (
	"fmt"
	"time"

	"weir"
)

// backlog sizes the fleet to the queue at once. It estimates the work still
// waiting when a replica requested now would be ready. Spare capacity of
// running replicas, and of those ready by then, serves part of it. The rest
// calls for more replicas: enough to serve it within DrainWithin, or within the
// cold start if that is longer. A replica should be of use for at least as long
// as it takes to start. From zero there is no spare capacity, and the fleet is
// sized to the whole queue.
func (t *turn) backlog() {
	queued := t.queued()
	if t.stale || queued == 0 || t.p.DrainWithin < 0 || t.ready > 0 && t.s.Safety.Budget.spare(t) {
		return
	}
	flows := t.flows()
	if len(flows) == 0 {
		t.backlogByCount(queued)
		return
	}
	need, left := 0.0, 0.0
	for _, f := range flows {
		if n, l := t.need(f); n > need {
			need, left = n, l
		}
	}
	if need == 0 {
		return
	}
	t.pile(Whole(need), "%d requests queued; when a new replica would be ready, %.3g replica-seconds of their work would be left, to be served within %v",
		queued, left, t.drainWithin().Round(time.Second))
}

// drainWithin is the time allowed to serve the queue.
func (t *turn) drainWithin() time.Duration { return max(t.p.DrainWithin, t.cold) }

// need returns how many replicas a flow calls for, and its replica-seconds left
// when a start would be done; 0 when the present replicas suffice.
func (t *turn) need(f flow) (replicas, left float64) {
	if t.ready > 0 && f.waiting/(f.each*float64(t.ready)) <= seconds(t.slack()) {
		return 0, 0
	}
	work := min(f.waiting, f.waiting+(f.rate-f.each*float64(t.ready))*seconds(t.cold)-f.each*t.coming())
	if work <= 0 {
		return 0, 0
	}
	return f.rate/f.each + work/(f.each*seconds(t.drainWithin())), work / f.each
}

// flow is the waiting amount, the arrivals per second and the throughput of one
// replica per second, all in the same unit.
type flow struct{ waiting, rate, each float64 }

// flows returns the known estimates of the queue; the one that calls for most
// replicas counts. The unit is work if the capacity is known, otherwise
// requests if replicas have completed some. If replicas are full there is
// another one in requests, because the completions then equal the capacity.
func (t *turn) flows() []flow {
	var all []flow
	if l := &t.s.Learned; l.Factor > 0 && l.Confidence() >= trusted {
		certain := t.rates.burst - surgeSure*t.s.Chance.deviation(t.rates.work, shortWindow)
		all = append(all, flow{t.queuedWork(), max(t.rates.work, certain), l.Factor})
	} else if n := t.seasoned(); n > 0 && t.rates.completed > 0 {
		all = append(all, flow{float64(t.queued()), t.rates.requests, t.rates.completed / float64(n)})
	}
	if r := &t.rates; t.full() && r.known && r.finished > 0 {
		all = append(all, flow{float64(t.o.Waiting), r.coming, r.finished / float64(t.ready)})
	}
	return all
}

// full says whether replicas hold all the requests they admit. Their
// completions then equal their capacity, whatever their speed.
func (t *turn) full() bool {
	most := t.p.MaxConcurrency * t.ready
	return t.o.Waiting > 0 && most > 0 && t.o.InFlight >= most*9/10
}

// seasoned counts the replicas ready for at least the window of completed
// requests. In a replica of several units the number of new units is unknown:
// all count as soon as the first do.
func (t *turn) seasoned() int {
	n := 0
	for i := range t.o.Replicas {
		r := &t.o.Replicas[i]
		since := r.ReadyAt
		if r.Size() > 1 {
			since = r.Since
		}
		if r.State == weir.Ready && t.o.Now.Sub(since) >= shortWindow {
			n += r.Size()
		}
	}
	return n
}

// backlogByCount sizes the fleet without a known capacity, by all requests
// present and the target for concurrency. A momentary queue is no reason: its
// head must have waited for longer than the slack.
func (t *turn) backlogByCount(queued int) {
	if t.ready > 0 && t.o.HeadAge <= t.slack() {
		return
	}
	target := t.p.TargetConcurrency
	if target == 0 {
		target = t.p.UsualConcurrency()
	}
	n := Whole(float64(t.o.InFlight+t.o.Waiting) / target)
	t.pile(n, "%d requests queued and %d in flight, %.3g per replica", queued, t.o.InFlight, target)
}

// pile raises the number to n, at least one, and notes how much of it is for
// the backlog alone.
func (t *turn) pile(n int, format string, args ...any) {
	t.extra = max(0, max(n, 1)-t.n)
	t.raise(RuleBacklog, max(n, 1), format, args...)
}

// queuedWork returns the waiting work, in nominal replica-seconds.
func (t *turn) queuedWork() float64 {
	tokens := float64(t.o.WaitingWork)
	if inside := max(0, t.o.EngineWaiting); inside > 0 && t.o.InFlight > 0 {
		tokens += float64(t.o.InFlightWork) * min(1, float64(inside)/float64(t.o.InFlight))
	}
	return tokens * t.rates.perToken
}

// coming returns the replica-seconds that starting replicas will have given
// when a replica requested now would be ready.
func (t *turn) coming() float64 {
	sum := 0.0
	typical := t.s.coldStart(t.p, 0.5)
	for i := range t.o.Replicas {
		r := &t.o.Replicas[i]
		if r.State != weir.Starting {
			continue
		}
		at := r.ReadyAt
		if at == 0 {
			at = r.Asked.Add(typical)
		}
		if left := max(0, at.Sub(t.o.Now)); left < t.cold {
			sum += float64(r.Size()) * seconds(t.cold-left)
		}
	}
	return sum
}

// slack returns how long a request may wait in the queue and still meet the
// SLO.
func (t *turn) slack() time.Duration {
	if t.p.SLO.TTFT > 0 {
		return t.p.SLO.TTFT / 2
	}
	return time.Second
}

// replaceLate requests another replica for each one that has been starting for
// so long that it is unlikely to become ready, if that one is needed. At most a
// quarter is replaced: when most are late, the whole place is slow, and more
// would be late too.
func (t *turn) replaceLate() {
	if t.stale || t.late == 0 || t.wanted <= t.have-t.late {
		return
	}
	t.raise(RuleLate, t.wanted+min(t.late, max(1, t.wanted/4)), "%s been starting for more than three times the usual start time (%v)",
		count(t.late, "replica has", "replicas have"), t.cold.Round(time.Second))
}

func count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}
