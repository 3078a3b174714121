package sim

import (
	"time"

	"weir"
	"weir/dispatch"
)

// request is an arrival that has not ended.
type request struct {
	id       uint64 // slot and number of its use
	arrived  weir.Instant
	first    weir.Instant // its first token; 0: none yet
	ends     weir.Instant // at a remote service: its last token
	prompt   int
	output   int
	expected int // output tokens, as guessed on arrival
	cached   int // prompt tokens found in the prefix cache
	prefix   []uint64
	tenant   string
	class    weir.Class
	at       int32  // index of the granted deployment; -1: waiting
	tried    int32  // index of the last granted deployment; -1: none yet
	replica  uint64 // number of an own replica

	granted weir.Instant // time of the last grant; 0: never
	then    staffed      // state when it had to wait
	lost    bool         // its replica died
	tooLong bool         // fits no replica
}

// requests holds the requests in flight in reusable slots. An id is a slot and
// the number of its use.
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
	*q = request{id: q.id + 1<<32, at: -1, tried: -1}
	r.live++
	return q
}

// get returns a request that has not ended; nil otherwise.
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

// fifo is the requests that will lose patience, in order of time.
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

func (w *world) arrive(class weir.Class) {
	a := w.incoming[class].next
	q := w.requests.open()
	q.arrived, q.prompt, q.output, q.prefix, q.class = w.now, a.Prompt, a.Output, a.Prefix, class
	q.tenant = w.tenant(a.Client)
	// The gateway's reservation: learned from ended answers. This answer's
	// length must not be used here.
	q.expected = w.lengths.Expect(q.tenant, w.c.Model, 0)
	w.log.add(w.now, loggedArrival, q.id, uint64(a.Prompt))
	w.result.Arrived++
	if class == weir.Interactive {
		w.judge.arrived(w.now)
		w.patience.push(patient{w.now.Add(w.c.Patience), q.id})
		w.planPatience()
	} else {
		w.result.Batch.Arrived++
	}
	r := dispatch.Request{
		ID: q.id, Tenant: q.tenant, Class: class, Prompt: a.Prompt, Output: q.expected, Streams: true,
		Prefix: q.prefix, Affinity: w.c.Affinity.key(q.prefix),
	}
	if w.c.Spill > 0 {
		r.SpillAt = w.now.Add(w.c.Spill)
	}
	w.waits(q)
	w.perform(w.core.Arrive(w.now, r))
}

func (w *world) planPatience() {
	if f := &w.patience; !f.set && f.head < len(f.due) {
		f.set = true
		w.todo.add(f.due[f.head].at, patienceEvent, 0, 0)
	}
}

// losePatience ends the requests whose callers waited too long for a first
// token.
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
	// Requests with a first token, or ended ones, need no event.
	for f.head < len(f.due) {
		if q := w.requests.get(f.due[f.head].id); q != nil && q.first == 0 {
			break
		}
		f.head++
	}
	w.planPatience()
}

// abandon ends a request whose caller disconnects. It does not count against
// the deployment.
func (w *world) abandon(q *request) {
	if q.at >= 0 {
		p := w.parts[q.at]
		p.tally.failed++
		w.withdraw(p, q)
	}
	w.perform(w.core.Cancel(w.now, q.id))
	w.result.Impatient++
	w.fail(q, false)
}

// fail ends a request that was accepted and not answered to its true end.
// judged says whether it counts against its deployment.
func (w *world) fail(q *request, judged bool) {
	w.log.add(w.now, loggedFailure, q.id, 0)
	w.result.Failed++
	w.miss(q, judged)
	w.requests.close(q)
}

// withdraw removes a request from its replica or service.
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

// firstToken notes a request's first token.
func (w *world) firstToken(q *request) {
	q.first = w.now
	w.log.add(w.now, loggedFirstToken, q.id, 0)
	w.core.FirstToken(w.now, q.id)
}

// complete ends a request that was answered to its true end.
func (w *world) complete(p *part, q *request) {
	if q.first == 0 {
		q.first = w.now
	}
	w.log.add(w.now, loggedCompletion, q.id, uint64(q.output))
	w.result.Completed++
	p.tally.completed++
	p.tally.prompt += uint64(q.prompt)
	p.tally.output += uint64(q.output)
	w.lengths.Saw(q.tenant, w.c.Model, q.output)
	w.judgeAnswer(p, q)
	usage := weir.Usage{Prompt: int64(q.prompt), Cached: int64(q.cached), Completion: int64(q.output)}
	vs := w.core.Done(w.now, q.id, dispatch.OK, usage)
	w.requests.close(q)
	w.perform(vs)
}

// judgeAnswer judges an answered request by the SLO.
func (w *world) judgeAnswer(p *part, q *request) {
	if q.class == weir.Batch {
		w.result.Batch.Completed++
		if w.now.Sub(q.arrived) <= w.c.Within {
			w.result.Batch.Attained++
		}
		return
	}
	l := latency{ttft: q.first.Sub(q.arrived), whole: w.now.Sub(q.arrived)}
	if q.output > 1 {
		l.tpot = w.now.Sub(q.first) / time.Duration(q.output-1)
		p.tally.gaps += uint64(q.output - 1)
		p.tally.gapTime += w.now.Sub(q.first)
	}
	if w.c.Answered != nil {
		w.c.Answered(Answer{Tenant: q.tenant, Prompt: q.prompt, Output: q.output, TTFT: l.ttft, Whole: l.whole})
	}
	if w.judge.completed(q.arrived, l, q.prompt, q.output) {
		p.tally.attained++
	} else {
		p.tally.missed++
		if w.looksOutOfReach(p, q, l) {
			p.tally.outOfReach++
		}
		w.blame(q, l, true)
	}
}

// looksOutOfReach says whether even an idle replica would have missed, as far as
// the gateway has measured idle replicas.
func (w *world) looksOutOfReach(p *part, q *request, l latency) bool {
	first, gap := w.core.Alone(p.Name, q.prompt, q.cached)
	return l.ttft > w.c.SLO.ttft(q.prompt) && first > w.c.SLO.ttft(q.prompt) || l.tpot > w.c.SLO.TPOT && gap > w.c.SLO.TPOT
}

// miss counts a request that ended without an answer. As in the gateway, it
// counts against the deployment tried last or, if no deployment had room,
// against all of them.
func (w *world) miss(q *request, judged bool) {
	if q.class == weir.Batch {
		return
	}
	w.judge.missed()
	w.blame(q, latency{}, false)
	switch {
	case !judged:
	case q.tried >= 0:
		w.parts[q.tried].tally.missed++
	default:
		for _, p := range w.parts {
			p.tally.missed++
		}
	}
}

// sendRemote sends a request to a remote service.
func (w *world) sendRemote(p *part, q *request) {
	if wait := p.remote.admit(w.now, q.prompt, q.expected); wait > 0 {
		w.core.PushBack(w.now, p.Name, p.Name, w.now.Add(wait))
		w.failAttempt(p, q, dispatch.Throttled)
		return
	}
	first, last := p.remote.times(q.prompt, q.output)
	q.ends = w.now.Add(last)
	w.todo.add(w.now.Add(first), remoteEvent, p.index, q.id)
}

// remoteToken handles a remote service's first or last token.
func (w *world) remoteToken(id uint64) {
	q := w.requests.get(id)
	if q == nil {
		return // the caller has disconnected
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
