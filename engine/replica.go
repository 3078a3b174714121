package engine

import (
	"fmt"

	"weir"
)

// Replica is one running inference server. Make it with New. Every method with
// a time first advances to it; times must not go backwards. It is not safe for
// concurrent use.
type Replica struct {
	spec     Spec
	ready    weir.Instant // earliest start of a step
	draining bool

	clock   clock        // end of the last finished step
	lastAt  weir.Instant // start of the last finished step
	leaving []int32      // ended at clock, too late for an already scheduled step to use their room
	now     weir.Instant // the latest time passed
	seg     segment      // the current segment
	pieces  []piece      // prompt chunks computed in it

	decoded int64 // decode steps since New: the clock of decoding sequences

	seqs    []sequence
	spare   []int32
	byID    map[uint64]int32
	running ring  // by admission
	waiting ring  // in order of arrival; preempted ones in front
	part    int32 // the running sequence with an unfinished prompt, or none
	finish  finishHeap
	decodes int     // running sequences that decode
	held    int64   // KV tokens they hold
	phase   []int32 // decoding sequences by (tokens held - decoded) modulo block size
	blocks  blocks

	cancelled  bool // a running sequence was cancelled
	admissions uint64
	load       Load
	busy       Picoseconds // below a nanosecond, not yet in load.GPUBusy
	waitTokens int
	events     []Event
}

const none = int32(-1)

// sequence is one request inside the replica.
type sequence struct {
	req      Request
	arrived  weir.Instant
	admitted uint64 // rises with each admission
	produced int    // output tokens before it (re)joined decoding; while it decodes, minus Replica.decoded at that time
	computed int    // prompt tokens in the KV cache, during prefill
	cached   int    // of those, found in the prefix cache at its last admission
	target   int    // tokens its prefill must compute: the prompt, and its output before a preemption
	named    int    // leading names of Prefix it uses in the cache
	doneAt   int64  // value of Replica.decoded after its last token
	heapAt   int32
	prev     int32
	next     int32
	state    seqState
	gone     bool // cancelled during a step
}

type seqState uint8

const (
	isWaiting seqState = iota
	isPrefilling
	isDecoding
)

// piece is a chunk of one prompt in the current step.
type piece struct {
	seq    int32
	tokens int
}

// ring is a list of sequences linked through their prev and next.
type ring struct {
	head, tail int32
	n          int
}

// New makes a Replica that can serve at once; see Start. It panics if the Spec
// has no Speed or no KV block.
func New(s Spec) *Replica {
	s = s.withDefaults()
	return &Replica{
		spec:    s,
		byID:    make(map[uint64]int32),
		running: ring{none, none, 0},
		waiting: ring{none, none, 0},
		part:    none,
		phase:   make([]int32, s.BlockTokens),
		blocks:  newBlocks(s),
	}
}

// Start begins loading: no step begins before now + Spec.Load. Earlier arrivals
// wait.
func (r *Replica) Start(now weir.Instant) { r.ready = now.Add(r.spec.Load) }

// ReadyAt returns when the load begun by Start ends; 0 without one.
func (r *Replica) ReadyAt() weir.Instant { return r.ready }

// Drain makes the replica finish its requests and take no new ones.
func (r *Replica) Drain() { r.draining = true }

// Drained says whether a draining replica has finished.
func (r *Replica) Drained() bool { return r.draining && len(r.byID) == 0 }

// Arrive adds a request. The first step that begins after now may include it.
func (r *Replica) Arrive(now weir.Instant, q Request) error {
	r.run(now)
	if err := r.acceptable(q); err != nil {
		return err
	}
	i := r.alloc()
	s := &r.seqs[i]
	*s = sequence{req: q, arrived: now, target: q.Prompt, heapAt: none}
	r.byID[q.ID] = i
	if r.waiting.n == 0 && r.running.n < r.spec.MaxSeqs {
		r.cut(now)
	}
	r.pushBack(&r.waiting, i)
	r.waitTokens += s.target
	return nil
}

func (r *Replica) acceptable(q Request) error {
	if r.draining {
		return ErrDraining
	}
	if _, ok := r.byID[q.ID]; ok {
		return fmt.Errorf("%w: %d", ErrDuplicate, q.ID)
	}
	if q.Prompt < 1 || q.Output < 0 {
		return fmt.Errorf("engine: request %d has %d prompt and %d output tokens: want at least 1 and 0", q.ID, q.Prompt, q.Output)
	}
	limit := r.blocks.total * r.blocks.tokens
	if r.spec.MaxLen > 0 {
		limit = min(limit, r.spec.MaxLen)
	}
	if n := q.Prompt + q.Output; n > limit {
		return fmt.Errorf("%w: %d prompt + %d output tokens, at most %d fit", ErrTooLong, q.Prompt, q.Output, limit)
	}
	return nil
}

// Cancel forgets a request. A current step with it runs to its end. An unknown
// ID is not an error: the request may just have finished.
func (r *Replica) Cancel(now weir.Instant, id uint64) {
	r.run(now)
	i, ok := r.byID[id]
	if !ok {
		return
	}
	r.cut(now)
	s := &r.seqs[i]
	delete(r.byID, id)
	if s.state == isWaiting {
		r.remove(&r.waiting, i)
		r.waitTokens -= s.target
		r.release(i)
		return
	}
	// A sequence is running, so a step is in progress: it began by now at the
	// latest.
	s.gone, r.cancelled = true, true
}

// Next returns the earliest time of the next event. 0: none before a request
// arrives.
func (r *Replica) Next() weir.Instant {
	if r.seg.steps > 0 {
		return r.seg.end().visible()
	}
	at, ok := r.nextStart()
	if !ok {
		return 0
	}
	return at.visible()
}

// Advance moves time to now and returns the events until then, in order. The
// slice is valid until the next call of any method.
func (r *Replica) Advance(now weir.Instant) []Event {
	r.run(now)
	events := r.events
	r.events = r.events[:0]
	return events
}

// run processes all steps up to and including now.
func (r *Replica) run(now weir.Instant) {
	if now < r.now {
		panic(fmt.Sprintf("engine: time went back to %d from %d", now, r.now))
	}
	r.now = now
	for {
		if r.seg.steps > 0 {
			if r.seg.end().visible() > now {
				return
			}
			r.settle()
		}
		at, ok := r.nextStart()
		if !ok || at.visible() > now {
			return
		}
		r.begin(at)
	}
}

// nextStart returns when the next step begins; there is no current one.
func (r *Replica) nextStart() (clock, bool) {
	at := r.clock
	if at.visible() < r.ready {
		at = clock{at: r.ready}
	}
	if r.running.n > 0 {
		return at, true
	}
	if r.waiting.n == 0 {
		return clock{}, false
	}
	// A step includes only earlier arrivals.
	if seen := r.seqs[r.waiting.head].arrived + 1; at.visible() < seen {
		at = clock{at: seen}
	}
	return at, true
}

// cut ends the segment with the current step. The next step is then scheduled
// again.
func (r *Replica) cut(now weir.Instant) {
	if r.seg.steps > 1 {
		r.seg.steps = r.seg.stepAt(now)
	}
}
