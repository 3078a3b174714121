package sim

import (
	"time"

	"weir"
	"weir/dispatch"
	"weir/engine"
)

// request is one arrival that has not ended.
type request struct {
	id       uint64 // names the slot and its use
	arrived  weir.Instant
	first    weir.Instant // its first token; 0: none yet
	ends     weir.Instant // at a remote service: its last token
	prompt   int
	output   int
	expected int // output tokens, as guessed on arrival
	prefix   []uint64
	at       int32  // deployment it was granted; -1: it waits
	replica  uint64 // of own ones
}

// requests are those in flight, in slots that are used again: an id is a slot
// and how often it was used.
type requests struct {
	slots []request
	spare []uint32
	live  int
}

func (r *requests) open() *request {
	var slot uint32
	if n := len(r.spare); n > 0 {
		slot, r.spare = r.spare[n-1], r.spare[:n-1]
	} else {
		slot = uint32(len(r.slots))
		r.slots = append(r.slots, request{id: uint64(slot)})
	}
	q := &r.slots[slot]
	*q = request{id: q.id + 1<<32, at: -1}
	r.live++
	return q
}

// get finds a request that has not ended; nil otherwise.
func (r *requests) get(id uint64) *request {
	q := &r.slots[uint32(id)]
	if q.id != id || q.arrived == 0 {
		return nil
	}
	return q
}

func (r *requests) close(q *request) {
	id := q.id
	*q = request{id: id}
	r.spare = append(r.spare, uint32(id))
	r.live--
}

// fifo is what will lose patience, in order of time.
type fifo struct {
	due  []patient
	head int
	set  bool // its first is on the agenda
}

type patient struct {
	at weir.Instant
	id uint64
}

func (f *fifo) push(p patient) {
	if f.head > 1024 && f.head > len(f.due)/2 {
		f.due = append(f.due[:0], f.due[f.head:]...)
		f.head = 0
	}
	f.due = append(f.due, p)
}

func (w *world) arrive() {
	a := w.arrived
	q := w.requests.open()
	q.arrived, q.prompt, q.output, q.prefix = w.now, a.Prompt, a.Output, a.Prefix
	q.expected = w.expect.output()
	w.result.Arrived++
	w.judge.arrived(w.now)
	w.patience.push(patient{w.now.Add(w.c.Patience), q.id})
	w.planPatience()
	w.perform(w.core.Arrive(w.now, dispatch.Request{
		ID: q.id, Tenant: w.tenant(a.Client), Prompt: a.Prompt, Output: q.expected,
	}))
}

func (w *world) planPatience() {
	if f := &w.patience; !f.set && f.head < len(f.due) {
		f.set = true
		w.todo.add(f.due[f.head].at, patienceEvent, 0, 0)
	}
}

// losePatience ends the requests whose callers have waited too long for a
// first token.
func (w *world) losePatience() {
	f := &w.patience
	f.set = false
	for f.head < len(f.due) && f.due[f.head].at <= w.now {
		id := f.due[f.head].id
		f.head++
		if q := w.requests.get(id); q != nil && q.first == 0 {
			w.abandon(q)
		}
	}
	// Those that have got their token, or have ended, need no event.
	for f.head < len(f.due) {
		if q := w.requests.get(f.due[f.head].id); q != nil && q.first == 0 {
			break
		}
		f.head++
	}
	w.planPatience()
}

// abandon is a caller that goes away.
func (w *world) abandon(q *request) {
	if q.at >= 0 {
		p := w.parts[q.at]
		p.tally.failed++
		w.withdraw(p, q)
	}
	w.perform(w.core.Cancel(w.now, q.id))
	w.result.Failed++
	w.result.Impatient++
	w.miss(q)
	w.requests.close(q)
}

// withdraw takes a request back from where it is served.
func (w *world) withdraw(p *part, q *request) {
	if p.remote != nil {
		p.remote.ended(w.now, q.prompt, q.expected, 0)
		return
	}
	if r := p.own.replica(q.replica); r != nil {
		r.engine.Cancel(w.now, q.id)
		r.load--
		w.planReplica(p, r)
		w.release(p, r)
	}
}

// perform does what dispatch has decided, and what it decides because of that.
func (w *world) perform(vs []dispatch.Verdict) {
	for len(vs) > 0 {
		var more []dispatch.Verdict
		for i := range vs {
			if vs[i].Kind == dispatch.Refuse {
				w.refuse(&vs[i])
				continue
			}
			more = append(more, w.send(&vs[i])...)
		}
		vs = more
	}
}

func (w *world) refuse(v *dispatch.Verdict) {
	q := w.requests.get(v.ID)
	w.result.Refused++
	w.result.refusal(v.Reason)
	w.miss(q)
	w.requests.close(q)
}

// send brings a granted request to its replica.
func (w *world) send(v *dispatch.Verdict) []dispatch.Verdict {
	q := w.requests.get(v.ID)
	p := w.partNamed(v.Deployment)
	q.at = p.index
	p.tally.granted++
	if p.remote != nil {
		return w.sendRemote(p, q)
	}
	r := p.own.named(v.Replica)
	if r == nil {
		return w.failAttempt(p, q, dispatch.Unhealthy) // dispatch does not know yet that it is gone
	}
	q.replica = r.number
	err := r.engine.Arrive(w.now, engine.Request{ID: q.id, Prompt: q.prompt, Output: q.output, Prefix: q.prefix})
	if err != nil {
		// Too long for this engine: nobody's health, and no other would take it.
		p.tally.failed++
		w.result.Failed++
		w.result.TooLong++
		w.miss(q)
		vs := w.core.Done(w.now, q.id, dispatch.Rejected, weir.Usage{})
		w.requests.close(q)
		return vs
	}
	r.load++
	w.planReplica(p, r)
	return nil
}

// failAttempt is an attempt of which the caller has seen nothing.
func (w *world) failAttempt(p *part, q *request, why dispatch.Result) []dispatch.Verdict {
	if why == dispatch.Throttled {
		p.tally.throttled++
	} else {
		p.tally.failed++
	}
	q.at = -1
	return w.core.Retry(w.now, q.id, why)
}

func (w *world) partNamed(name string) *part {
	for _, p := range w.parts {
		if p.Name == name {
			return p
		}
	}
	return nil
}

// firstToken notes a request's first token.
func (w *world) firstToken(q *request) {
	q.first = w.now
	w.core.FirstToken(w.now, q.id)
}

// complete ends a request that was answered to its true end.
func (w *world) complete(p *part, q *request) {
	if q.first == 0 {
		q.first = w.now
	}
	w.result.Completed++
	p.tally.completed++
	p.tally.prompt += uint64(q.prompt)
	p.tally.output += uint64(q.output)
	w.expect.learn(q.output)
	ttft := q.first.Sub(q.arrived)
	var tpot time.Duration
	if q.output > 1 {
		tpot = w.now.Sub(q.first) / time.Duration(q.output-1)
	}
	if w.judge.completed(q.arrived, ttft, tpot, q.prompt, q.output) {
		p.tally.attained++
	} else {
		p.tally.missed++
	}
	usage := weir.Usage{Prompt: int64(q.prompt), Completion: int64(q.output)}
	vs := w.core.Done(w.now, q.id, dispatch.OK, usage)
	w.requests.close(q)
	w.perform(vs)
}

// miss counts a request that ended without an answer.
func (w *world) miss(q *request) {
	w.judge.missed()
	if q.at >= 0 {
		w.parts[q.at].tally.missed++
		return
	}
	// The first deployment answers for the model's queue.
	w.parts[0].tally.missed++
}

// sendRemote hands a request to a remote service.
func (w *world) sendRemote(p *part, q *request) []dispatch.Verdict {
	if wait := p.remote.admit(w.now, q.prompt, q.expected); wait > 0 {
		w.core.PushBack(w.now, p.Name, p.Name, w.now.Add(wait))
		return w.failAttempt(p, q, dispatch.Throttled)
	}
	first, last := p.remote.times(q.prompt, q.output)
	q.ends = w.now.Add(last)
	w.todo.add(w.now.Add(first), remoteEvent, p.index, q.id)
	return nil
}

// remoteToken is a remote service's first token, or its last one.
func (w *world) remoteToken(id uint64) {
	q := w.requests.get(id)
	if q == nil {
		return // the caller has gone
	}
	p := w.parts[q.at]
	if q.first == 0 {
		w.firstToken(q)
		if q.ends > w.now {
			w.todo.add(q.ends, remoteEvent, p.index, id)
			return
		}
	}
	p.remote.ended(w.now, q.prompt, q.expected, q.output)
	w.complete(p, q)
}
