// Package sse reads server-sent events off a stream of bytes, without copying
// those that lie in one piece (WHATWG HTML, "Server-sent events").
//
// It owns the cutting into events and fields, over whatever pieces the bytes come
// in, and the bound of one event. It refuses to know what an event means, where
// its bytes come from, and time: waiting is its Source's.
package sse

import (
	"bytes"
	"fmt"
	"io"
	"sync"
)

// MaxEventBytes bounds one event. It is far beyond what any known server sends;
// a stream with a larger one is refused, not truncated.
const MaxEventBytes = 1 << 20

// Source is where the bytes of a stream come from.
type Source interface {
	// Next waits for the next bytes, at least one. They are valid until the next
	// call of Next. io.EOF is the true end; any other error ends the stream.
	Next() ([]byte, error)
	// More is Next without waiting: nothing when nothing is in memory.
	More() []byte
	// Refuse ends the stream, since what came is not what it must be, and returns
	// the error that says so.
	Refuse(reason error) error
}

// Event is one server-sent event. All it points to is valid until Next.
type Event struct {
	Raw     []byte // as received, its blank line included
	Name    []byte // the value of its field event, the last counts; nil: it has none
	Data    []byte // the payload of its data lines, joined with LF; nil where they are empty
	HasData bool   // it has a data line, perhaps an empty one; else it is a comment
}

// Reader reads the events of a source. The zero value is of no use: see New. It
// belongs to one goroutine.
//
// Lines end with LF or CRLF. The events returned, one after the other, are the
// bytes of the source, all of them. What stands behind the last blank line is
// returned as an event at a true end only.
type Reader struct {
	from   Source
	win    []byte // of the source, not looked at but for ready
	ready  int    // length of the event win starts with, when known
	part   []byte // start of an event whose end had not come; then that event
	taken  bool   // part was returned, and is to be dropped
	split  splitter
	begun  bool   // an event was returned
	join   []byte // data of several lines
	joined bool   // this event's are
}

// New reads a source from its beginning.
func New(from Source) Reader { return Reader{from: from} }

// Next returns the next event. io.EOF comes at the true end of the source only;
// every other error is the source's, and an event it cut in two is not returned.
func (e *Reader) Next() (Event, error) {
	if e.taken {
		putBuffer(e.part)
		e.part, e.taken = nil, false
	}
	for {
		if raw := e.cutOff(); raw != nil {
			return e.event(raw), nil
		}
		if len(e.part) > MaxEventBytes {
			return Event{}, e.from.Refuse(fmt.Errorf("an event of the stream is larger than %d bytes", MaxEventBytes))
		}
		win, err := e.from.Next()
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
func (e *Reader) cutOff() []byte {
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
func (e *Reader) keep(piece []byte) {
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
// is too early to flush. It may return false when one is there, never true when
// none is.
func (e *Reader) Buffered() bool {
	if e.ready > 0 {
		return true
	}
	if len(e.part) > 0 && !e.taken {
		return false
	}
	if len(e.win) == 0 {
		e.win = e.from.More()
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

// event reads the fields of a block.
func (e *Reader) event(raw []byte) Event {
	ev := Event{Raw: raw}
	text := raw
	if !e.begun {
		text = bytes.TrimPrefix(text, bom)
		e.begun = true
	}
	for len(text) > 0 {
		var line []byte
		line, text = cutLine(text)
		switch field, value := cutField(line); string(field) {
		case "event":
			ev.Name = value
		case "data":
			e.addData(&ev, value)
		}
	}
	return ev
}

// addData adds a data line. Those behind the first are joined in memory of the
// reader's own.
func (e *Reader) addData(ev *Event, value []byte) {
	if !ev.HasData {
		ev.HasData, ev.Data, e.joined = true, value, false
		return
	}
	if !e.joined {
		e.join, e.joined = append(e.join[:0], ev.Data...), true
	}
	e.join = append(append(e.join, '\n'), value...)
	ev.Data = e.join
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

// Append appends an event with data of one line to dst; name "" leaves its name out.
func Append(dst []byte, name string, data []byte) []byte {
	if name != "" {
		dst = append(append(append(dst, "event: "...), name...), '\n')
	}
	return append(append(append(dst, "data: "...), data...), "\n\n"...)
}

// Begins says whether text, the first bytes of a body, begins with a field of an
// event or a comment.
func Begins(text []byte) bool {
	text = bytes.TrimLeft(bytes.TrimPrefix(text, bom), "\r\n")
	for _, field := range [...]string{"data:", "event:", ":", "id:", "retry:"} {
		if bytes.HasPrefix(text, []byte(field)) {
			return true
		}
	}
	return false
}

// pieceSize is what an event that comes in pieces is first kept in.
const pieceSize = 4 << 10

// buffers are pooled as pointers to arrays: putting a slice would allocate.
var buffers = sync.Pool{New: func() any { return new([pieceSize]byte) }}

func getBuffer() []byte { return buffers.Get().(*[pieceSize]byte)[:] }

// putBuffer takes back what getBuffer gave, and drops anything else.
func putBuffer(b []byte) {
	if cap(b) == pieceSize {
		buffers.Put((*[pieceSize]byte)(b[:pieceSize]))
	}
}
