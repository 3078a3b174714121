package http1

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
)

// Bytes returned by Peek are then read by Next or Read.
func TestWhatWasPeekedAtIsStillRead(t *testing.T) {
	s := serveRaw(t, func(n int, c net.Conn, in *bufio.Reader) {
		for range 3 {
			takeRequest(in)
			io.WriteString(c, lines("HTTP/1.1 200 OK|Transfer-Encoding: chunked||3|abc|2|de|0||"))
		}
	})
	c := newClient(t, s.url, Options{})
	for _, next := range []bool{true, false} {
		r, err := c.do(context.Background(), post("{}"))
		if err != nil {
			t.Fatal(err)
		}
		if got := string(r.Peek()); got != "abc" {
			t.Errorf("peeked at %q", got)
		}
		var body []byte
		for next && err == nil {
			var b []byte
			b, err = r.Next()
			body = append(body, b...)
		}
		if !next {
			body, err = io.ReadAll(r)
		}
		if string(body) != "abcde" || next && err != io.EOF || !next && err != nil {
			t.Errorf("next %v: %q, %v", next, body, err)
		}
		r.Close()
	}
	if n := s.accepted.Load(); n != 1 {
		t.Errorf("%d connections, want 1", n)
	}
}

// A refused reply returns that error from then on, and its connection is not reused.
func TestARefusedReplyIsOver(t *testing.T) {
	s := serveRaw(t, func(n int, c net.Conn, in *bufio.Reader) {
		takeRequest(in)
		io.WriteString(c, lines("HTTP/1.1 200 OK|Content-Length: 5||abcde"))
		untilClosed(in)
	})
	c := newClient(t, s.url, Options{})
	r, err := c.do(context.Background(), post("{}"))
	if err != nil {
		t.Fatal(err)
	}
	err = r.Refuse(errors.New("not what was asked for"))
	if _, again := r.Next(); kindOf(t, err) != KindProtocol || again != err {
		t.Errorf("%v, then %v", err, again)
	}
	r.Close()
	if _, _, err := ask(context.Background(), c, post("{}")); err != nil || s.accepted.Load() != 2 {
		t.Errorf("%v, %d connections; want a second one", err, s.accepted.Load())
	}
}

func TestATargetIsPrefixPathAndQuery(t *testing.T) {
	asked := ""
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { asked = r.Method + " " + r.RequestURI }))
	defer s.Close()
	f := func(base string, prefix func(string) string, q Request, want string) {
		t.Helper()
		if _, _, err := ask(context.Background(), newClient(t, s.URL+base, Options{Prefix: prefix}), &q); err != nil || asked != want {
			t.Errorf("%s, want %s (%v)", asked, want, err)
		}
	}
	f("", nil, Request{Path: "/a"}, "POST /a")
	f("/b%20c/", nil, Request{Path: "/a", Query: "x=1", Method: "GET"}, "GET /b%20c/a?x=1")
	f("/b", func(p string) string { return p + "/v1" }, Request{Path: "/a"}, "POST /b/v1/a")
}
