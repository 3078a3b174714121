package sim

import (
	"weir"
	"weir/dispatch"
	"weir/engine"
)

// verdicts holds dispatch's pending verdicts. They are copies: the core reuses
// its slice in the next call, and carrying out a verdict may make such a call.
type verdicts struct {
	queue []dispatch.Verdict
	busy  bool
}

// perform carries out dispatch's verdicts, and those that follow from them, in
// order.
func (w *world) perform(vs []dispatch.Verdict) {
	v := &w.verdicts
	v.queue = append(v.queue, vs...)
	if v.busy {
		return
	}
	v.busy = true
	for i := 0; i < len(v.queue); i++ {
		verdict := v.queue[i]
		q := w.requests.get(verdict.ID)
		if q == nil {
			continue // the caller has disconnected meanwhile
		}
		if verdict.Kind == dispatch.Refuse {
			w.refuse(q, verdict.Reason)
		} else {
			w.send(q, &verdict)
		}
	}
	v.queue, v.busy = v.queue[:0], false
}

func (w *world) refuse(q *request, why dispatch.Reason) {
	w.log.add(w.now, loggedRefusal, q.id, 0)
	w.result.Refused++
	w.result.refusal(why)
	w.miss(q, true)
	w.requests.close(q)
}

// send sends a granted request to its replica.
func (w *world) send(q *request, v *dispatch.Verdict) {
	p := w.partNamed(v.Deployment)
	q.at, q.tried, q.granted = p.index, p.index, w.now
	p.tally.granted++
	w.log.add(w.now, loggedGrant, q.id, uint64(p.index))
	if p.remote != nil {
		w.sendRemote(p, q)
		return
	}
	r := p.own.named(v.Replica)
	if r == nil {
		w.failAttempt(p, q, dispatch.Unhealthy) // dispatch does not know yet that it is gone
		return
	}
	q.replica = r.number
	err := r.engine.Arrive(w.now, engine.Request{ID: q.id, Prompt: q.prompt, Output: q.output, Prefix: q.prefix})
	if err != nil {
		// Too long for this engine: the caller's fault; it does not count
		// against health.
		p.tally.failed++
		q.tooLong = true
		w.result.TooLong++
		w.perform(w.core.Done(w.now, q.id, dispatch.Rejected, weir.Usage{}))
		w.fail(q, false)
		return
	}
	r.load++
	w.planReplica(p, r)
}

// failAttempt ends an attempt that failed unseen by the caller.
func (w *world) failAttempt(p *part, q *request, why dispatch.Result) {
	if why == dispatch.Throttled {
		p.tally.throttled++
	} else {
		p.tally.failed++
	}
	q.at = -1
	w.perform(w.core.Retry(w.now, q.id, why))
}

func (w *world) partNamed(name string) *part {
	for _, p := range w.parts {
		if p.Name == name {
			return p
		}
	}
	return nil
}
