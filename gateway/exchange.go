package gateway

import (
	"context"
	"time"
)

// caller is the one that asks: over HTTP (http.go) or from inside the process
// (Submit). It is all the path of a request knows of either, and everything that
// only HTTP has stays behind it. A caller belongs to the goroutine that serves
// the request; its sink is also used by the pulse, never at the same time.
type caller interface {
	// Context ends when the caller has gone or, with errStopping as its cause,
	// when the gateway cuts what is still open.
	Context() context.Context
	// Key finds the key that the request counts for: errNoKey, errBadKey, errTwoKeys.
	Key(st *state) (*key, error)
	// Header returns every value of a header; name is in canonical form.
	Header(name string) []string
	// Body reads the body to its end, within limit bytes and within the time. Its
	// room is counted in m. errOverLimit, errSlowBody, errNoMemory; any other error
	// says how the body broke off.
	Body(limit int64, within time.Duration, m *bodyMemory) (*buffer, error)
	sink
}

// sink takes one answer, in this order: headers, Start, any number of Send and
// Flush, End. now is the time of the call.
type sink interface {
	Set(name, value string) // sets a header; name is in canonical form
	Add(name, value string) // is Set for a header that may come several times
	// Start hands over status and headers. size is the length of the body, -1
	// when it is not known.
	Start(now time.Time, status int, size int64)
	// Send takes a part of the body, of a stream whole events; p is the sender's
	// again afterwards. An error means that no more is taken.
	Send(p []byte) error
	Flush(now time.Time) error // pushes on what was sent
	// End says how the answer ended. After endsCut it need not return: HTTP has no other
	// way to say it than to break off.
	End(how ending)
}

// ending is how an answer ended.
type ending uint8

const (
	endsWhole  ending = iota // it came to its true end
	endsFailed               // it is an error, or ends with an error event, or the caller has left
	endsCut                  // it breaks off, and only the break can say so
)

// exchange is one request's exchange with its caller. Every part of an answer
// passes here on its way from where it is produced, so that a second sink can
// take all of it: see tee.
//
// It belongs to the goroutine that serves the request.
type exchange struct {
	from caller
	// tee gets the same answer as the caller, signs of life excepted. It holds
	// nothing up: what it returns is not looked at. What it got is an answer only
	// if it ends whole, which it is told in any case. nil: there is none.
	tee sink

	method, query string // of the request line of HTTP; POST of other callers
	peer          string // address at the other end of the connection, without its port; "" without one
	size          int64  // how long the body is said to be; -1 where it is not said
	far           bool   // a network lies between, where silence may be taken for death

	clock   time.Time // when something last was about to be written
	pulse   *pulse    // signs of life for a caller that waits; nil: there are none
	started bool      // the answer was begun: its status line was handed over
	ended   bool      // so was how it ended
	status  int       // that it said
}

func (x *exchange) ctx() context.Context { return x.from.Context() }

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

// add is set for a header that may come several times.
func (x *exchange) add(name, value string) {
	x.from.Add(name, value)
	if x.tee != nil {
		x.tee.Add(name, value)
	}
}

// start hands over status and headers. size is the length of the body, -1 when
// it is not known.
func (x *exchange) start(status int, size int64) {
	begun := false // by a sign of life
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

// send writes a part of the body; flush pushes what was sent to the caller. An
// error means that the caller takes no more.
func (x *exchange) send(p []byte) error {
	if x.pulse != nil {
		x.pulse.lock()
		defer x.pulse.unlock()
	}
	if x.tee != nil {
		_ = x.tee.Send(p)
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
	return x.from.Flush(x.clock)
}

// beat sends a sign of life, for the pulse, which holds its lock. It says whether
// the status went out with it. That it cannot be written the handler sees by its
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
