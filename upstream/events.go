package upstream

import (
	"bytes"
	"io"

	"weir"
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

// Events reads the server-sent events of a reply. It belongs to the goroutine
// that owns the reply.
//
// Lines end with LF or CRLF. The blocks returned, one after the other, are the
// body byte for byte: a block without data is a Comment. What stands behind
// the last blank line is returned as an event at a true end only.
type Events struct {
	r     *Reply
	win   []byte // decoded bytes in the connection's buffer, not looked at but for ready
	ready int    // length of the event win starts with, when known
	part  []byte // start of an event whose end had not come; then that event
	taken bool   // part was returned, and is to be dropped
	split splitter
	first bool // no event was returned yet
	join  []byte
	seen  found
}

// Events reads the body as server-sent events, instead of Read.
func (r *Reply) Events() *Events { return &Events{r: r, first: true} }

// Next returns the next event. io.EOF comes at the true end of the body only;
// every other error is an *Error, and an event it cut in two is not returned.
func (e *Events) Next() (Event, error) {
	if e.taken {
		putBuffer(e.part)
		e.part, e.taken = nil, false
	}
	for {
		if raw := e.cutOff(); raw != nil {
			return e.event(raw), nil
		}
		if len(e.part) > MaxEventBytes {
			return Event{}, e.r.end(faultf("an event of the stream is larger than %d bytes", MaxEventBytes))
		}
		win, err := e.r.next()
		e.win = win
		switch {
		case err == nil:
		case err == io.EOF && len(e.part) > 0:
			e.taken = true
			return e.event(e.part), nil
		default:
			return Event{}, err
		}
	}
}

// cutOff takes a whole event from what is in memory, nil when none is. An
// event that lies in one piece is not copied.
func (e *Events) cutOff() []byte {
	n := e.ready
	if e.ready = 0; n == 0 {
		n = e.split.end(e.win)
	}
	if n > 0 && len(e.part) == 0 {
		raw := e.win[:n]
		e.win = e.win[n:]
		return raw
	}
	piece := e.win
	if n > 0 {
		piece = e.win[:n]
	}
	e.keep(piece)
	e.win = e.win[len(piece):]
	if n == 0 {
		return nil
	}
	e.taken = true
	return e.part
}

// keep appends to part, which starts as a pooled buffer.
func (e *Events) keep(piece []byte) {
	if len(piece) == 0 {
		return
	}
	if e.part == nil {
		e.part = getBuffer()[:0]
	}
	if len(e.part)+len(piece) > cap(e.part) {
		larger := append(make([]byte, 0, 2*(len(e.part)+len(piece))), e.part...)
		putBuffer(e.part)
		e.part = larger
	}
	e.part = append(e.part, piece...)
}

// Buffered says whether a further complete event is already in memory: then it
// is too early to flush. It may miss one, never the other way.
func (e *Events) Buffered() bool {
	if e.ready > 0 {
		return true
	}
	if len(e.part) > 0 && !e.taken {
		return false
	}
	if len(e.win) == 0 {
		e.win = e.r.more()
	}
	look := e.split
	if e.ready = look.end(e.win); e.ready > 0 {
		e.split = look
	}
	return e.ready > 0
}

// splitter finds the ends of events over pieces of a stream.
type splitter struct{ state uint8 }

const (
	lineStart   = iota // nothing of the line has come
	lineStartCR        // a CR has
	lineRest
)

// end returns how many bytes of b belong to the event that is under way, its
// blank line included; 0 when it goes on behind b.
func (s *splitter) end(b []byte) int {
	for i := 0; i < len(b); i++ {
		if s.state == lineRest {
			n := bytes.IndexByte(b[i:], '\n')
			if n < 0 {
				return 0
			}
			i += n
			s.state = lineStart
			continue
		}
		switch {
		case b[i] == '\n':
			s.state = lineStart
			return i + 1
		case b[i] == '\r' && s.state == lineStart:
			s.state = lineStartCR
		default:
			s.state = lineRest
		}
	}
	return 0
}

var bom = []byte("\xef\xbb\xbf")

// event reads the fields of a block and what its data mean.
func (e *Events) event(raw []byte) Event {
	ev := Event{Raw: raw, Kind: Comment}
	text := raw
	if e.first {
		text = bytes.TrimPrefix(text, bom)
		e.first = false
	}
	var name []byte
	lines := 0
	for len(text) > 0 {
		var line []byte
		line, text = cutLine(text)
		switch field, value := cutField(line); string(field) {
		case "event":
			name = value
		case "data":
			if lines++; lines == 1 {
				ev.Data = value
				continue
			}
			if lines == 2 {
				e.join = append(e.join[:0], ev.Data...)
			}
			e.join = append(append(e.join, '\n'), value...)
			ev.Data = e.join
		}
	}
	if lines > 0 {
		e.classify(&ev, name)
	}
	return ev
}

// cutLine splits off a line without its LF or CRLF.
func cutLine(b []byte) (line, rest []byte) {
	n := bytes.IndexByte(b, '\n')
	if n < 0 {
		line = b
	} else {
		line, rest = b[:n], b[n+1:]
	}
	if len(line) > 0 && line[len(line)-1] == '\r' {
		line = line[:len(line)-1]
	}
	return line, rest
}

// cutField splits "name: value"; one space behind the colon does not count.
func cutField(line []byte) (name, value []byte) {
	i := bytes.IndexByte(line, ':')
	if i < 0 {
		return line, nil
	}
	value = line[i+1:]
	if len(value) > 0 && value[0] == ' ' {
		value = value[1:]
	}
	return line[:i], value
}
