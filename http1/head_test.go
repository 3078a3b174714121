package http1

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// fixedConn returns its bytes in pieces and then ends.
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
func (c *fixedConn) Close() error                     { return nil }
func (c *fixedConn) SetReadDeadline(time.Time) error  { return nil }
func (c *fixedConn) SetWriteDeadline(time.Time) error { return nil }

// readReply reads one reply from bytes that arrive step by step.
func readReply(in []byte, step int) (r *Reply, body []byte, err error) {
	return readReplyIn(in, step, 512)
}

// readReplyIn reads the body with reads of the given size.
func readReplyIn(in []byte, step, size int) (r *Reply, body []byte, err error) {
	cl := &Client{}
	h := &host{client: cl, open: 1}
	far := time.Now().Add(time.Hour)
	r = &Reply{ctx: context.Background(), limit: far, stall: time.Hour}
	r.body.c = newConn(h, &fixedConn{in: bytes.NewReader(in), step: step})
	if err := r.readHead(far); err != nil {
		return r, nil, err
	}
	defer cl.sweeper.end()
	buf := make([]byte, size)
	for {
		n, err := r.Read(buf)
		body = append(body, buf[:n]...)
		if err == io.EOF {
			return r, body, nil
		}
		if err != nil {
			return r, body, err
		}
	}
}

// FuzzReplies compares the parser with net/http: a reply accepted here is accepted
// there, with the same status, headers and body. The steps in which bytes arrive do not
// matter.
func FuzzReplies(f *testing.F) {
	for _, seed := range []string{
		"HTTP/1.1 200 OK|Content-Length: 3||abc",
		"HTTP/1.1 200 OK|Transfer-Encoding: chunked|A: b||3;x=y|abc|0|T: v||",
		"HTTP/1.1 200 OK|Content-Length: 3|Transfer-Encoding: chunked||3|abc|0||",
		"HTTP/1.1 100 Continue||HTTP/1.1 404 Not Found|Content-Length: 0||",
		"HTTP/1.0 200 OK||until the end", "HTTP/1.1 204 No Content||", "HTTP/1.1 304 X|Content-Length: 7||",
		"HTTP/1.1 200 OK|A : b||", "HTTP/1.1 200 OK|A: b| c||", "HTTP/1.1 200 OK\nA: b\n\n", "HTTP/1.1 200||",
		"HTTP/1.1 200 OK|Content-Length: 3|Content-Length: 3||abc", "HTTP/1.1 200 OK|Connection: close, x||abc",
	} {
		f.Add([]byte(lines(seed)), uint8(7))
	}
	f.Fuzz(func(t *testing.T, in []byte, step uint8) {
		ours, body, err := readReply(in, len(in)+1)
		stepwise, body2, err2 := readReply(in, int(step)%64+1)
		if (err == nil) != (err2 == nil) || err == nil && !bytes.Equal(body, body2) || ours.Status != stepwise.Status {
			t.Fatalf("in one piece: %q, %v; in pieces of %d: %q, %v", body, err, int(step)%64+1, body2, err2)
		}
		if err != nil {
			return
		}
		theirs, want := readWithNetHTTP(t, in)
		if theirs.StatusCode != ours.Status || !bytes.Equal(want, body) {
			t.Fatalf("here %d %q, net/http %d %q", ours.Status, body, theirs.StatusCode, want)
		}
		ours.EachHeader(func(name, value string) {
			key := http.CanonicalHeaderKey(name)
			if key == "Transfer-Encoding" || key == "Trailer" || key == "Connection" || key == "Content-Length" {
				return // net/http takes these out
			}
			if !contains(theirs.Header[key], value) {
				t.Fatalf("header %s: %q, net/http has %q", name, value, theirs.Header[key])
			}
		})
	})
}

// TestABodyCutAnywhereIsNeverWhole: in whatever steps its bytes arrive, and however
// large the reads are, a reply that ends early ends with an error, after a true
// beginning of its body.
func TestABodyCutAnywhereIsNeverWhole(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		body := bytes.Repeat([]byte("0123456789"), rapid.IntRange(1, 4000).Draw(t, "tens of bytes"))
		reply := fmt.Appendf(nil, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
		if rapid.Bool().Draw(t, "chunked") {
			reply = []byte("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
			for rest := body; len(rest) > 0; {
				n := min(len(rest), rapid.IntRange(1, 20_000).Draw(t, "chunk"))
				reply = fmt.Appendf(reply, "%x\r\n%s\r\n", n, rest[:n])
				rest = rest[n:]
			}
			reply = append(reply, "0\r\n\r\n"...)
		}
		cut := rapid.IntRange(bytes.Index(reply, []byte("\r\n\r\n"))+4, len(reply)).Draw(t, "cut")
		step := rapid.IntRange(1, 70_000).Draw(t, "step")
		size := rapid.SampledFrom([]int{1, 100, 4096, 32 << 10, 1 << 20}).Draw(t, "read size")
		r, got, err := readReplyIn(reply[:cut], step, size)
		switch whole := cut == len(reply); {
		case !bytes.HasPrefix(body, got):
			t.Fatal("what was read is not how the body begins")
		case whole && (err != nil || len(got) != len(body)):
			t.Fatalf("whole: %d of %d bytes, %v", len(got), len(body), err)
		case !whole && (err == nil || err.(*Error).Kind != KindCut):
			t.Fatalf("cut after %d of %d bytes of the reply (status %d): %d bytes read, then %v", cut, len(reply), r.Status, len(got), err)
		}
	})
}

func contains(list []string, s string) bool {
	for _, item := range list {
		if item == s {
			return true
		}
	}
	return false
}

func readWithNetHTTP(t *testing.T, in []byte) (*http.Response, []byte) {
	t.Helper()
	b := bufio.NewReaderSize(bytes.NewReader(in), len(in)+16)
	for {
		r, err := http.ReadResponse(b, &http.Request{Method: "POST"})
		if err != nil {
			t.Fatalf("accepted here, net/http refuses: %v", err)
		}
		if r.StatusCode < 200 {
			continue
		}
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Fatalf("body accepted here, net/http refuses: %v", err)
		}
		return r, body
	}
}

func TestHeadersAreFoundInAnyCase(t *testing.T) {
	r, _, err := readReply([]byte(lines("HTTP/1.1 200 OK|Retry-After-Ms: 43|x-a:1|X-A: 2 \t|Content-Length: 0||")), 1000)
	if err != nil {
		t.Fatal(err)
	}
	if r.Header("retry-after-ms") != "43" || r.Header("X-a") != "1" || r.Header("absent") != "" {
		t.Errorf("%q %q %q", r.Header("retry-after-ms"), r.Header("X-a"), r.Header("absent"))
	}
	var all []string
	r.EachHeader(func(name, value string) { all = append(all, name+"="+value) })
	if got := strings.Join(all, " "); got != "Retry-After-Ms=43 x-a=1 X-A=2 Content-Length=0" {
		t.Error(got)
	}
}

func TestManyHeadersFit(t *testing.T) {
	head := "HTTP/1.1 200 OK|" + strings.Repeat("X-Filter: some value of some length|", 500) + "Last: one|Content-Length: 2||ok"
	r, body, err := readReply([]byte(lines(head)), 1000)
	if err != nil || string(body) != "ok" || r.Header("last") != "one" {
		t.Fatal(string(body), err)
	}
}

func TestErrorsSayWhereAndWhat(t *testing.T) {
	err := &Error{Kind: KindStall, Addr: "10.0.0.7:8000", Err: io.ErrUnexpectedEOF}
	if got := err.Error(); got != "upstream 10.0.0.7:8000: stall: unexpected EOF" {
		t.Error(got)
	}
	if got := (&Error{Kind: KindCall, Err: errors.New("x")}).Error(); got != "upstream: call: x" {
		t.Error(got)
	}
	if got := ErrorKind(99).String(); got != "unknown(99)" {
		t.Error(got)
	}
}
