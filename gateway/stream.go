package gateway

import (
	"errors"
	"io"

	"weir"
	"weir/dispatch"
	"weir/upstream"
)

// stream is the state of one streamed answer.
type stream struct {
	c      *call
	events *upstream.Events
	quiet  lull

	// For a hedged request: what a racer has read of it before it is relayed.
	asks      bool // the gateway asked for usage
	led       bool // the fields below are handled first
	ahead     upstream.Event
	leadErr   error
	leadUsage *weir.Usage

	held      *buffer      // events before the first token, not sent yet
	holding   int          // number of events held
	heldSince weir.Instant // when the first of them arrived

	first    weir.Instant // when the first token came
	tokens   int64        // events with generated text
	finishes int          // choices reported complete by the upstream
	done     bool         // the upstream said the stream is done
	usage    bool         // the upstream reported usage

	counts bool    // the upstream is known to report no usage: request and text are kept to count tokens
	text   *buffer // generated text, at most maxText and one event
}

// maxText bounds the part of a stream that is kept to count its tokens.
const maxText = 64 << 10

// relay passes a stream on, event by event. Until the first token (or until held events
// exceed their bounds) nothing is sent, so the caller never sees a failure. From then
// on the stream ends with the upstream's own finish or with an error event, never with
// a finish made up by the gateway.
func (c *call) relay(s *stream) *failure {
	t := c.booking.target
	s.counts = c.asksNone(t)
	f := s.run()
	s.held.free()
	s.held = nil
	s.count()
	s.text.free()
	if f == nil {
		t.silent.Store(!s.usage)
	}
	return f
}

func (s *stream) run() *failure {
	if s.led {
		if f, over := s.takeLead(); over {
			return f
		}
	}
	for {
		// Most streams are here at any moment, so nothing large is on the stack.
		if err := s.events.Wait(); err != nil {
			return s.ended(err)
		}
		if f, over := s.next(); over {
			return f
		}
	}
}

// next handles the next event, which is in memory.
//
//go:noinline
func (s *stream) next() (*failure, bool) {
	e, err := s.events.Next()
	if err != nil {
		return s.ended(err), true
	}
	if e.Usage != nil {
		s.usage = true
		s.c.booking.used = *e.Usage
	}
	if f, over := s.take(&e); over {
		return f, true
	}
	if s.quiet.over(s.c.g, s.c.booking.target, e.Kind) {
		return stillQuiet(), true
	}
	return nil, false
}

// take handles one event and says whether the stream is over.
func (s *stream) take(e *upstream.Event) (*failure, bool) {
	if e.Produced {
		s.token(e)
		if s.tokens > s.c.booking.covered {
			if f := s.c.topUp(); f != nil {
				return f, true
			}
		}
	}
	if e.Kind == upstream.Meta {
		s.c.remember(e.Data)
		s.c.rememberItems(e.Data, true)
	}
	if !s.c.renaming.learned {
		s.c.learnModel(e.Data)
		s.c.renaming.learned = s.c.renaming.learned || e.Produced // a stream that has not named the model by now never will
	}
	raw := s.c.renaming.apply(e.Raw)
	switch e.Kind {
	case upstream.Usage:
		if s.c.asksUsage {
			s.c.x.unshown(raw)
			return nil, false // the gateway asked for it: the caller must not see it
		}
		s.c.x.tells()
	case upstream.Failed:
		return s.failure(e), true
	case upstream.Malformed:
		return &failure{problem: &problem{is: errGarbled, message: "the inference server sent an event that is not valid JSON"},
			result: dispatch.Unhealthy, retry: true}, true
	case upstream.Finish:
		s.finishes++
	case upstream.Done:
		if !s.complete() {
			return unfinished(), true
		}
		s.done = true
	case upstream.Comment:
		if !s.c.streaming {
			return nil, false // relaying a sign of life would rule out the retry
		}
	}
	if err := s.show(e, raw); err != nil {
		return s.c.unread(err), true
	}
	return nil, false
}

// failure judges an error inside a stream that began as a success. A caller that has
// seen a token gets an error in the form its SDK raises, whatever the upstream's form:
// see errorEvent.
func (s *stream) failure(e *upstream.Event) *failure {
	return ofFailure(e.Fail)
}

func (s *stream) token(e *upstream.Event) {
	s.tokens++
	if s.counts {
		s.keep(e.Data)
	}
	if s.first != 0 {
		return
	}
	s.first = s.c.g.now()
	b := &s.c.booking
	b.rec.TTFT = s.first.Sub(b.rec.Arrived)
	b.served.firstToken(s.first, b.id, s.first.Sub(b.grantedAt))
}

// keep stores the text of an event to count its tokens.
func (s *stream) keep(data []byte) {
	if s.text == nil {
		s.text = newBuffer(0)
	}
	if len(s.text.b) < maxText {
		s.text.b = s.c.s.do.Format.Text(s.text.b, data)
	}
}

// show sends an event, in raw as the caller should see it, or holds it back if the
// bounds allow.
func (s *stream) show(e *upstream.Event, raw []byte) error {
	c := s.c
	if !c.streaming {
		if e.Kind == upstream.Meta && s.hold(raw) {
			return nil
		}
		s.open()
	}
	c.events++
	if !endsBlank(raw) { // the last event of a server that leaves out its blank line
		raw = append(raw[:len(raw):len(raw)], blank...)
	}
	if err := c.x.send(raw); err != nil {
		return err
	}
	if s.events.Buffered() {
		return nil
	}
	return c.x.flush()
}

var blank = []byte("\n\n")

// endsBlank says whether an event ends with its blank line. Without it the next bytes
// would join the event.
func endsBlank(raw []byte) bool {
	n := len(raw)
	return n >= 2 && raw[n-1] == '\n' && (raw[n-2] == '\n' || n >= 3 && raw[n-2] == '\r' && raw[n-3] == '\n')
}

// hold holds an event back if the bounds allow.
func (s *stream) hold(raw []byte) bool {
	b := &s.c.st.bounds
	now := s.c.g.now()
	if s.held == nil {
		s.held, s.heldSince = newBuffer(len(raw)), now
	}
	if s.holding >= b.HoldEvents || len(s.held.b)+len(raw) > b.HoldBytes || now.Sub(s.heldSince) > b.HoldTime {
		return false
	}
	if len(s.held.b)+len(raw) > cap(s.held.b) {
		s.held = s.held.grown()
	}
	s.held.b = append(s.held.b, raw...)
	s.holding++
	return true
}

// open sends the caller the status and the held events. From here on there is no retry,
// so the request's body is no longer needed.
func (s *stream) open() {
	c := s.c
	c.streaming = true
	c.startStream(c.booking.reply)
	if s.held != nil {
		c.x.send(s.held.b) // an error shows at the flush
		c.events += s.holding
		s.held.free()
		s.held = nil
	}
	if !s.counts && c.booking.race == nil { // in a race, a racer may still be sending it
		c.body = nil
		c.booking.body.free()
		c.booking.body = nil
	}
}

// ended judges the end of the upstream's stream.
func (s *stream) ended(err error) *failure {
	c := s.c
	switch {
	case s.whole(errors.Is(err, io.EOF)):
	case errors.Is(err, io.EOF):
		return unfinished()
	default:
		return c.failed(err)
	}
	if !c.streaming {
		s.open() // an answer without tokens
	}
	if err := c.x.flush(); err != nil {
		return c.unread(err)
	}
	c.finished = true
	return nil
}

// whole says whether the upstream has finished its answer: it said that the stream is
// done, or, as some servers do, it finished every choice and ended properly without
// saying so.
func (s *stream) whole(properEnd bool) bool {
	if s.done || s.c.s.do.EndsAtFinish {
		return s.complete()
	}
	finished, _ := s.events.Finished()
	return properEnd && s.complete() && max(s.finishes, finished) >= s.c.ask.n
}

// complete says whether the upstream has reported the end of every choice it has begun.
func (s *stream) complete() bool {
	_, open := s.events.Finished()
	return s.finishes > 0 && !open
}

// count settles the usage: as the upstream reported it, else as seen. From its second
// stream on, an upstream that reports none is counted with a tokenizer. A broken stream
// counts as one token an event, which is what servers send.
func (s *stream) count() {
	b := &s.c.booking
	switch {
	case s.tokens == 0 && !s.complete():
		b.used = weir.Usage{}
		return // nothing was produced: nothing is billed, and a retry may follow
	case s.usage && b.used.Completion == 0 && s.tokens > 0, s.usage && b.used.Completion < s.tokens && !s.complete():
		b.used.Completion, b.used.Estimated = s.tokens, true // it reported only the beginning
	case s.usage:
	case s.tokens == 0:
		return
	case s.counts:
		b.hangUp() // counting takes time
		b.used = s.c.s.do.Estimate(s.c.body, s.text.b)
	default:
		b.used = weir.Usage{Prompt: int64(s.c.ask.promptTokens()), Completion: s.tokens, Estimated: true}
	}
	// The last token was sent with the last flush or just before it. Reading the clock at
	// every token would cost as much as reading the token.
	b.rec.TPOT = tpot(s.first, s.c.g.at(s.c.x.clock), max(b.used.Completion, s.tokens))
}

// asksNone says whether a deployment's streams are expected to report no usage.
func (c *call) asksNone(t *target) bool {
	return c.s.do.AsksUsage && (t.NoStreamUsage || t.silent.Load())
}
