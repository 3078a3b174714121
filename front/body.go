package front

import (
	"bytes"
	"io"
	"strconv"
	"time"
)

// body reads the body of a request.
type body struct {
	left     int64 // of it, or of the chunk
	chunked  bool
	state    chunkState
	ext      int  // bytes of extensions so far
	trailers int  // bytes of trailers so far
	over     bool // it was read to its end
	expected bool // the caller waits for 100 Continue before it sends it
	fault    error
}

type chunkState uint8

const (
	beforeSize  chunkState = iota
	inChunk                // left bytes remain
	behindChunk            // before the line end after it
	inTrailer
)

// Bounds of what is not data in a chunked body. None is wider than net/http's.
const (
	maxExtensions = 16 << 10 // of all chunks together
	maxTrailers   = 4 << 10  // with the ends of their lines and the one behind them
	maxChunkLine  = 4<<10 - 2
	maxDigits     = 16 // of a chunk's size, leading zeros too
)

// ReadBefore makes reads of the body fail at t with os.ErrDeadlineExceeded.
func (c *Conn) ReadBefore(t time.Time) { c.readBefore(t) }

// Arrived says whether the rest of the body is in memory: reading it waits for nothing.
func (c *Conn) Arrived() bool {
	return c.body.over || !c.body.chunked && int64(c.w-c.r) >= c.body.left
}

// Read reads the body. io.EOF comes only at its true end, io.ErrUnexpectedEOF at a cut;
// a *Fault says why its chunks make no sense. After any error the connection serves no
// further request.
func (c *Conn) Read(p []byte) (int, error) {
	b := &c.body
	switch {
	case b.fault != nil:
		return 0, b.fault
	case b.over:
		return 0, io.EOF
	case len(p) == 0:
		return 0, nil
	case b.expected:
		b.expected = false
		c.WriteWithin(time.Now(), c.server.o.HeaderTimeout) // the deadline of an earlier answer may have passed
		if _, err := c.nc.Write([]byte("HTTP/1.1 100 Continue\r\n\r\n")); err != nil {
			return 0, c.broken(err)
		}
	}
	if b.chunked {
		if err := c.toChunk(); err != nil {
			return 0, c.broken(err)
		}
		if b.over {
			return 0, io.EOF
		}
	}
	n, err := c.readPlain(p[:min(int64(len(p)), b.left)])
	if err != nil {
		return 0, c.broken(err)
	}
	if b.left -= int64(n); b.left == 0 {
		if b.chunked {
			b.state = behindChunk
		} else {
			c.bodyOver()
		}
	}
	return n, nil
}

// readPlain reads at least one byte of what is not framing: from memory, or from the
// connection straight to p if it is large.
func (c *Conn) readPlain(p []byte) (int, error) {
	if c.r == c.w && len(p) >= bufSize {
		c.drop()
		n, err := c.nc.Read(p)
		if n > 0 {
			err = nil
		}
		return n, err
	}
	if c.r == c.w {
		if err := c.fill(); err != nil {
			return 0, err
		}
	}
	n := copy(p, c.buf[c.r:c.w])
	c.r += n
	return n, nil
}

// bodyOver ends the body. An empty buffer is given back for as long as the answer takes.
func (c *Conn) bodyOver() {
	c.body.over = true
	if c.r == c.w {
		c.drop()
	}
}

// broken keeps the error of a body that cannot be read on.
func (c *Conn) broken(err error) error {
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	c.body.fault, c.Close = err, true
	return err
}

// toChunk reads up to the data of a chunk, or to the end of the body.
func (c *Conn) toChunk() error {
	b := &c.body
	for b.state != inChunk && !b.over {
		line, err := c.bodyLine()
		if err != nil {
			return err
		}
		switch b.state {
		case beforeSize:
			err = b.size(line)
		case behindChunk:
			if len(line) > 0 {
				err = misframed("a chunk is longer than its stated size")
			}
			b.state = beforeSize
		case inTrailer:
			if len(line) == 0 {
				c.bodyOver()
				break
			}
			_, err = parseField(line)
			b.trailers += len(line) + len("\r\n")
		}
		if err == nil && (b.ext > maxExtensions || b.trailers > maxTrailers-len("\r\n")) {
			err = misframed("its chunk extensions or trailers are too long")
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// size reads the line before a chunk.
func (b *body) size(line []byte) error {
	digits, ext, _ := bytes.Cut(line, []byte{';'})
	n, err := strconv.ParseUint(string(digits), 16, 62)
	if err != nil || len(digits) > maxDigits {
		return misframed("the size of a chunk is not a number of at most 16 digits")
	}
	if !isFieldText(string(ext)) {
		return misframed("a chunk's extension has control characters")
	}
	b.ext += len(line) - len(digits)
	b.left, b.state = int64(n), inChunk
	if n == 0 {
		b.state = inTrailer
	}
	return nil
}

// bodyLine returns a line of a chunked body's framing, without its end.
func (c *Conn) bodyLine() ([]byte, error) {
	for {
		in := c.buf[c.r:c.w]
		n := bytes.IndexByte(in, '\n')
		switch {
		case n > maxChunkLine, n < 0 && len(in) > maxChunkLine:
			return nil, misframed("a line between chunks is too long")
		case n >= 0:
			if n == 0 || bytes.IndexByte(in, '\r') != n-1 {
				return nil, misframed("a line does not end with CR LF")
			}
			c.r += n + 1
			return in[:n-1], nil
		case c.body.state == behindChunk && len(in) > 0 && in[0] != '\r':
			return nil, misframed("a chunk is longer than its stated size")
		}
		if err := c.fill(); err != nil {
			return nil, err
		}
	}
}

// Drain says how much of the body may be read and dropped behind the answer, and for how
// long, before the connection is closed instead: a caller that still sends seldom reads
// an answer.
func (c *Conn) Drain(most int64, within time.Duration) {
	c.answer.drain, c.answer.drainFor = most, within
}

// drained reads the rest of the body, and says whether its end was reached.
func (c *Conn) drained() bool {
	b := &c.body
	if b.over {
		return true
	}
	if b.fault != nil || b.expected {
		return false
	}
	most := max(c.answer.drain, maxLinger)
	if !b.chunked && b.left > most {
		return false
	}
	if !c.Arrived() {
		c.readBefore(time.Now().Add(max(c.answer.drainFor, lingering)))
	}
	into := getBuffer()
	defer putBuffer(into)
	for read := int64(0); read <= most; {
		n, err := c.Read(into)
		if err != nil {
			return err == io.EOF
		}
		read += int64(n)
	}
	return false
}
