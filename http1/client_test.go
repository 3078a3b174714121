package http1

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// echo answers with the request, with a known length or chunked.
func echo(w http.ResponseWriter, r *http.Request) {
	b, _ := io.ReadAll(r.Body)
	w.Header().Set("X-Asked", r.Method+" "+r.URL.String()+" "+r.Proto)
	w.Header().Set("X-Key", r.Header.Get("Api-Key"))
	if r.Header.Get("X-Chunked") != "" {
		for len(b) > 0 {
			n := min(len(b), 1000)
			w.Write(b[:n])
			w.(http.Flusher).Flush()
			b = b[n:]
		}
		return
	}
	w.Header().Set("Content-Length", fmt.Sprint(len(b)))
	w.Write(b)
}

func segments(b []byte, size int) (out net.Buffers) {
	for len(b) > 0 {
		n := min(len(b), size)
		out = append(out, b[:n])
		b = b[n:]
	}
	return out
}

// reached is a server and a way to reach it.
type reached struct {
	base string
	o    Options
}

// everyTransport serves a handler in every way a client can reach it.
func everyTransport(t *testing.T, h http.HandlerFunc) map[string]reached {
	plain := httptest.NewServer(h)
	t.Cleanup(plain.Close)
	secured := httptest.NewTLSServer(h)
	t.Cleanup(secured.Close)
	h2 := httptest.NewUnstartedServer(h)
	h2.EnableHTTP2 = true
	h2.StartTLS()
	t.Cleanup(h2.Close)
	h2c := httptest.NewUnstartedServer(h)
	h2c.Config.Protocols = new(http.Protocols)
	h2c.Config.Protocols.SetUnencryptedHTTP2(true)
	h2c.Start()
	t.Cleanup(h2c.Close)
	return map[string]reached{
		"HTTP/1.1":          {plain.URL, Options{}},
		"HTTP/1.1 TLS":      {secured.URL, Options{TLS: trusting(secured)}},
		"HTTP/2.0":          {h2.URL, Options{TLS: trusting(h2), HTTP2: true}},
		"HTTP/2.0 in clear": {h2c.URL, Options{HTTP2: true}},
	}
}

func TestBodiesOfEverySizeComeBackByteForByte(t *testing.T) {
	for name, o := range everyTransport(t, echo) {
		t.Run(name, func(t *testing.T) {
			o.o.Credential = func(context.Context) (string, string, error) { return "api-key", "secret", nil }
			c := newClient(t, o.base, o.o)
			for _, size := range []int{0, 1, 100, 4095, 4096, 50_000, 3_000_000} {
				for _, chunked := range []string{"", "yes"} {
					testEcho(t, c, strings.Fields(name)[0], size, chunked)
				}
			}
		})
	}
}

func testEcho(t *testing.T, c *at, proto string, size int, chunked string) {
	body := bytes.Repeat([]byte("0123456789abcdef-"), size/17+1)[:size]
	before := bytes.Clone(body)
	call := &Request{Path: "/chat/completions", Body: segments(body, 997), Own: [5]Field{2: {"X-Request-Id", "r1"}}}
	parts := len(call.Body)
	if chunked != "" {
		call.Header = []Field{{"X-Chunked", chunked}}
	}
	r, err := c.do(context.Background(), call)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	got, err := io.ReadAll(r)
	if err != nil || !bytes.Equal(got, before) || !bytes.Equal(body, before) || len(call.Body) != parts {
		t.Fatalf("%d bytes (chunked %q): %d bytes came back, error %v", size, chunked, len(got), err)
	}
	if want := "POST /chat/completions " + proto; r.Status != 200 || r.Header("x-ASKED") != want || r.Header("X-Key") != "secret" {
		t.Fatalf("status %d, asked %q, key %q: want 200, %q, secret", r.Status, r.Header("X-Asked"), r.Header("X-Key"), want)
	}
	if chunked == "" && r.ContentLength != int64(size) {
		t.Fatalf("ContentLength %d, want %d", r.ContentLength, size)
	}
}

func trusting(s *httptest.Server) *tls.Config {
	pool := x509.NewCertPool()
	pool.AddCert(s.Certificate())
	return &tls.Config{RootCAs: pool}
}

func TestAnUntrustedCertificateIsATLSFault(t *testing.T) {
	s := httptest.NewUnstartedServer(http.HandlerFunc(echo))
	s.EnableHTTP2 = true
	s.Config.ErrorLog = silent
	s.StartTLS()
	defer s.Close()
	for _, two := range []bool{false, true} {
		c := newClient(t, s.URL, Options{HTTP2: two})
		_, _, err := ask(context.Background(), c, post("{}"))
		var e *Error
		if !errors.As(err, &e) || e.Kind != KindTLS || e.Sent {
			t.Errorf("HTTP2 %v: %v, want a TLS fault with nothing sent", two, err)
		}
	}
}

func TestConnectionsAreUsedAgain(t *testing.T) {
	s := serveRaw(t, func(n int, c net.Conn, in *bufio.Reader) {
		for {
			if _, err := takeRequest(in); err != nil {
				return
			}
			io.WriteString(c, lines("HTTP/1.1 200 OK|Transfer-Encoding: chunked||3|abc|0||"))
		}
	})
	c := newClient(t, s.url, Options{})
	for range 20 {
		if _, body, err := ask(context.Background(), c, post("{}")); body != "abc" || err != nil {
			t.Fatal(body, err)
		}
	}
	if n := s.accepted.Load(); n != 1 {
		t.Errorf("20 calls one after the other took %d connections, want 1", n)
	}
}

// TestTLSConnectionsAreUsedAgain: TLS records sent after a handshake (session tickets)
// are not taken for an unasked answer.
func TestTLSConnectionsAreUsedAgain(t *testing.T) {
	var connections atomic.Int32
	s := httptest.NewUnstartedServer(http.HandlerFunc(echo))
	s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			connections.Add(1)
		}
	}
	s.StartTLS()
	defer s.Close()
	c := newClient(t, s.URL, Options{TLS: trusting(s)})
	for range 10 {
		if _, body, err := ask(context.Background(), c, post("hello")); body != "hello" || err != nil {
			t.Fatal(body, err)
		}
	}
	if n := connections.Load(); n != 1 {
		t.Errorf("10 calls one after the other took %d connections, want 1", n)
	}
}

func TestAReplyThatWasNotReadToItsEndEndsItsConnection(t *testing.T) {
	closed := make(chan struct{}, 1)
	s := serveRaw(t, func(n int, c net.Conn, in *bufio.Reader) {
		takeRequest(in)
		io.WriteString(c, lines("HTTP/1.1 200 OK|Content-Length: 100||abc"))
		untilClosed(in)
		closed <- struct{}{}
	})
	c := newClient(t, s.url, Options{})
	r, err := c.do(context.Background(), post("{}"))
	if err != nil {
		t.Fatal(err)
	}
	r.Close()
	r.Close()
	<-closed
	if _, err := r.Read(make([]byte, 1)); kindOf(t, err) != KindCut {
		t.Errorf("Read after Close: %v", err)
	}
}

func TestAConnectionClosedWhileIdleIsReplacedUnseen(t *testing.T) {
	const answer = "HTTP/1.1 200 OK|Content-Length: 2||ok"
	for name, late := range map[string]bool{"closed before the next call": false, "closed as the next call comes": true} {
		t.Run(name, func(t *testing.T) {
			s := serveRaw(t, func(n int, c net.Conn, in *bufio.Reader) {
				takeRequest(in)
				io.WriteString(c, lines(answer))
				if late {
					in.ReadByte() // the next request is arriving
				}
			})
			c := newClient(t, s.url, Options{})
			for range 10 {
				if _, body, err := ask(context.Background(), c, post("{}")); body != "ok" || err != nil {
					t.Fatal(body, err)
				}
			}
		})
	}
}

func TestAConnectionThatEndsAfterTheReplyBeganIsNotRetried(t *testing.T) {
	s := serveRaw(t, func(n int, c net.Conn, in *bufio.Reader) {
		takeRequest(in)
		io.WriteString(c, lines("HTTP/1.1 200 OK|Content-Length: 2||ok"))
		takeRequest(in)
		io.WriteString(c, "HTTP/1.1 2")
	})
	c := newClient(t, s.url, Options{})
	if _, _, err := ask(context.Background(), c, post("{}")); err != nil {
		t.Fatal(err)
	}
	_, _, err := ask(context.Background(), c, post("{}"))
	if kindOf(t, err) != KindCut || s.accepted.Load() != 1 {
		t.Errorf("%v after %d connections: want one cut, no second try", err, s.accepted.Load())
	}
}

func TestBytesNobodyAskedForEndAnIdleConnection(t *testing.T) {
	sent := make(chan struct{})
	s := serveRaw(t, func(n int, c net.Conn, in *bufio.Reader) {
		takeRequest(in)
		io.WriteString(c, lines("HTTP/1.1 200 OK|Content-Length: 5||first"))
		if n == 1 {
			<-sent // the client has its reply: this one answers nothing
			io.WriteString(c, lines("HTTP/1.1 200 OK|Content-Length: 4||evil"))
			sent <- struct{}{}
		}
		untilClosed(in)
	})
	c := newClient(t, s.url, Options{})
	for i := range 2 {
		if _, body, err := ask(context.Background(), c, post("{}")); body != "first" || err != nil {
			t.Fatalf("call %d: %q, %v", i, body, err)
		}
		if i == 0 {
			sent <- struct{}{}
			<-sent
		}
	}
	if n := s.accepted.Load(); n != 2 {
		t.Errorf("%d connections, want 2", n)
	}
}

func TestMaxConnsBoundsWhatIsOpenAndOthersWaitTheirTurn(t *testing.T) {
	var mu sync.Mutex
	open, most := 0, 0
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		open++
		most = max(most, open)
		mu.Unlock()
		io.Copy(w, r.Body)
		mu.Lock()
		open--
		mu.Unlock()
	}))
	defer s.Close()
	c := newClient(t, s.URL, Options{MaxConns: 3})
	var calls sync.WaitGroup
	for range 50 {
		calls.Go(func() {
			if _, body, err := ask(context.Background(), c, post("hello")); body != "hello" || err != nil {
				t.Error(body, err)
			}
		})
	}
	calls.Wait()
	if most > 3 {
		t.Errorf("%d calls at once, want 3 at most", most)
	}
}

func TestAWaitForAConnectionIsBoundedAndEndsWithItsContext(t *testing.T) {
	full := func(o Options) (*at, *host) {
		o.MaxConns = 1
		c := newClient(t, "http://127.0.0.1:1", o)
		h, err := c.host(c.base)
		if err != nil {
			t.Fatal(err)
		}
		h.open = 1
		return c, h
	}
	c, h := full(Options{ConnectTimeout: 20 * time.Millisecond})
	_, _, err := ask(context.Background(), c, post("{}"))
	if kindOf(t, err) != KindConnect || !strings.Contains(err.Error(), "MaxConns") || len(h.waiting) != 0 {
		t.Errorf("%v: want a connect fault that names MaxConns, and nobody left waiting", err)
	}
	c, h = full(Options{ConnectTimeout: time.Hour})
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		for waits := 0; waits == 0; runtime.Gosched() {
			h.mu.Lock()
			waits = len(h.waiting)
			h.mu.Unlock()
		}
		cancel()
	}()
	if _, _, err := ask(ctx, c, post("{}")); kindOf(t, err) != KindCanceled || len(h.waiting) != 0 {
		t.Errorf("%v: want canceled, and nobody left waiting", err)
	}
}

func TestARefusedConnectionSentNothing(t *testing.T) {
	l, _ := net.Listen("tcp", "127.0.0.1:0")
	addr := "http://" + l.Addr().String()
	l.Close()
	for _, two := range []bool{false, true} {
		_, _, err := ask(context.Background(), newClient(t, addr, Options{HTTP2: two}), post("{}"))
		var e *Error
		if !errors.As(err, &e) || e.Kind != KindConnect || e.Sent {
			t.Errorf("HTTP2 %v: %v", two, err)
		}
	}
}

func TestWhatCannotBeSentIsRefused(t *testing.T) {
	c := newClient(t, "http://127.0.0.1:1", Options{})
	for _, q := range []*Request{
		{Path: "/a b"}, {Path: "/a", Query: "x=\n"}, {Method: "GET /\r"},
		{Path: "/a", Own: [5]Field{2: {"X-Request-Id", "a\r\nb: c"}}},
		{Path: "/a", Header: []Field{{"a b", "c"}}},
		{Path: "/a", Header: []Field{{"a", "c\n"}}},
	} {
		if _, _, err := ask(context.Background(), c, q); kindOf(t, err) != KindCall {
			t.Errorf("%+v: %v", q, err)
		}
	}
	c.Close()
	if _, _, err := ask(context.Background(), c, post("{}")); kindOf(t, err) != KindConnect {
		t.Errorf("after Close: %v", err)
	}
}

// Faults of a base URL are reported before anything is sent.
func TestBaseURLsAreChecked(t *testing.T) {
	f := func(base, want string) {
		t.Helper()
		_, _, err := ask(context.Background(), newClient(t, base, Options{}), post("{}"))
		if kindOf(t, err) != KindCall || !strings.Contains(err.Error(), want) || CheckBase(base) == nil {
			t.Errorf("%v: want %s", err, want)
		}
	}
	f("ftp://x", "want http:// or https://")
	f("http://user:pw@x", "without user")
	f("http://x/?a=b", "query")
	f("http:///x", "no host")
	f("http://x/%zz", "base URL")
}

func TestACredentialThatFailsAsksNobody(t *testing.T) {
	broken := errors.New("no identity here")
	c := newClient(t, "http://127.0.0.1:1", Options{Credential: func(context.Context) (string, string, error) { return "", "", broken }})
	if _, _, err := ask(context.Background(), c, post("{}")); kindOf(t, err) != KindCredential || !errors.Is(err, broken) {
		t.Error(err)
	}
}
