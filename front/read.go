package front

import (
	"io"
	"os"
	"sync"
	"syscall"
	"time"
)

// bufSize is the size of a read from a connection, and of what is gathered for a write.
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

// readBefore makes reads fail at t; zero: never.
func (c *Conn) readBefore(t time.Time) {
	if !c.readBy.Equal(t) {
		c.readBy = t
		c.tcp.SetReadDeadline(t)
	}
}

// fill reads at least one more byte. While it waits for a plain connection with nothing
// buffered, it holds no buffer.
func (c *Conn) fill() error {
	if c.r == c.w {
		if len(c.buf) > bufSize {
			c.drop()
		}
		c.r, c.w = 0, 0
		if c.nc == c.tcp {
			return c.fillWhenReady()
		}
	}
	if c.buf == nil {
		c.buf = getBuffer()
	}
	if c.w == len(c.buf) {
		c.makeRoom()
	}
	n, err := c.nc.Read(c.buf[c.w:])
	if c.w += n; n > 0 {
		return nil
	}
	if err == nil {
		err = io.ErrNoProgress
	}
	return err
}

// fillWhenReady reads into a pooled buffer once there are bytes to read.
func (c *Conn) fillWhenReady() error {
	c.tryN, c.tryErr = 0, nil
	if err := c.raw.Read(c.tryFn); err != nil {
		return err
	}
	c.w = c.tryN
	return c.tryErr
}

// try reads once. It returns false if there are no bytes yet.
func (c *Conn) try(fd uintptr) bool {
	if c.buf == nil {
		c.buf = getBuffer()
	}
	for {
		n, err := syscall.Read(int(fd), c.buf)
		switch {
		case err == syscall.EINTR:
			continue
		case err == syscall.EAGAIN:
			putBuffer(c.buf)
			c.buf = nil
			return false
		case err != nil:
			c.tryErr = os.NewSyscallError("read", err)
		case n == 0:
			c.tryErr = io.EOF
		}
		c.tryN = max(n, 0)
		return true
	}
}

// makeRoom moves the buffered bytes to the front, or doubles a full buffer. The bound of
// a head bounds its growth.
func (c *Conn) makeRoom() {
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

// drop gives the read buffer back.
func (c *Conn) drop() {
	putBuffer(c.buf)
	c.buf, c.r, c.w = nil, 0, 0
}
