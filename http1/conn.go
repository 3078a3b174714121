package http1

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"time"
)

// bufSize is the size of a read from a connection. A buffer is held only while it has
// bytes.
const bufSize = 4 << 10

// buffers are pooled as pointers to arrays: putting a slice would allocate.
var buffers = sync.Pool{New: func() any { return new([bufSize]byte) }}

func getBuffer() []byte { return buffers.Get().(*[bufSize]byte)[:] }

// putBuffer takes back a buffer of getBuffer, and drops any other.
func putBuffer(b []byte) {
	if cap(b) == bufSize {
		buffers.Put((*[bufSize]byte)(b[:bufSize]))
	}
}

// conn is one connection. It belongs to one call at a time; only cut may be called from
// other goroutines.
type conn struct {
	host   *host
	tcp    net.Conn
	nc     net.Conn // tcp, or TLS over it
	raw    syscall.RawConn
	reused bool
	since  time.Time // start of the idle time

	buf  []byte // nil while empty
	r, w int    // read but not consumed: buf[r:w]

	readBy  time.Time // current read deadline
	last    bool      // readBy is the total limit
	writeBy time.Time
	cut     func() // closes the socket at once

	vec  net.Buffers // scratch memory of one request
	room [8][]byte

	// Functions for conn_unix.go, bound once: a closure for each read would be garbage for
	// each event.
	tryFn   func(fd uintptr) bool
	tryN    int
	tryErr  error
	quietFn func(fd uintptr)
	quiet   bool
}

func newConn(h *host, tcp net.Conn) *conn {
	c := &conn{host: h, tcp: tcp, nc: tcp}
	c.cut = func() { tcp.Close() }
	if sc, ok := tcp.(syscall.Conn); ok {
		c.raw, _ = sc.SyscallConn()
	}
	c.tryFn, c.quietFn = c.try, c.listen
	return c
}

func (c *conn) secure(t *tls.Conn) { c.nc = t }

// shut closes without a TLS close_notify: it could block on a peer that does not read,
// and says no more than the end of the connection.
func (c *conn) shut() {
	c.tcp.Close()
	c.drop()
}

// rest prepares c for the idle stack.
func (c *conn) rest() {
	c.since = time.Now()
	c.drop()
}

func (c *conn) drop() {
	putBuffer(c.buf)
	c.buf, c.r, c.w = nil, 0, 0
}

// fill reads at least one more byte from the connection. While waiting for a plain
// connection it holds no buffer. There must be room: the buffer is empty, or grow or
// compact made room.
func (c *conn) fill() error {
	if c.r == c.w {
		c.r, c.w = 0, 0
		if len(c.buf) > bufSize {
			c.drop()
		}
		if c.canWaitEmpty() {
			return c.fillWhenReady()
		}
	}
	if c.buf == nil {
		c.buf = getBuffer()
	}
	if c.w == len(c.buf) {
		c.compact()
	}
	n, err := c.nc.Read(c.buf[c.w:])
	c.w += n
	if n > 0 {
		return nil
	}
	return noProgress(err)
}

// compact moves the buffered bytes to the front, or doubles a full buffer. The parsers
// bound its growth.
func (c *conn) compact() {
	if c.r > 0 {
		c.w = copy(c.buf, c.buf[c.r:c.w])
		c.r = 0
		return
	}
	larger := make([]byte, 2*len(c.buf))
	copy(larger, c.buf[:c.w])
	putBuffer(c.buf)
	c.buf = larger
}

func noProgress(err error) error {
	if err == nil {
		return io.ErrNoProgress
	}
	return err
}

// readBefore makes reads fail at limit at the latest, but not before within has passed;
// writeBefore does the same for writes. The deadline is moved only when necessary.
func (c *conn) readBefore(within time.Duration, limit time.Time) {
	if by, move := deadline(time.Now(), c.readBy, within, limit); move {
		c.readBy = by
		c.tcp.SetReadDeadline(by)
	}
	c.last = !c.readBy.Before(limit)
}

func (c *conn) writeBefore(within time.Duration, limit time.Time) {
	if by, move := deadline(time.Now(), c.writeBy, within, limit); move {
		c.writeBy = by
		c.tcp.SetWriteDeadline(by)
	}
}

// deadline returns the deadline to use and whether it must be moved. set is the
// current one. The new one is limit if that comes within the given time; else it is at
// least within after now, at most an eighth more, and never after limit.
func deadline(now, set time.Time, within time.Duration, limit time.Time) (by time.Time, move bool) {
	if limit.Sub(now) <= within {
		return limit, !set.Equal(limit)
	}
	slack := within / 8
	if left := set.Sub(now); left >= within && left <= within+slack && !set.After(limit) {
		return set, false
	}
	by = now.Add(within + slack)
	if by.After(limit) {
		by = limit
	}
	return by, true
}

func isTimeout(err error) bool { return errors.Is(err, os.ErrDeadlineExceeded) }
