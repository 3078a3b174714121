package gateway

import (
	"sync"
	"time"
)

// A streaming caller, or a proxy before the gateway, may take silence for a dead
// connection. A pulse sends a sign of life after each silent interval: a comment, or a
// ping if the dialect has one. If it comes before the answer, it carries the status
// 200. The answer itself is still held back: a failure before its first token can be
// retried, and becomes an error event if retries fail.

// coldPulse is the interval between signs of life during a cold start, unless
// server.ping_after is shorter.
const coldPulse = 15 * time.Second

// A comment is one line without a blank line, which some SDKs would take for an event
// without data.
var pulseComment = []byte(": waiting\n")

// pulse belongs to one exchange and ends with it. The pulse and the handler each hold
// the lock while writing.
type pulse struct {
	mu      sync.Mutex
	x       *exchange
	every   time.Duration
	beat    []byte
	timer   *time.Timer
	last    time.Time // last write to the caller
	claimed bool      // the handler is about to start the answer
	opened  bool      // status and headers went out with a sign of life
	ended   bool
}

// startPulse starts signs of life for a streaming caller if every is positive.
func (c *call) startPulse(every time.Duration) {
	if every <= 0 || !c.ask.stream || !c.s.do.Streams || !c.x.far || c.x.pulse != nil {
		return
	}
	p := &pulse{x: &c.x, every: every, beat: pulseComment, last: time.Now()}
	if c.s.do.Ping != nil {
		p.beat = c.s.do.Ping
	}
	c.x.pulse = p
	p.mu.Lock() // due may run before its timer is set
	p.timer = time.AfterFunc(every, p.due)
	p.mu.Unlock()
}

// pulseEvery is the longest silence; 0: unlimited.
func (c *call) pulseEvery() time.Duration {
	every := c.st.bounds.Pulse
	if c.booking.served.cold.Load() && (every <= 0 || every > coldPulse) {
		return coldPulse
	}
	return every
}

// due sends a sign of life after a silent interval, and reschedules itself.
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

// stopPulse ends the signs of life. From then on only the handler writes.
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

// disclaim undoes claim: the answer does not start yet.
func (x *exchange) disclaim() {
	if p := x.pulse; p != nil {
		p.mu.Lock()
		p.claimed = false
		p.mu.Unlock()
	}
}

// opened says whether the caller already has a stream's status 200.
func (x *exchange) opened() bool {
	if p := x.pulse; p != nil {
		p.mu.Lock()
		defer p.mu.Unlock()
		return p.opened
	}
	return false
}

// lock lets the handler write; unlock records the write.
func (p *pulse) lock() { p.mu.Lock() }

func (p *pulse) unlock() {
	p.last = time.Now()
	p.mu.Unlock()
}
