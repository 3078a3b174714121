package gateway

import (
	"context"
	"time"
)

// caller is the sender of a request: over HTTP (http.go) or from inside the process
// (Submit). The request path sees callers only through this interface; everything
// specific to HTTP stays behind it. A caller belongs to the goroutine that serves the
// request; the pulse also uses its sink, never at the same time.
type caller interface {
	// Context ends when the caller has left. If the gateway cuts the request, its cause
	// is errStopping.
	Context() context.Context
	// Key finds the key that the request is charged to: errNoKey, errBadKey, errTwoKeys.
	Key(st *state) (*key, error)
	// Header returns every value of a header; name is in canonical form.
	Header(name string) []string
	// Body reads the whole body, of at most limit bytes and within the time. Its memory is
	// counted in m. Errors: errOverLimit, errSlowBody, errNoMemory; any other error says
	// how the body broke off.
	Body(limit int64, within time.Duration, m *bodyMemory) (*buffer, error)
	sink
}

// sink takes one answer, in this order: headers, Start, any number of Send and Flush,
// End. now is the time of the call.
type sink interface {
	Set(name, value string) // sets a header; name is in canonical form
	Add(name, value string) // like Set, for a header that may appear several times
	// Start sends status and headers. size is the length of the body, -1 if unknown.
	Start(now time.Time, status int, size int64)
	// Send takes a part of the body; in a stream, whole events. It does not keep p. An
	// error means that the sink takes no more.
	Send(p []byte) error
	Flush(now time.Time) error // pushes out what was sent
	// End says how the answer ended. After endsCut it need not return: over HTTP only an
	// abort can say so.
	End(how ending)
}

// ending is how an answer ended.
type ending uint8

const (
	endsWhole  ending = iota // it is complete
	endsFailed               // it is an error, ends with an error event, or the caller has left
	endsCut                  // it breaks off, and only an abort can say so
)

// exchange is one request's exchange with its caller. Every part of an answer passes
// through it, so a second sink can receive all of it: see tee.
//
// It belongs to the goroutine that serves the request.
type exchange struct {
	from caller
	// tee gets the same answer as the caller, except for signs of life. It must not
	// block, and its errors are ignored. Only an answer that ends whole is valid; End is
	// always called. nil: none.
	tee sink

	method, query string // of the HTTP request line; POST for other callers
	peer          string // the connection's remote address without port; "" without one
	size          int64  // the stated length of the body; -1 if not stated
	far           bool   // over a network, where silence may be taken for a dead peer

	lead *lead // the request goes on when its caller has left; nil: it does not

	clock   time.Time // when the answer was last written to
	pulse   *pulse    // signs of life for a waiting caller; nil: none
	started bool      // the status line was sent
	ended   bool      // the end was sent too
	status  int       // the status sent
}

func (x *exchange) ctx() context.Context {
	if x.lead != nil {
		return x.lead.ctx
	}
	return x.from.Context()
}

// get returns the first value of a header; name is in canonical form.
func (x *exchange) get(name string) string {
	if v := x.from.Header(name); len(v) > 0 {
		return v[0]
	}
	return ""
}

// all returns every value of a header; name is in canonical form.
func (x *exchange) all(name string) []string { return x.from.Header(name) }

// set sets a header of the answer; name is in canonical form. Before start only.
func (x *exchange) set(name, value string) {
	x.from.Set(name, value)
	if x.tee != nil {
		x.tee.Set(name, value)
	}
}

// add is like set, for a header that may appear several times.
func (x *exchange) add(name, value string) {
	x.from.Add(name, value)
	if x.tee != nil {
		x.tee.Add(name, value)
	}
}

// start sends status and headers. size is the length of the body, -1 if unknown.
func (x *exchange) start(status int, size int64) {
	begun := false // the status went out with a sign of life
	if p := x.pulse; p != nil {
		p.lock()
		defer p.unlock()
		p.claimed = false
		if begun = p.opened; begun {
			status = 200
		}
	}
	x.started, x.status, x.clock = true, status, time.Now()
	if x.tee != nil {
		x.tee.Start(x.clock, status, size)
	}
	if !begun {
		x.from.Start(x.clock, status, size)
	}
}

// send writes a part of the body; flush pushes it to the caller. An error means that
// the caller takes no more.
func (x *exchange) send(p []byte) error {
	if x.pulse != nil {
		x.pulse.lock()
		defer x.pulse.unlock()
	}
	if x.tee != nil {
		_ = x.tee.Send(p)
	}
	if x.lead != nil {
		return x.lead.send(x.from, p)
	}
	return x.from.Send(p)
}

func (x *exchange) flush() error {
	if x.pulse != nil {
		x.pulse.lock()
		defer x.pulse.unlock()
	}
	x.clock = time.Now()
	if x.tee != nil {
		_ = x.tee.Flush(x.clock)
	}
	if x.lead != nil {
		return x.lead.flush(x.from, x.clock)
	}
	return x.from.Flush(x.clock)
}

// unshown gives the tee an event that the caller does not see, because only the gateway
// asked for it.
func (x *exchange) unshown(event []byte) {
	if k, ok := x.tee.(*transcript); ok {
		k.unshown(event)
	}
}

// tells prepares the tee for an event that not every caller sees.
func (x *exchange) tells() {
	if k, ok := x.tee.(*transcript); ok {
		k.told = true
	}
}

// offer gives the tee an answer that the caller gets in another form.
func (x *exchange) offer(body []byte) {
	if k, ok := x.tee.(*transcript); ok {
		k.offer(body)
	}
}

// beat sends a sign of life for the pulse, which holds its lock. It says whether the
// status went out with it. Errors are ignored: a lost caller ends the handler's
// context.
func (x *exchange) beat(now time.Time, b []byte) (opened bool) {
	if !x.started && !x.pulse.opened {
		opened = true
		x.from.Set("Content-Type", "text/event-stream")
		x.from.Set("Cache-Control", "no-cache")
		x.from.Start(now, 200, -1)
	}
	_ = x.from.Send(b)
	_ = x.from.Flush(now)
	return opened
}

// end says how the answer ended, to the tee first: after endsCut it need not return.
func (x *exchange) end(how ending) {
	x.endTee(how)
	x.from.End(how)
}

// endTee ends the tee, once.
func (x *exchange) endTee(how ending) {
	if x.tee != nil && !x.ended {
		x.tee.End(how)
	}
	x.ended = true
}
