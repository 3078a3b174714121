package http1

import (
	"context"
	"errors"
	"io"
	"os"
	"time"
)

// Reply is the answer to a request: status, headers, and a body read as it arrives, by
// Read or Next. It belongs to one goroutine and must not be copied once filled. Close
// it.
type Reply struct {
	Status        int
	ContentLength int64 // -1: unknown

	head  head
	body  body
	h2    *http2Body // used instead of body
	ctx   context.Context
	stop  func() bool // stops watching ctx; false: ctx has ended
	limit time.Time
	stall time.Duration
	addr  string
	keep  bool  // the connection may be used again after the body
	sent  bool  // a byte of the request may have been sent
	began bool  // a byte of the reply arrived
	err   error // the end of the body: io.EOF or an *Error
}

// Header returns the first value of a header, ignoring case; "" if absent.
func (r *Reply) Header(name string) string { return r.head.get(name) }

// EachHeader calls f for every header in order.
func (r *Reply) EachHeader(f func(name, value string)) { r.head.each(f) }

// Read reads the body. io.EOF comes only at its true end: its length reached, its last
// chunk seen. (A body without length or chunks ends with its connection.) Every other
// error is an *Error.
func (r *Reply) Read(p []byte) (int, error) {
	if r.err != nil || len(p) == 0 {
		return 0, r.err
	}
	if r.h2 != nil {
		return r.h2.read(r, p)
	}
	if n := r.body.direct(len(p)); n >= bufSize {
		return r.readDirect(p[:n])
	}
	v, err := r.Next()
	if err != nil {
		return 0, err
	}
	n := copy(p, v)
	r.body.unread(len(v) - n)
	r.settle()
	return n, nil
}

// readDirect reads from the socket into p, which is no longer than the rest of the body
// or chunk.
func (r *Reply) readDirect(p []byte) (int, error) {
	c := r.body.c
	c.drop()
	c.readBefore(r.stall, r.limit)
	n, err := c.nc.Read(p)
	if n == 0 {
		return 0, r.end(r.early(noProgress(err)))
	}
	if r.body.how != byClose {
		r.body.left -= int64(n)
	}
	r.settle()
	return n, nil
}

// early decides what the end of the connection means for the body: its end, or a cut.
func (r *Reply) early(err error) error {
	if err == io.EOF && r.body.how != byClose {
		return io.ErrUnexpectedEOF
	}
	return err
}

// Next returns the next decoded bytes, at least one, without copying them. They are
// valid until the next call of Next, Read or Close. Its errors are those of Read.
func (r *Reply) Next() ([]byte, error) {
	if r.err != nil {
		return nil, r.err
	}
	if r.h2 != nil {
		return r.h2.next(r)
	}
	for {
		v, err := r.body.view()
		if len(v) > 0 {
			return v, nil
		}
		if err == nil {
			r.body.c.readBefore(r.stall, r.limit)
			if err = r.body.c.fill(); err == nil {
				continue
			}
			err = r.early(err)
		}
		return nil, r.end(err)
	}
}

// More is Next without waiting: it returns nothing if nothing is in memory.
func (r *Reply) More() []byte {
	if r.err != nil || r.h2 != nil {
		return nil
	}
	v, _ := r.body.view() // an error is repeated by Next
	return v
}

// Peek waits for the first bytes of a body and returns them without consuming them:
// Next or Read will begin with them. It returns nothing if none arrive (the next read
// has the error), and nothing over HTTP/2.
func (r *Reply) Peek() []byte {
	if r.h2 != nil {
		return nil
	}
	v, err := r.Next()
	if err != nil {
		return nil
	}
	r.body.unread(len(v))
	return v
}

// Refuse ends the reply because its bytes are invalid. It returns the error of every
// later Read: an *Error of KindProtocol with the reason.
func (r *Reply) Refuse(reason error) error { return r.end(&protocolError{reason.Error()}) }

// settle gives the connection back as soon as the body has been read to its end.
func (r *Reply) settle() {
	if r.body.how == byChunks && r.body.advance() != io.EOF {
		return
	}
	if r.body.finished() {
		r.end(io.EOF)
	}
}

// end records how the body ended and releases the connection.
func (r *Reply) end(err error) error {
	if r.err == nil {
		r.err = err
		if err != io.EOF {
			r.err = r.fault(err, KindStall)
		}
		r.release(err == io.EOF)
	}
	return r.err
}

// release stops watching the context and gives the connection back. A connection that
// the end of the context may be closing is not reused.
func (r *Reply) release(whole bool) {
	if r.body.c == nil {
		return
	}
	watched := r.stop == nil || r.stop()
	c := r.body.c
	r.body.c = nil
	c.host.put(c, whole && watched && r.keep && c.r == c.w)
}

// Close ends the reply. The connection is kept if the body was read to its end;
// otherwise it is closed, which stops the upstream. It may be called more than once.
func (r *Reply) Close() error {
	if r.h2 != nil {
		r.h2.close()
	}
	if r.err == nil {
		if r.body.c != nil {
			r.settle()
		}
		if r.err == nil {
			r.err = &Error{Kind: KindCut, Addr: r.addr, Sent: true, Err: errClosedReply}
		}
	}
	r.release(false)
	return nil
}

var errClosedReply = errors.New("the reply was closed")

// abandon turns a failure before the header into the error of Do.
func (r *Reply) abandon(err error) error {
	reused := r.body.c.reused
	f := r.fault(err, KindHeaderTimeout)
	r.release(false)
	if reused && !r.began && f.Kind == KindCut {
		return &staleError{sent: r.sent, err: f}
	}
	return f
}

// fault translates an error of the connection. late is the kind of a timeout before the
// total limit.
func (r *Reply) fault(err error, late ErrorKind) *Error {
	f := &Error{Kind: KindCut, Addr: r.addr, Sent: r.sent, Err: err}
	var known *Error
	var protocol *protocolError
	switch {
	case r.ctx.Err() != nil:
		f.Kind, f.Err = KindCanceled, r.ctx.Err()
	case errors.As(err, &known):
		return known
	case errors.As(err, &protocol):
		f.Kind = KindProtocol
	case !isTimeout(err):
	case !time.Now().Before(r.limit):
		f.Kind = KindTotal
	default:
		f.Kind = late
	}
	return f
}

// readHead reads status line and headers, and skips 1xx replies.
func (r *Reply) readHead(by time.Time) error {
	c := r.body.c
	for range maxInterim {
		n, err := r.awaitHead(by)
		if err != nil {
			return err
		}
		f, err := r.head.parse(c.buf[c.r : c.r+n])
		if err != nil {
			return err
		}
		c.r += n
		if f.status == 101 {
			return faultf("the upstream switches protocols (101), which was not asked for")
		}
		if f.status >= 200 {
			r.begin(f)
			return nil
		}
	}
	return faultf("more than %d interim (1xx) replies", maxInterim)
}

// awaitHead reads until a whole head is buffered and returns its length.
func (r *Reply) awaitHead(by time.Time) (int, error) {
	c := r.body.c
	var scan headScan
	for {
		if c.r < c.w {
			r.began = true
			n, err := scan.end(c.buf[c.r:c.w])
			if n > 0 || err != nil {
				return n, err
			}
		}
		left := time.Until(by)
		if left <= 0 {
			return 0, os.ErrDeadlineExceeded
		}
		c.readBefore(left, r.limit)
		if err := c.fill(); err != nil {
			if err == io.EOF {
				err = errNoReply
			}
			return 0, err
		}
	}
}

var errNoReply = errors.New("the connection ended before the reply's header did")

// begin sets up the body after a head.
func (r *Reply) begin(f framing) {
	r.Status, r.ContentLength = f.status, f.length
	r.keep = f.keepAlive
	switch {
	case f.bodyless:
		r.ContentLength = 0
	case f.chunked:
		r.body.how = byChunks
		return
	case f.length < 0:
		r.body.how, r.keep = byClose, false
		return
	}
	r.body.left = r.ContentLength
	r.settle()
}
