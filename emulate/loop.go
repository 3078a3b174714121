package emulate

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"weir"
	"weir/engine"
)

// loop advances one engine.Replica in real time. Requests join and leave from
// their own goroutines; one goroutine, run, wakes for each visible step and
// notifies every request with new tokens.
type loop struct {
	speed      float64
	spec       engine.Spec
	maxWaiting int
	kick       chan struct{} // a request joined or left: the next event may have changed

	mu      sync.Mutex
	began   time.Time // zero until run
	stopped bool
	replica *engine.Replica
	flows   []*flow
	byID    map[uint64]*flow
	lastID  uint64
	totals  totals
	gpu     [2]gpuSample // the older one first
}

type gpuSample struct {
	at   weir.Instant
	busy time.Duration
}

// flow is one request inside the replica. produced and done are written by
// the loop and read by the request's goroutine, which more wakes.
type flow struct {
	id       uint64
	place    int // in loop.flows
	tokens   int // its total output
	end      finish
	each     bool // woken for new tokens, else only at its end
	more     chan struct{}
	produced atomic.Int64
	cached   atomic.Int64 // prompt tokens found in the prefix cache, known from the first token on
	over     atomic.Bool  // no more will come: finished, or the loop has stopped

	arrived, first, last weir.Instant
}

var (
	errLoading = errors.New("the model is loading")
	errFull    = errors.New("the queue is full")
	errStopped = errors.New("the server is stopping")
)

func newLoop(spec engine.Spec, speed float64, maxWaiting int) *loop {
	return &loop{
		speed: speed, spec: spec, maxWaiting: maxWaiting, kick: make(chan struct{}, 1),
		replica: engine.New(spec), byID: map[uint64]*flow{}, totals: newTotals(),
	}
}

// load is the load time in real time.
func (l *loop) load() time.Duration { return time.Duration(float64(l.spec.Load) / l.speed) }

// now is the emulated time: Speed times as fast as real time. The lock is held
// and run has begun.
func (l *loop) now() weir.Instant {
	return 1 + weir.Instant(float64(time.Since(l.began))*l.speed)
}

// wall converts a span of emulated time.
func (l *loop) wall(d time.Duration) time.Duration { return time.Duration(float64(d) / l.speed) }

// ready says why the replica accepts no requests; nil if it does.
func (l *loop) ready() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.readyLocked()
}

func (l *loop) readyLocked() error {
	switch {
	case l.stopped:
		return errStopped
	case l.began.IsZero() || time.Since(l.began) < l.load():
		return errLoading
	}
	return nil
}

// join adds a request to the replica, which will end with the finish end. Every
// flow must leave.
func (l *loop) join(q engine.Request, end finish, each bool) (*flow, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.readyLocked(); err != nil {
		return nil, err
	}
	now := l.now()
	l.settle(now)
	if l.replica.Load().Waiting >= l.maxWaiting {
		return nil, errFull
	}
	l.lastID++
	q.ID = l.lastID
	if err := l.replica.Arrive(now, q); err != nil {
		return nil, err
	}
	f := &flow{id: q.ID, place: len(l.flows), tokens: q.Output, end: end, each: each, more: make(chan struct{}, 1), arrived: now}
	l.flows = append(l.flows, f)
	l.byID[f.id] = f
	l.totals.prompt += uint64(q.Prompt)
	wake(l.kick)
	return f, nil
}

// leave removes a request, and frees its slot and KV room if it has not
// finished. Leaving twice is fine.
func (l *loop) leave(f *flow) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.byID[f.id] != f {
		return
	}
	now := l.now()
	l.settle(now)
	if l.byID[f.id] != f {
		return // finished just now
	}
	l.replica.Cancel(now, f.id)
	l.totals.aborted++
	l.drop(f)
	wake(l.kick)
}

func (l *loop) drop(f *flow) {
	last := len(l.flows) - 1
	l.flows[f.place] = l.flows[last]
	l.flows[f.place].place = f.place
	l.flows[last] = nil
	l.flows = l.flows[:last]
	delete(l.byID, f.id)
}

// shortest is the shortest sleep of the loop: closer steps are reported
// together. At Speed 1 a step takes several times as long.
const shortest = time.Millisecond

func (l *loop) run(ctx context.Context) {
	l.mu.Lock()
	l.began = time.Now()
	l.mu.Unlock()
	defer l.stop()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-l.kick:
		case <-timer.C:
		}
		if d, ok := l.turn(); ok {
			timer.Reset(d)
		} else {
			timer.Stop()
		}
	}
}

// turn reports the tokens produced by now and returns when to look again; false
// if no event is due.
func (l *loop) turn() (time.Duration, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now()
	l.settle(now)
	next := l.replica.Next()
	for _, f := range l.flows {
		if !f.each || f.first == 0 {
			continue // Next includes its first token
		}
		l.tell(f, l.replica.Tokens(now, f.id), now)
		if t := l.replica.NextToken(f.id); t != 0 && (next == 0 || t < next) {
			next = t
		}
	}
	if next == 0 {
		return 0, false
	}
	return max(l.wall(next.Sub(now)), shortest), true
}

// settle advances the replica to now and notifies the requests with a first or
// last token.
func (l *loop) settle(now weir.Instant) {
	for _, e := range l.replica.Advance(now) {
		f := l.byID[e.ID]
		if f == nil {
			continue
		}
		switch e.Kind {
		case engine.FirstToken:
			if f.first == 0 {
				f.first = e.At
				l.totals.ttft.observe(l.wall(e.At.Sub(f.arrived)), 1)
				f.cached.Store(int64(e.Cached))
				l.tell(f, 1, e.At)
			}
		case engine.Finished:
			l.tell(f, f.tokens, e.At)
			l.finish(f, e.At)
		}
	}
}

// tell notes that a request has produced n tokens by now.
func (l *loop) tell(f *flow, n int, now weir.Instant) {
	news := n - int(f.produced.Load())
	if news <= 0 {
		return
	}
	l.totals.generated += uint64(news)
	if f.last != 0 {
		l.totals.gap.observe(l.wall(now.Sub(f.last))/time.Duration(news), uint64(news))
	}
	f.last = now
	f.produced.Store(int64(n))
	if f.each {
		wake(f.more)
	}
}

func (l *loop) finish(f *flow, at weir.Instant) {
	l.totals.e2e.observe(l.wall(at.Sub(f.arrived)), 1)
	if f.tokens > 1 && f.first != 0 {
		l.totals.tpot.observe(l.wall(at.Sub(f.first))/time.Duration(f.tokens-1), 1)
	}
	l.totals.finished[f.end]++
	f.over.Store(true)
	l.drop(f)
	wake(f.more)
}

// stop ends every request: none will advance again.
func (l *loop) stop() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.stopped = true
	for _, f := range l.flows {
		f.over.Store(true)
		wake(f.more)
	}
}

// wake makes a goroutine look again, without waiting for it.
func wake(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
