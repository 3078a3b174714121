//go:build unix

package http1

import (
	"io"
	"syscall"
)

// canWaitEmpty: only the poller waits for a plain connection, without a buffer.
// Thousands of quiet streams hold none.
func (c *conn) canWaitEmpty() bool { return c.raw != nil && c.nc == c.tcp }

// fillWhenReady reads into a pooled buffer once there are bytes to read.
func (c *conn) fillWhenReady() error {
	c.tryN, c.tryErr = 0, nil
	if err := c.raw.Read(c.tryFn); err != nil && (c.last || !isTimeout(err) || !c.came()) {
		return err
	}
	if c.tryN > 0 {
		c.w = c.tryN
		return nil
	}
	return noProgress(c.tryErr)
}

// came reads bytes that are there although the deadline has passed. A process that was
// stopped for longer (a migrated machine, a debugger) finds its timers expired and the
// answer in the socket: that is not a stall.
func (c *conn) came() bool {
	err := c.raw.Control(func(fd uintptr) { c.try(fd) })
	return err == nil && (c.tryN > 0 || c.tryErr != nil)
}

// try reads once. It returns false if there are no bytes yet.
func (c *conn) try(fd uintptr) bool {
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
			c.tryErr = err
		case n == 0:
			c.tryErr = io.EOF
		default:
			c.tryN = n
		}
		return true
	}
}

// alive says whether an idle connection may take another request: it is open, and no
// bytes have arrived unasked. Such bytes would be read as the answer to the next
// request.
func (c *conn) alive() bool {
	if c.raw == nil {
		return true
	}
	c.quiet = false
	err := c.raw.Control(c.quietFn)
	return err == nil && c.quiet
}

func (c *conn) listen(fd uintptr) {
	var b [1]byte
	if c.nc == c.tcp {
		_, err := syscall.Read(int(fd), b[:])
		c.quiet = err == syscall.EAGAIN
		return
	}
	// TLS sends its own records between replies (session tickets): only the end of the
	// connection counts.
	n, _, err := syscall.Recvfrom(int(fd), b[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
	c.quiet = err == syscall.EAGAIN || err == nil && n > 0
}
