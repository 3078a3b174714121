package gateway

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync/atomic"
	"time"

	"weir/meter"
)

// bodyMemory counts and bounds the memory of all request bodies in total. Bodies are
// counted as their bytes arrive, not by their stated length. Safe for concurrent use; a
// nil one bounds and counts nothing.
type bodyMemory struct {
	most atomic.Int64
	held atomic.Int64
	peak atomic.Int64  // of held, since memory was last returned to the system
	fell chan struct{} // cap 1: held fell far below peak
}

// smallBody is the most that a body may take of the last eighth of the memory, which
// is reserved for small bodies: a few large ones cannot turn every chat away.
const smallBody = 64 << 10

var errNoMemory = errors.New("the request bodies are at their memory limit")

// take counts n more bytes for a body that already has own, and says whether it may
// have them. A body alone always gets what it needs.
func (m *bodyMemory) take(n, own int64) bool {
	if m == nil {
		return true
	}
	most := m.most.Load()
	if own+n > smallBody {
		most -= most / 8
	}
	now := m.held.Add(n)
	if now > most && now != own+n {
		m.held.Add(-n)
		return false
	}
	for p := m.peak.Load(); now > p && !m.peak.CompareAndSwap(p, now); p = m.peak.Load() {
	}
	return true
}

// worthGiving is the peak of body memory from which on it is returned to the system
// when the bodies are gone.
const worthGiving = 64 << 20

func (m *bodyMemory) give(n int64) {
	if m == nil {
		return
	}
	now := m.held.Add(-n)
	if p := m.peak.Load(); p < worthGiving || now > p/8 || !m.peak.CompareAndSwap(p, 0) {
		return
	}
	select {
	case m.fell <- struct{}{}:
	default:
	}
}

// giveEvery is the least time between two returns of memory: each one runs a garbage
// collection.
const giveEvery = 5 * time.Second

// keep returns memory to the system when much has been freed, until ctx ends.
func (m *bodyMemory) keep(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-m.fell:
			debug.FreeOSMemory()
		}
		rest := time.NewTimer(giveEvery)
		select {
		case <-ctx.Done():
		case <-rest.C:
		}
		rest.Stop()
	}
}

// knockFrom is the stated length from which on a request is checked against its key's
// limits before its body is read. A smaller body costs less than the check, and its
// refusal has the model's name in the Record.
const knockFrom = smallBody

// knock checks the limits that do not depend on the body.
func (c *call) knock() error {
	if n := c.x.size; n >= 0 && n < knockFrom {
		return nil
	}
	return c.enterDoor()
}

// enterDoor checks the limits of the tenant and key, and counts the request in flight until
// it reserves. It does nothing if the request is counted already.
func (c *call) enterDoor() error {
	b, s := &c.booking, &c.g.spend
	if b.holds&holdsDoor != 0 {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	k, refusal := s.meter.Knock(c.g.now(), meter.Who{Tenant: b.rec.Tenant, Key: b.rec.Key})
	if refusal != nil {
		return ofRefusal(refusal)
	}
	b.knock, b.holds = k, b.holds|holdsDoor
	return nil
}

// leaveDoor ends the knock, if any. The spending lock is held.
func (b *booking) leaveDoor() {
	if b.drop(holdsDoor) {
		b.g.spend.meter.Leave(b.knock)
		b.knock = meter.Knock{}
	}
}

func noMemory(most int64) error {
	return &problem{is: errBodyMemory, after: time.Second, hasAfter: true,
		message: fmt.Sprintf("the bodies of the requests in flight use all of the %d MiB allowed (max_body_memory): retry in a second", most>>20)}
}

// drainWithin is how long a refused caller may go on sending its body: one that is cut
// off while it sends seldom reads the answer.
const drainWithin = 5 * time.Second
