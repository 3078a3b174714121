package emulate

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"weir/engine"
)

// call is one parsed request for text.
type call struct {
	model    string
	stream   bool
	usage    bool // a stream's usage is asked for
	prompt   prompt
	cached   int     // prompt tokens cached by the provider's rule
	own      bool    // no provider has a rule: usage reports the hits in the replica's prefix cache
	booked   float64 // normalised tokens a provisioned deployment has booked for it
	limits   limits
	answer   answer
	choices  int // answers asked for at once; all are as long as the first
	logprobs bool
	id       string
	created  int64
	dialect  dialect
}

// usage of a call that has ended.
type usage struct{ prompt, cached, completion int }

// dialect writes an answer in the format of one API.
type dialect interface {
	// open, token and close append a stream's events: open before the first
	// token, token for each, close after the last.
	open(b []byte, c *call) []byte
	token(b []byte, c *call, i int) []byte
	close(b []byte, c *call, u usage) []byte
	// whole is the answer in one piece.
	whole(c *call, u usage) any
}

// A parser reads a body and chooses the dialect of its answer: see chat.go and
// its neighbours.
type parser func(w http.ResponseWriter, r *http.Request, s *Server) (*call, *problem)

// infer answers requests for text.
func (s *Server) infer(shape *errorShape, parse parser) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if err := s.loop.ready(); err != nil {
			shape.write(w, unavailable(err))
			return
		}
		c, p := parse(w, r, s)
		if p != nil {
			shape.write(w, *p)
			return
		}
		c.own = true
		s.answer(w, r, shape, c)
	}
}

// answer runs a call through the replica and returns how many tokens that
// produced, whether or not its client stayed for them.
func (s *Server) answer(w http.ResponseWriter, r *http.Request, shape *errorShape, c *call) int {
	f, err := s.loop.join(s.request(&c.prompt, c.answer.tokens), c.answer.finish, c.stream)
	if err != nil {
		shape.write(w, unavailable(err))
		return 0
	}
	defer s.loop.leave(f)
	t := teller{s: s, w: w, r: r, c: c, f: f, shape: shape, fault: faultOf(r)}
	if c.stream {
		t.stream()
	} else {
		t.whole()
	}
	return int(f.produced.Load())
}

// admit makes the checks of every dialect: the model is known, the prompt fits,
// and there is room for an answer.
func (s *Server) admit(c *call, param string) (room int, p *problem) {
	if p := s.known(c.model); p != nil {
		return 0, p
	}
	c.model = s.o.Served
	c.prompt.tokens = max(c.prompt.tokens, 1)
	c.prompt.hash = hashText(s.o.Seed, append([]string{s.o.Served}, c.prompt.blocks...)...)
	c.choices = max(c.choices, 1)
	c.id = strconv.FormatUint(mix(c.prompt.hash+uint64(time.Now().UnixNano())), 16)
	c.created = time.Now().Unix()
	room = s.o.Context - c.prompt.tokens
	if c.limits.most < 0 || c.limits.least < 0 {
		return 0, bad("max_tokens", "token limits must not be negative")
	}
	if room < 1 || c.limits.most > room {
		return 0, &problem{http.StatusBadRequest, "invalid_request_error", param, "context_length_exceeded", fmt.Sprintf(
			"This model's maximum context length is %d tokens. However, you requested %d tokens (%d in the %s, %d for the completion). Please reduce the length of either.",
			s.o.Context, c.prompt.tokens+c.limits.most, c.prompt.tokens, param, c.limits.most)}
	}
	return room, nil
}

func (s *Server) request(p *prompt, output int) engine.Request {
	q := engine.Request{Prompt: p.tokens, Output: output}
	if s.spec.PrefixCache {
		q.Prefix = p.prefixBlocks(s.spec.BlockTokens)
	}
	return q
}

// teller sends one answer to its client.
type teller struct {
	s     *Server
	w     http.ResponseWriter
	r     *http.Request
	c     *call
	f     *flow
	shape *errorShape
	fault *armed // nil: none
}

var errGone = errors.New("the client disconnected")

// await waits until the flow has produced more than sent tokens, or is over.
func (t *teller) await(sent int) (have int, err error) {
	for {
		over := t.f.over.Load() // before produced: once over, produced is final
		have = int(t.f.produced.Load())
		switch {
		case t.c.stream && have > sent, over && have == t.f.tokens:
			return have, nil
		case over:
			return have, errStopped
		}
		select {
		case <-t.f.more:
		case <-t.r.Context().Done():
			return have, errGone
		}
	}
}

func (t *teller) usage(completion int) usage {
	u := usage{prompt: t.c.prompt.tokens, cached: t.c.cached, completion: completion}
	if t.c.own {
		u.cached = int(t.f.cached.Load())
	}
	return u
}

func (t *teller) whole() {
	n, err := t.await(0)
	if errors.Is(err, errGone) {
		return
	}
	if err != nil {
		t.shape.write(t.w, unavailable(err))
		return
	}
	t.deliver(mustJSON(t.c.dialect.whole(t.c, t.usage(n))))
}

// deliver sends a whole body.
func (t *teller) deliver(body []byte) {
	if t.fault != nil {
		t.fault.whole(t, body)
		return
	}
	t.w.Header().Set("Content-Type", "application/json")
	t.w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	_, _ = t.w.Write(body)
}

// writeTimeout ends a stream whose client does not read.
const writeTimeout = 30 * time.Second

// stream sends events as tokens come: those of one step together.
func (t *teller) stream() {
	h := t.w.Header()
	h.Set("Content-Type", "text/event-stream; charset=utf-8")
	h.Set("Cache-Control", "no-cache")
	h.Set("X-Accel-Buffering", "no")
	t.w.WriteHeader(http.StatusOK)
	if t.send(nil) != nil {
		return
	}
	buf := make([]byte, 0, 1024)
	for sent := 0; sent < t.f.tokens; {
		have, err := t.await(sent)
		if err != nil {
			if errors.Is(err, errStopped) {
				_ = t.send(t.failure(buf[:0], unavailable(err)))
			}
			return
		}
		buf = buf[:0]
		if sent == 0 {
			buf = t.c.dialect.open(buf, t.c)
		}
		for ; sent < have; sent++ {
			if t.fault != nil && t.fault.AfterTokens == sent {
				var ok bool
				if buf, ok = t.fault.strike(t, buf); !ok {
					return
				}
			}
			buf = t.c.dialect.token(buf, t.c, sent)
		}
		if sent == t.f.tokens {
			if t.fault != nil && t.fault.AfterTokens >= sent { // beyond the answer's length: at its end
				var ok bool
				if buf, ok = t.fault.strike(t, buf); !ok {
					return
				}
			}
			buf = t.c.dialect.close(buf, t.c, t.usage(sent))
		}
		if t.send(buf) != nil {
			return
		}
	}
}

// send writes and flushes.
func (t *teller) send(b []byte) error {
	rc := http.NewResponseController(t.w)
	// Not every writer has deadlines; a test's recorder has none and does not
	// block.
	_ = rc.SetWriteDeadline(time.Now().Add(writeTimeout))
	if len(b) > 0 {
		if _, err := t.w.Write(b); err != nil {
			return err
		}
	}
	return rc.Flush()
}

// failure appends an error inside a stream that has begun.
func (t *teller) failure(b []byte, p problem) []byte {
	if t.shape == &anthropicErrors {
		b = append(b, "event: error\n"...)
	}
	b = event(b, mustJSON(t.shape.body(p)))
	return append(b, t.shape.more...)
}

// event appends one server-sent event with data only.
func event(b, data []byte) []byte {
	b = append(b, "data: "...)
	b = append(b, data...)
	return append(b, "\n\n"...)
}

// named appends one server-sent event with its name.
func named(b []byte, name string, data any) []byte {
	b = append(b, "event: "...)
	b = append(b, name...)
	b = append(b, '\n')
	return event(b, mustJSON(data))
}
