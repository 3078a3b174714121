package gateway

import (
	"sync"
	"sync/atomic"
	"time"

	"weir"
	"weir/dispatch"
)

// model is one served model: its dispatch core behind the one lock that serialises it,
// and the bookings waiting for its verdicts. It lives as long as the model's name is
// configured; a new configuration is applied to the core.
type model struct {
	name string
	kick func(weir.Instant) // called when the core must be woken sooner

	mu      sync.Mutex
	core    *dispatch.Core
	lastID  uint64
	waiting map[uint64]*booking // queued bookings, by their ID in the core

	trials  []*trial
	options dispatch.Options // as configured, before the trials' weights

	tried [maxCheaperRules]atomic.Uint64 // requests that fitted each rule of Cheaper

	firsts firsts // how long first tokens take
	usual  usual  // and whole answers, of a model that stores them

	grows  chan<- struct{} // gets a signal when a queue has grown; nil: not wanted
	queued int             // as last seen by noteGrowth
	grew   atomic.Bool     // since Options.Grew was last called

	cold atomic.Bool  // no replica is ready
	next atomic.Int64 // weir.Instant at which the core must be woken; 0: never

	// Requests of this model that missed its SLO because they were refused for lack of
	// capacity before any deployment took them.
	missed atomic.Uint64
}

func newModel(name string, o dispatch.Options, seed uint64, kick func(weir.Instant)) *model {
	return &model{name: name, kick: kick, core: dispatch.New(o, seed), waiting: map[uint64]*booking{}}
}

// arrive passes a new request to the core. The verdict is returned now, or later on the
// booking's channel.
func (m *model) arrive(now weir.Instant, r dispatch.Request, b *booking) (dispatch.Verdict, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.lastID++
	r.ID, b.id = m.lastID, m.lastID
	if b.served != nil {
		r.SpillAt = b.served.spillAt(b.rec.Arrived)
	}
	return m.await(m.core.Arrive(now, r), b)
}

// retry reports to the core that an attempt failed unseen by the caller.
func (m *model) retry(now weir.Instant, b *booking, why dispatch.Result) (dispatch.Verdict, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.await(m.core.Retry(now, b.id, why), b)
}

// await delivers verdicts. The booking waits if its own is not among them. The lock is
// held.
func (m *model) await(vs []dispatch.Verdict, b *booking) (own dispatch.Verdict, ok bool) {
	m.waiting[b.id] = b
	for _, v := range vs {
		if v.ID == b.id {
			own, ok = v, true
			delete(m.waiting, v.ID)
			continue
		}
		m.deliver(v)
	}
	m.rearm()
	return own, ok
}

// tell runs f on the core under the lock and delivers the verdicts.
func (m *model) tell(f func(c *dispatch.Core) []dispatch.Verdict) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, v := range f(m.core) {
		m.deliver(v)
	}
	m.rearm()
}

// done reports to the core that a granted request has ended for good.
func (m *model) done(now weir.Instant, id uint64, how dispatch.Result, used weir.Usage) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, v := range m.core.Done(now, id, how, used) {
		m.deliver(v)
	}
	m.rearm()
}

// cancel removes a waiting request. A verdict that came in the meantime is in the
// booking's channel and is taken out.
func (m *model) cancel(now weir.Instant, b *booking) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.waiting, b.id)
	select {
	case <-b.verdict:
	default:
	}
	for _, v := range m.core.Cancel(now, b.id) {
		m.deliver(v)
	}
	m.rearm()
}

// firstToken reports a first token, which took this long from the grant.
func (m *model) firstToken(now weir.Instant, id uint64, took time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.firsts.saw(took)
	m.core.FirstToken(now, id)
	m.settle(now)
}

// alone is what a request would have taken on an idle replica of a deployment, as
// measured; see dispatch.Core.Alone.
func (m *model) alone(deployment string, prompt, cached int) (first, gap time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.core.Alone(deployment, prompt, cached)
}

func (m *model) pushBack(now weir.Instant, deployment, replica string, until weir.Instant) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.core.PushBack(now, deployment, replica, until)
	m.settle(now)
}

// bookRemote passes on what other gateways have booked of a quota.
func (m *model) bookRemote(now weir.Instant, deployment string, more dispatch.Booked) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.core.BookRemote(now, deployment, more)
	m.settle(now)
}

func (m *model) booked(deployment string) (dispatch.Booked, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.core.Booked(deployment)
}

// limits passes on the rate limits that a deployment's provider stated.
func (m *model) limits(now weir.Instant, deployment string, tokens, requests int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.core.Limits(now, deployment, tokens, requests)
	m.settle(now)
}

// spilledOver reports that a granted request is served, but not from its deployment's
// quota.
func (m *model) spilledOver(now weir.Instant, id uint64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.core.Spilled(now, id)
	m.settle(now)
}

func (m *model) demand(now weir.Instant) dispatch.Demand {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.core.Demand(now)
}

// settle delivers the verdicts made due by an event that returns none.
func (m *model) settle(now weir.Instant) {
	if at := m.core.Next(); at != 0 && at <= now {
		for _, v := range m.core.Wake(now) {
			m.deliver(v)
		}
	}
	m.rearm()
}

// deliver sends a verdict to its waiting booking. The channel has room for the one
// verdict a waiting booking gets.
func (m *model) deliver(v dispatch.Verdict) {
	if b := m.waiting[v.ID]; b != nil {
		delete(m.waiting, v.ID)
		b.verdict <- v
	}
}

// rearm notes when the core must be woken next, and whether its queue has grown.
func (m *model) rearm() {
	m.cold.Store(!m.core.Warm())
	m.noteGrowth()
	next := m.core.Next()
	if weir.Instant(m.next.Swap(int64(next))) != next && next != 0 {
		m.kick(next)
	}
}
