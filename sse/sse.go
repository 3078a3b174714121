// Package sse reads server-sent events from a stream of bytes, without copying events
// that lie in one piece (WHATWG HTML, "Server-sent events").
//
// It owns the splitting into events and fields, whatever pieces the bytes arrive in, and
// the size limit of an event. It does not know the meaning of events, the origin of the
// bytes, or time: its Source does the waiting.
package sse

import (
	"bytes"
	"fmt"
	"io"
	"sync"
)

// MaxEventBytes bounds one event. It is far beyond any known server's; a stream with a
// larger one is refused, not truncated.
const MaxEventBytes = 1 << 20

// Source supplies the bytes of a stream.
type Source interface {
	// Next waits for the next bytes, at least one. They are valid until the next
	// call of Next. io.EOF is the true end; any other error ends the stream.
	Next() ([]byte, error)
	// More is Next without waiting: it returns nothing if nothing is in memory.
	More() []byte
	// Refuse ends the stream because its bytes are invalid, and returns the error to
	// report.
	Refuse(reason error) error
}

// Event is one server-sent event. Its slices are valid until Next.
type Event struct {
	Raw     []byte // as received, including its blank line
	Name    []byte // the value of its last field "event"; nil if there is none
	Data    []byte // the payload of its data lines, joined with LF; nil if they are empty
	HasData bool   // it has a data line, perhaps empty; otherwise it is a comment
}

// Reader reads the events of a source. The zero value cannot be used: see New. It
// belongs to one goroutine.
//
// Lines end with LF or CRLF. The returned events in order are all bytes of the source.
// Bytes after the last blank line become an event only at a true end.
type Reader struct {
	from   Source
	win    []byte // of the source, not scanned except for ready
	ready  int    // length of the event at the start of win, if known
	part   []byte // the beginning of an incomplete event; later the whole event
	taken  bool   // part was returned and can be dropped
	next   []byte // the next event, which Wait found
	split  splitter
	begun  bool   // an event was returned
	join   []byte // data of several lines
	joined bool   // join holds this event's data
}

// New reads a source from its beginning.
func New(from Source) Reader { return Reader{from: from} }

// Next returns the next event. io.EOF comes only at the true end of the source; every
// other error is the source's, and an event that it cut in two is not returned.
func (e *Reader) Next() (Event, error) {
	if err := e.Wait(); err != nil {
		return Event{}, err
	}
	raw := e.next
	e.next = nil
	return e.event(raw), nil
}

// Wait waits for the next event, which Next then returns at once; its errors are those
// of Next. It ends the last event. It need not be called: a goroutine that waits here
// and not in Next has a smaller stack, which counts with thousands of quiet streams.
func (e *Reader) Wait() error {
	if e.taken && e.next == nil {
		putBuffer(e.part)
		e.part, e.taken = nil, false
	}
	for e.next == nil {
		if e.next = e.cutOff(); e.next != nil {
			return nil
		}
		if len(e.part) > MaxEventBytes {
			return e.oversized()
		}
		win, err := e.from.Next()
		e.win = win
		switch {
		case err == nil:
		case err == io.EOF && len(e.part) > 0:
			e.taken, e.next = true, e.part
		default:
			return err
		}
	}
	return nil
}

func (e *Reader) oversized() error {
	return e.from.Refuse(fmt.Errorf("an event of the stream is larger than %d bytes", MaxEventBytes))
}

// cutOff takes a whole event from memory, nil if there is none. An event in one piece
// is not copied.
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

// Buffered says whether another complete event is already in memory, which makes it too
// early to flush. It may return false when one is there, never true when none is.
func (e *Reader) Buffered() bool {
	if e.ready > 0 || e.next != nil {
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

// splitter finds the ends of events across pieces of a stream.
type splitter struct{ state uint8 }

const (
	lineStart   = iota // at the start of a line
	lineStartCR        // after a CR at the start of a line
	lineRest
)

// end returns how many bytes of b belong to the current event, including its blank
// line; 0 if it continues after b.
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

// addData adds a data line. Further lines are joined in the reader's own memory.
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

// cutField splits "name: value"; one space after the colon is ignored.
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

// Append appends an event with one line of data to dst; name "" omits its name.
func Append(dst []byte, name string, data []byte) []byte {
	if name != "" {
		dst = append(append(append(dst, "event: "...), name...), '\n')
	}
	return append(append(append(dst, "data: "...), data...), "\n\n"...)
}

// Begins says whether text, the start of a body, begins with an event's field or a
// comment.
func Begins(text []byte) bool {
	text = bytes.TrimLeft(bytes.TrimPrefix(text, bom), "\r\n")
	for _, field := range [...]string{"data:", "event:", ":", "id:", "retry:"} {
		if bytes.HasPrefix(text, []byte(field)) {
			return true
		}
	}
	return false
}

// pieceSize is the initial buffer for an event that arrives in pieces.
const pieceSize = 4 << 10

// buffers are pooled as pointers to arrays: putting a slice would allocate.
var buffers = sync.Pool{New: func() any { return new([pieceSize]byte) }}

func getBuffer() []byte { return buffers.Get().(*[pieceSize]byte)[:] }

// putBuffer takes back a buffer of getBuffer, and drops any other.
func putBuffer(b []byte) {
	if cap(b) == pieceSize {
		buffers.Put((*[pieceSize]byte)(b[:pieceSize]))
	}
}
