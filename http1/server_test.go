package http1

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// rawServer answers on its own listener with whatever bytes a test sends.
type rawServer struct {
	url      string
	accepted atomic.Int32
}

// serveRaw calls f for each connection, with its number from 1, and closes it
// when f returns.
func serveRaw(t *testing.T, f func(n int, c net.Conn, in *bufio.Reader)) *rawServer {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &rawServer{url: "http://" + l.Addr().String()}
	var open sync.WaitGroup
	open.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			n := int(s.accepted.Add(1))
			open.Go(func() {
				defer c.Close()
				f(n, c, bufio.NewReader(c))
			})
		}
	})
	t.Cleanup(func() { l.Close(); open.Wait() })
	return s
}

// takeRequest reads one request with its body.
func takeRequest(in *bufio.Reader) (*http.Request, error) {
	r, err := http.ReadRequest(in)
	if err != nil {
		return nil, err
	}
	_, err = io.Copy(io.Discard, r.Body)
	return r, err
}

// untilClosed blocks until the peer has closed the connection.
func untilClosed(in *bufio.Reader) { io.Copy(io.Discard, in) }

// at is a client and the server that a test calls.
type at struct {
	*Client
	base string
}

func newClient(t *testing.T, base string, o Options) *at {
	t.Helper()
	if err := o.Validate(); err != nil {
		t.Fatal(err)
	}
	c := New(o)
	t.Cleanup(c.Close)
	return &at{c, base}
}

func (c *at) do(ctx context.Context, q *Request) (*Reply, error) {
	r := &Reply{}
	if err := c.Do(ctx, c.base, q, r); err != nil {
		return nil, err
	}
	return r, nil
}

func post(body string) *Request {
	return &Request{Path: "/chat/completions", Body: net.Buffers{[]byte(body)}}
}

// ask sends a request and reads its answer to the end.
func ask(ctx context.Context, c *at, q *Request) (status int, body string, err error) {
	r, err := c.do(ctx, q)
	if err != nil {
		return 0, "", err
	}
	defer r.Close()
	b, err := io.ReadAll(r)
	return r.Status, string(b), err
}

func kindOf(t *testing.T, err error) ErrorKind {
	t.Helper()
	var e *Error
	if !errors.As(err, &e) {
		t.Fatalf("error %v (%T): want an *Error", err, err)
	}
	return e.Kind
}

// lines joins HTTP lines: "|" stands for CRLF.
func lines(s string) string { return strings.ReplaceAll(s, "|", "\r\n") }
