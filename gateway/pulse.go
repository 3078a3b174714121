package gateway

import (
	"sync"
	"time"
)

// A caller of a stream, or something between it and the gateway, may take
// silence for death. A pulse sends it a sign of life whenever it has got nothing
// for so long: a comment, or a ping where the dialect has one. If that comes
// before the answer, the status 200 goes out with it; the answer itself is still
// held back, so that a failure before its first token is got elsewhere as ever,
// and one that cannot be is told by an error event.

// coldPulse is how often a caller that waits for a cold start is sent a sign of
// life, where server.ping_after does not ask for it more often.
const coldPulse = 15 * time.Second

// A comment takes one line and no blank one after it, which some SDKs would take
// for an event without data.
var pulseComment = []byte(": waiting\n")

// pulse is of one exchange and outlives none. The lock is held by whichever of
// the pulse and the handler writes.
type pulse struct {
	mu      sync.Mutex
	x       *exchange
	every   time.Duration
	beat    []byte
	timer   *time.Timer
	last    time.Time // when the caller was sent something
	claimed bool      // the handler is about to start the answer
	opened  bool      // status and headers went out with a sign of life
	ended   bool
}

// startPulse has the caller of a stream sent signs of life, if it is to be.
func (c *call) startPulse(every time.Duration) {
	if every <= 0 || !c.ask.stream || !c.s.do.Streams || !c.x.far || c.x.pulse != nil {
		return
	}
	p := &pulse{x: &c.x, every: every, beat: pulseComment, last: time.Now()}
	if c.s.do.Ping != nil {
		p.beat = c.s.do.Ping
	}
	c.x.pulse = p
	p.mu.Lock() // due may come before its timer is known
	p.timer = time.AfterFunc(every, p.due)
	p.mu.Unlock()
}

// pulseEvery is how long the caller may get nothing; 0: as long as it takes.
func (c *call) pulseEvery() time.Duration {
	every := c.st.bounds.Pulse
	if c.booking.served.cold.Load() && (every <= 0 || every > coldPulse) {
		return coldPulse
	}
	return every
}

// due sends a sign of life if nothing was sent for so long, and comes back.
func (p *pulse) due() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ended {
		return
	}
	silent := time.Since(p.last)
	if silent < p.every {
		p.timer.Reset(p.every - silent)
		return
	}
	p.timer.Reset(p.every)
	if p.claimed {
		return
	}
	p.last = time.Now()
	p.opened = p.x.beat(p.last, p.beat) || p.opened
}

// stopPulse ends the signs of life. Afterwards nothing but the handler writes.
func (x *exchange) stopPulse() {
	if p := x.pulse; p != nil {
		p.mu.Lock()
		p.ended = true
		p.timer.Stop()
		p.mu.Unlock()
	}
}

// claim keeps the pulse from starting the answer while its headers are set.
func (x *exchange) claim() {
	if p := x.pulse; p != nil {
		p.mu.Lock()
		p.claimed = true
		p.mu.Unlock()
	}
}

// opened says whether the caller has the status 200 already, of a stream.
func (x *exchange) opened() bool {
	if p := x.pulse; p != nil {
		p.mu.Lock()
		defer p.mu.Unlock()
		return p.opened
	}
	return false
}

// lock lets the handler write; unlock notes that it has.
func (p *pulse) lock() { p.mu.Lock() }

func (p *pulse) unlock() {
	p.last = time.Now()
	p.mu.Unlock()
}
