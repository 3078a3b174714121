package upstream_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"weir"
	. "weir/upstream"
)

// serveRaw calls f for each connection and closes it when f returns.
func serveRaw(t *testing.T, f func(c net.Conn, in *bufio.Reader)) (url string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				f(c, bufio.NewReader(c))
			}()
		}
	}()
	return "http://" + l.Addr().String()
}

// takeRequest reads one request with its body.
func takeRequest(in *bufio.Reader) {
	if r, err := http.ReadRequest(in); err == nil {
		io.Copy(io.Discard, r.Body)
	}
}

func newClient(t *testing.T, o Options) *Client {
	t.Helper()
	if o.Dialect == nil {
		o.Dialect = OpenAI
	}
	c, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func chat(body string) *Call {
	return &Call{Op: weir.OpChat, Body: net.Buffers{[]byte(body)}}
}

// ask makes a call and reads its answer to the end.
func ask(ctx context.Context, c *Client, call *Call) (status int, body string, err error) {
	r, err := c.Do(ctx, "", call)
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

// fixedConn accepts all writes, returns its bytes in pieces and then ends.
type fixedConn struct {
	net.Conn
	in   *bytes.Reader
	step int
}

func (c *fixedConn) Read(p []byte) (int, error) {
	if len(p) > c.step {
		p = p[:c.step]
	}
	return c.in.Read(p)
}
func (c *fixedConn) Write(p []byte) (int, error)      { return len(p), nil }
func (c *fixedConn) Close() error                     { return nil }
func (c *fixedConn) SetReadDeadline(time.Time) error  { return nil }
func (c *fixedConn) SetWriteDeadline(time.Time) error { return nil }

// fixed is a client whose every connection returns the same bytes, step by step.
func fixed(in []byte, step int) *Client {
	c, err := New(Options{Dialect: OpenAI, BaseURL: "http://fixed"})
	if err != nil {
		panic(err)
	}
	c.DialBy(func(context.Context, string, string) (net.Conn, error) {
		return &fixedConn{in: bytes.NewReader(in), step: step}, nil
	})
	return c
}

// replyOf is the reply of an operation whose bytes arrive step by step.
func replyOf(op weir.Op, in []byte, step int) *Reply {
	r, err := fixed(in, step).Do(context.Background(), "", &Call{Op: op})
	if err != nil {
		panic(err)
	}
	return r
}

func TestStreamsReadTheSameOverEveryTransport(t *testing.T) {
	body, err := os.ReadFile("testdata/streams/chat-openai.sse")
	if err != nil {
		t.Fatal(err)
	}
	want, err := os.ReadFile("testdata/streams/chat-openai.txt")
	if err != nil {
		t.Fatal(err)
	}
	for _, two := range []bool{false, true} {
		s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			for rest := body; len(rest) > 0; {
				n := min(len(rest), 333)
				w.Write(rest[:n])
				w.(http.Flusher).Flush()
				rest = rest[n:]
			}
		}))
		s.Config.Protocols = new(http.Protocols)
		s.Config.Protocols.SetHTTP1(!two)
		s.Config.Protocols.SetUnencryptedHTTP2(two)
		s.Start()
		defer s.Close()
		call := chat("{}")
		call.Stream = true
		r, err := newClient(t, Options{BaseURL: s.URL, HTTP2: two}).Do(context.Background(), "", call)
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		got, raw, err := tell(r.Events())
		if got != string(want) || !bytes.Equal(raw, body) || err != nil {
			t.Errorf("HTTP/2 %v: %v, got:\n%s\nwant:\n%s", two, err, got, want)
		}
	}
}

func TestWhatCannotBeSentIsRefused(t *testing.T) {
	c := newClient(t, Options{Dialect: Anthropic, BaseURL: "http://127.0.0.1:1"})
	for _, call := range []*Call{
		{Op: weir.OpEmbeddings},
		{Op: weir.OpMessages, RequestID: "a\r\nb: c"},
		{Op: weir.OpMessages, Below: "/a b"},
		{Op: weir.OpMessages, Header: []Field{{Name: "a b", Value: "c"}}},
	} {
		if _, _, err := ask(context.Background(), c, call); kindOf(t, err) != KindCall {
			t.Errorf("%+v: %v", call, err)
		}
	}
}

func TestAnthropicCallsCarryAVersion(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, r.URL.Path+" "+strings.Join(r.Header.Values("Anthropic-Version"), ","))
	}))
	defer s.Close()
	c := newClient(t, Options{Dialect: Anthropic, BaseURL: s.URL})
	call := &Call{Op: weir.OpMessages}
	if _, body, _ := ask(context.Background(), c, call); body != "/v1/messages 2023-06-01" {
		t.Error(body)
	}
	call.Header = []Field{{Name: "Anthropic-Version", Value: "2026-01-01"}}
	if _, body, _ := ask(context.Background(), c, call); body != "/v1/messages 2026-01-01" {
		t.Error(body)
	}
}
