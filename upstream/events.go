package upstream

import (
	"bytes"

	"weir"
	"weir/jsonscan"
	"weir/sse"
)

// EventKind is what an event of a stream means.
type EventKind uint8

const (
	Meta      EventKind = iota // nothing produced yet: role, empty delta, annotations, prompt_filter_results, response.created, ping
	Token                      // carries produced text, tool call or reasoning
	Finish                     // finish_reason, response.completed or .incomplete, message_delta with stop_reason
	Usage                      // carries usage and no choices
	Done                       // [DONE], message_stop
	Failed                     // an error inside the stream: Event.Fail says which
	Comment                    // no data, or empty data: a keep-alive
	Malformed                  // the data is not a JSON object
)

var eventKindNames = [...]string{"meta", "token", "finish", "usage", "done", "failed", "comment", "malformed"}

func (k EventKind) String() string {
	if int(k) < len(eventKindNames) {
		return eventKindNames[k]
	}
	return "unknown"
}

// Event is one server-sent event. All it points to is valid until Next.
type Event struct {
	Raw  []byte // as received, its blank line included
	Data []byte // the payload of its data lines, joined with LF; nil when it has none
	Kind EventKind
	// Produced: it carries produced text, tool call or reasoning. Always so for
	// Token; a Finish may carry the last of it.
	Produced bool
	// Usage, when the event carries some (whatever its Kind). Anthropic tells it
	// in parts: it is then the total of what the stream has told so far.
	Usage *weir.Usage
	Fail  *Failure // for Failed
}

// Events reads the events of a reply and what they mean. It belongs to the
// goroutine that owns the reply. The blocks returned, one after the other, are
// the body byte for byte: a block without data is a Comment.
type Events struct {
	in     sse.Reader
	format Format
	stream Stream
}

// Stream is how far a stream has come. A Format reads the data of its present
// event by way of the cursor.
type Stream struct {
	jsonscan.Cursor
	Tally
	Progress
}

// Next returns the next event. io.EOF comes at the true end of the body only;
// every other error is an *Error, and an event it cut in two is not returned.
func (e *Events) Next() (Event, error) {
	in, err := e.in.Next()
	if err != nil {
		return Event{}, err
	}
	ev := Event{Raw: in.Raw, Data: in.Data, Kind: Comment}
	if in.HasData {
		e.classify(&ev, in.Name)
	}
	return ev, nil
}

// classify says what an event's data mean. The text a model produces may hold
// anything, a "usage" or a [DONE] too: only where a key stands tells.
func (e *Events) classify(ev *Event, name []byte) {
	switch string(bytes.TrimSpace(ev.Data)) {
	case "[DONE]":
		ev.Kind = Done
		return
	case "": // a client would not dispatch it: a keep-alive
		return
	}
	s := &e.stream
	s.Cursor = jsonscan.At(ev.Data)
	if s.Peek() != '{' {
		ev.Kind = Malformed
		return
	}
	m := e.format.Event(s, name)
	if !s.Cursor.Done() {
		ev.Kind = Malformed
		return
	}
	ev.Kind, ev.Produced, ev.Usage = m.Kind, m.Produced, m.Usage
	s.Something = s.Something || m.Produced
	if ev.Kind == Failed {
		ev.Fail = readStreamFailure(ev.Data)
	}
}

// Buffered says whether a further complete event is already in memory: then it
// is too early to flush. It may return false when one is there, never true when
// none is.
func (e *Events) Buffered() bool { return e.in.Buffered() }
