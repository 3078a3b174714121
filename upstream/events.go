package upstream

import (
	"bytes"

	"weir"
	"weir/jsonscan"
	"weir/sse"
)

// EventKind is the meaning of an event of a stream.
type EventKind uint8

const (
	Meta      EventKind = iota // nothing produced yet: role, empty delta, annotations, prompt_filter_results, response.created, ping
	Token                      // carries produced text, tool call or reasoning
	Finish                     // finish_reason, response.completed or .incomplete, message_delta with stop_reason
	Usage                      // carries usage and no choices
	Done                       // [DONE], message_stop
	Failed                     // an error inside the stream: Event.Fail has it
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

// Event is one server-sent event. Its slices are valid until Next.
type Event struct {
	Raw  []byte // as received, including its blank line
	Data []byte // the payload of its data lines, joined with LF; nil when it has none
	Kind EventKind
	// Produced: it carries generated text, a tool call or reasoning. Always true for
	// Token; a Finish may carry the last part.
	Produced bool
	// Usage, if the event has any (whatever its Kind). Anthropic reports it in parts: this
	// is the total of the stream so far.
	Usage *weir.Usage
	Fail  *Failure // for Failed
}

// Events reads the events of a reply and their meaning. It belongs to the goroutine
// that owns the reply. The returned blocks in order are the body, byte for byte: a
// block without data is a Comment.
type Events struct {
	in     sse.Reader
	format Format
	stream Stream
}

// Stream is the progress of a stream. A Format reads the data of the current event
// through the cursor.
type Stream struct {
	jsonscan.Cursor
	Tally
	Progress
}

// Next returns the next event. io.EOF comes only at the true end of the body; every
// other error is an *Error, and an event that it cut in two is not returned.
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

// Wait waits for the next event, which Next then returns at once: see sse.Reader.Wait.
func (e *Events) Wait() error { return e.in.Wait() }

// classify finds the meaning of an event's data. Generated text may contain anything,
// even "usage" or [DONE]: only the position of a key counts.
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

// Buffered says whether another complete event is already in memory, which makes it too
// early to flush. It may return false when one is there, never true when none is.
func (e *Events) Buffered() bool { return e.in.Buffered() }
