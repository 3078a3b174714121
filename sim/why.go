package sim

import (
	"cmp"
	"slices"
	"time"

	"weir"
	"weir/engine"
)

// Cause is the reason why a request missed its SLO.
type Cause string

const (
	ColdStart   Cause = "cold_start"   // it waited while replicas started
	AtMax       Cause = "at_max"       // it waited, with the most replicas the policy allows
	NoRoom      Cause = "no_room"      // it waited, and the place gave no more replicas: quota or stock-out
	TooFew      Cause = "too_few"      // it waited, and the policy wanted no more replicas
	OutOfQuota  Cause = "quota"        // it waited for a service's quota
	SlowPrefill Cause = "slow_prefill" // its first token came late: the replica was busy with other prompts
	SlowDecode  Cause = "slow_decode"  // its other tokens came late: the replica had too many requests at once
	SlowService Cause = "slow_service" // a service took longer than the SLO
	Never       Cause = "never"        // not even an idle replica is fast enough
	Lost        Cause = "lost"         // its replica died
)

// Miss is a cause and the requests it affected.
type Miss struct {
	Cause      Cause  `json:"cause"`
	Deployment string `json:"deployment"`
	Count      uint64 `json:"requests"`
	Spans      []Span `json:"spans"` // arrival times of most of them: up to maxSpans, in order of time
}

// Span is a part of the run with arrivals that missed.
type Span struct {
	From  time.Duration `json:"from_ns"`
	To    time.Duration `json:"to_ns"`
	Count uint64        `json:"requests"`
}

const (
	spanSlot = 10 * time.Second // resolution of spans
	spanGap  = 6                // empty slots that do not end a span
	maxSpans = 5
	maxAlone = 4096 // prompt lengths with a remembered time on an idle replica
)

// blamed counts misses by cause and deployment, by the time of arrival.
type blamed struct {
	all []*blame
}

type blame struct {
	cause Cause
	part  int32
	slots []uint64
	total uint64
}

func (b *blamed) add(cause Cause, part int32, at time.Duration) {
	i := slices.IndexFunc(b.all, func(x *blame) bool { return x.cause == cause && x.part == part })
	if i < 0 {
		i = len(b.all)
		b.all = append(b.all, &blame{cause: cause, part: part})
	}
	x, slot := b.all[i], int(at/spanSlot)
	for len(x.slots) <= slot {
		x.slots = append(x.slots, 0)
	}
	x.slots[slot]++
	x.total++
}

// misses returns the causes, the most frequent first.
func (w *world) misses() []Miss {
	all := []Miss{}
	for _, x := range w.blamed.all {
		all = append(all, Miss{x.cause, w.parts[x.part].Name, x.total, x.spans()})
	}
	slices.SortStableFunc(all, func(a, b Miss) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Cause, b.Cause), cmp.Compare(a.Deployment, b.Deployment))
	})
	return all
}

// spans joins slots that are close to each other.
func (x *blame) spans() []Span {
	var all []Span
	last := -1 - spanGap
	for i, n := range x.slots {
		if n == 0 {
			continue
		}
		from, to := time.Duration(i)*spanSlot, time.Duration(i+1)*spanSlot
		if i-last > spanGap {
			all = append(all, Span{From: from})
		}
		s := &all[len(all)-1]
		s.To, s.Count, last = to, s.Count+n, i
	}
	slices.SortStableFunc(all, func(a, b Span) int { return cmp.Compare(b.Count, a.Count) })
	all = all[:min(len(all), maxSpans)]
	slices.SortFunc(all, func(a, b Span) int { return cmp.Compare(a.From, b.From) })
	return all
}

// staffed is the number of replicas a deployment wants and has.
type staffed struct{ want, ready, starting int }

// preferred is the deployment requests wait for: the one of the lowest tier.
func (w *world) preferred() int32 {
	return slices.MinFunc(w.parts, func(a, b *part) int { return cmp.Or(cmp.Compare(a.Tier, b.Tier), cmp.Compare(a.index, b.index)) }).index
}

// waits notes the state when a request had to wait.
func (w *world) waits(q *request) {
	if p := w.parts[w.first]; p.own != nil {
		q.then = staffed{p.own.want, p.own.ready, p.own.starting}
	}
}

// blame finds out why a request missed; answered says that l is known.
func (w *world) blame(q *request, l latency, answered bool) {
	if w.outOfReach(q) {
		w.result.OutOfReach++
	}
	cause, part := w.cause(q, l, answered)
	w.blamed.add(cause, part, q.arrived.Sub(w.c.Start))
}

func (w *world) cause(q *request, l latency, answered bool) (Cause, int32) {
	served := q.tried
	switch {
	case q.lost:
		return Lost, served
	case q.tooLong:
		return Never, served
	case served < 0 || q.granted == 0 || !answered && q.at < 0:
		return w.whyWaited(q)
	}
	p, slo := w.parts[served], w.c.SLO.ttft(q.prompt)
	if q.first != 0 && q.first.Sub(q.arrived) <= slo {
		return w.lateTokens(p, q), served
	}
	wait, service := q.granted.Sub(q.arrived), w.now.Sub(q.granted)
	if answered || q.first != 0 {
		service = q.first.Sub(q.granted)
	}
	switch alone := p.alone(q.prompt - q.cached); {
	case alone > slo && p.own != nil:
		return Never, served
	case wait > 0 && (service <= slo || wait > service):
		return w.whyWaited(q)
	case p.own == nil:
		return SlowService, served
	}
	return SlowPrefill, served
}

// outOfReach says whether a request that missed would have missed on an idle
// replica too.
func (w *world) outOfReach(q *request) bool {
	p := w.parts[w.first]
	if q.tried >= 0 {
		p = w.parts[q.tried]
	}
	return q.tooLong || p.own != nil && (p.alone(q.prompt-q.cached) > w.c.SLO.ttft(q.prompt) || w.slowAlone(p, q))
}

// slowAlone says whether the tokens of a request come late on an idle replica.
func (w *world) slowAlone(p *part, q *request) bool {
	return q.output > 1 && p.own.Engine.Speed.Step(engine.Batch{Decode: 1}).Of(q.prompt+q.output/2).Duration() > w.c.SLO.TPOT
}

// lateTokens returns why the tokens after the first were late.
func (w *world) lateTokens(p *part, q *request) Cause {
	switch {
	case p.own == nil:
		return SlowService
	case w.slowAlone(p, q):
		return Never
	}
	return SlowDecode
}

// whyWaited returns why a request was not served at once, by the replicas of
// the deployment it waited for: at its arrival, and now at the end of the wait.
func (w *world) whyWaited(q *request) (Cause, int32) {
	p := w.parts[w.first]
	if p.own == nil {
		return OutOfQuota, w.first
	}
	o, limit := p.own, p.own.Policy.Max
	room := o.Fleet.Quota
	switch {
	case q.then.starting > 0 || o.starting > 0 || o.ready > q.then.ready:
		return ColdStart, w.first
	case o.want > o.ready+o.starting || room > 0 && room < limit && o.want >= room:
		return NoRoom, w.first
	case o.want >= limit:
		return AtMax, w.first
	}
	return TooFew, w.first
}

// alone returns the time to a first token without other load.
func (p *part) alone(prompt int) time.Duration {
	if p.own == nil {
		return p.remote.TTFT + p.remote.PerPrompt*time.Duration(prompt)
	}
	if d, known := p.own.alone[prompt]; known {
		return d
	}
	d := firstToken(p.own.Engine, prompt)
	if len(p.own.alone) < maxAlone {
		p.own.alone[prompt] = d
	}
	return d
}

// firstToken returns an idle replica's time to the first token of an uncached
// prompt; 0 if it fits no replica: that miss has another cause.
func firstToken(spec engine.Spec, prompt int) time.Duration {
	r, began := engine.New(spec), weir.Instant(1)
	if err := r.Arrive(began, engine.Request{ID: 1, Prompt: prompt, Output: 1}); err != nil {
		return 0
	}
	for next := r.Next(); next != 0; next = r.Next() {
		if len(r.Advance(next)) > 0 {
			return next.Sub(began)
		}
	}
	return 0
}

// fullHouse adds the time since the last call to the time of a deployment at
// its maximum of wanted replicas.
func (w *world) fullHouse() {
	for _, p := range w.parts {
		if p.own == nil {
			continue
		}
		if p.own.want >= p.own.Policy.Max {
			p.own.atMax += w.now.Sub(max(p.own.fullFrom, w.c.Start))
		}
		p.own.fullFrom = w.now
	}
}
