package scale

import (
	"fmt"
	"time"

	"weir"
)

// backlog sizes the fleet to the queue, at once. It looks at the work that will
// still wait when a replica asked for now would be ready. Spare capacity of the
// replicas that run, and of those that become ready until then, serves part of it;
// the rest calls for more, enough to serve it within DrainWithin, or within the
// cold start when that is longer: a replica should be of use for at least as long
// as it takes to start. From zero there is no spare capacity, so the fleet is sized
// to the whole queue.
func (t *turn) backlog() {
	queued := t.queued()
	if t.stale || queued == 0 || t.p.DrainWithin < 0 {
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

// drainWithin is how long what is queued may take to be served.
func (t *turn) drainWithin() time.Duration { return max(t.p.DrainWithin, t.cold) }

// need is how many replicas a flow calls for, and the replica-seconds of it that
// are left when a start would be done; 0 when those there are do.
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

// flow is what waits, what arrives per second and what one replica does per
// second, all in the same unit.
type flow struct{ waiting, rate, each float64 }

// flows are the views there are of what waits, of which the one that calls for
// most counts: in work where the capacity is known, else in requests where
// replicas have completed some; and in requests where replicas hold all they
// admit, for then what they complete is what they can.
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

// full says whether replicas hold all the requests they admit: then what they
// complete is what they can, whatever their speed.
func (t *turn) full() bool {
	most := t.p.MaxConcurrency * t.ready
	return t.o.Waiting > 0 && most > 0 && t.o.InFlight >= most*9/10
}

// seasoned counts the replicas that have been ready for as long as completed
// requests are counted over. Of a replica of several units it is not known how many
// of them are new: all count as soon as the first do.
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

// backlogByCount does without a capacity: as many as hold all requests there
// are at the target for concurrency. A queue that is there for a moment is no
// reason; its head must have waited for longer than the slack.
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

// queuedWork is the work that waits, in nominal replica-seconds.
func (t *turn) queuedWork() float64 {
	tokens := float64(t.o.WaitingWork)
	if inside := max(0, t.o.EngineWaiting); inside > 0 && t.o.InFlight > 0 {
		tokens += float64(t.o.InFlightWork) * min(1, float64(inside)/float64(t.o.InFlight))
	}
	return tokens * t.rates.perToken
}

// coming is how many replica-seconds those that start now will have given by
// the time a replica asked for now would be ready.
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

// slack is how long a request may wait in the queue and still meet the SLO.
func (t *turn) slack() time.Duration {
	if t.p.SLO.TTFT > 0 {
		return t.p.SLO.TTFT / 2
	}
	return time.Second
}

// replaceLate asks for one more in place of each that has been starting for so
// long that it will hardly come up, when it is needed. At most a quarter is
// replaced: when most are late, all of the place is slow and more would be too.
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
