package http1

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"log"
	"net"
	"strings"
	"testing"
	"time"
)

var silent = log.New(io.Discard, "", 0)

// misbehaving calls a server that sends these lines after the request ("~" waits for
// the client to give up) and compares the client's error with want.
func misbehaving(t *testing.T, sends string, want ErrorKind, says string) {
	s := serveRaw(t, func(n int, c net.Conn, in *bufio.Reader) {
		takeRequest(in)
		text, waits := strings.CutSuffix(sends, "~")
		io.WriteString(c, lines(text))
		if waits {
			untilClosed(in)
		}
	})
	c := newClient(t, s.url, Options{HeaderTimeout: 250 * time.Millisecond, StallTimeout: 250 * time.Millisecond})
	_, _, err := ask(context.Background(), c, post("{}"))
	var e *Error
	if !errors.As(err, &e) || e.Kind != want || !strings.Contains(err.Error(), says) || !e.Sent {
		t.Errorf("%v: want %s: ...%s..., sent", err, want, says)
	}
	if n := s.accepted.Load(); n != 1 {
		t.Errorf("%d connections: a new one that fails is not retried", n)
	}
}

func TestServersThatMisbehave(t *testing.T) {
	long := strings.Repeat("x", MaxHeaderBytes)
	f := func(name, sends string, want ErrorKind, says string) {
		t.Run(name, func(t *testing.T) { misbehaving(t, sends, want, says) })
	}
	const ok = "HTTP/1.1 200 OK|"
	f("closes at once", "", KindCut, "before the reply's header")
	f("says nothing", "~", KindHeaderTimeout, "")
	f("stops in the header", "HTTP/1.1 200 OK|Content-~", KindHeaderTimeout, "")
	f("cut in the header", "HTTP/1.1 200 OK|Content-", KindCut, "before the reply's header")
	f("not HTTP", "SSH-2.0-OpenSSH_9.2|~", KindProtocol, "SSH")
	f("HTTP/2", "\x00\x00\x12\x04~", KindProtocol, "")
	f("bad status", "HTTP/1.1 2x0 OK||~", KindProtocol, "status line")
	f("future version", "HTTP/1.9 200 OK||~", KindProtocol, "status line")
	f("status out of range", "HTTP/1.1 999 OK||~", KindProtocol, "status line")
	f("bare LF", "HTTP/1.1 200 OK\nContent-Length: 0\n\n~", KindProtocol, "bare LF")
	f("bare CR", "HTTP/1.1 200 OK|A: b\rC: d||~", KindProtocol, "name: value")
	f("folded header", ok+"A: b| c||~", KindProtocol, "folding")
	f("space before the colon", ok+"Content-Length : 3||abc~", KindProtocol, "name: value")
	f("no name", ok+": x||~", KindProtocol, "name: value")
	f("NUL in a value", ok+"A: b\x00||~", KindProtocol, "name: value")
	f("huge header", ok+"A: "+long+"~", KindProtocol, "larger than")
	f("huge header that ends", ok+"A: "+long+"||~", KindProtocol, "larger than")
	f("both lengths", ok+"Content-Length: 3|Transfer-Encoding: chunked||3|abc|0||~", KindProtocol, "both")
	f("two lengths", ok+"Content-Length: 3|Content-Length: 4||abcd~", KindProtocol, "two Content-Length")
	f("the same length twice", ok+"Content-Length: 3|Content-Length: 3||abc~", KindProtocol, "two Content-Length")
	f("a list of lengths", ok+"Content-Length: 3, 3||abc~", KindProtocol, "Content-Length")
	f("a signed length", ok+"Content-Length: +3||abc~", KindProtocol, "Content-Length")
	f("an overflowing length", ok+"Content-Length: 9999999999999999999||abc~", KindProtocol, "Content-Length")
	f("not quite chunked", ok+"Transfer-Encoding: chun\u212aed||0||~", KindProtocol, "Transfer-Encoding")
	f("gzip and chunked", ok+"Transfer-Encoding: gzip, chunked||~", KindProtocol, "Transfer-Encoding")
	f("chunked twice", ok+"Transfer-Encoding: chunked|Transfer-Encoding: chunked||~", KindProtocol, "Transfer-Encoding")
	f("chunked in HTTP/1.0", "HTTP/1.0 200 OK|Transfer-Encoding: chunked||~", KindProtocol, "Transfer-Encoding")
	f("switches protocols", "HTTP/1.1 101 Switching||~", KindProtocol, "101")
	f("only interim replies", strings.Repeat("HTTP/1.1 102 Processing||", 17)+"~", KindProtocol, "interim")

	f("cut in the body", ok+"Content-Length: 10||abc", KindCut, "")
	f("stalls in the body", ok+"Content-Length: 10||abc~", KindStall, "")
	const chunked = ok + "Transfer-Encoding: chunked||"
	f("cut in a chunk", chunked+"5|ab", KindCut, "")
	f("cut between chunks", chunked+"2|ab|", KindCut, "")
	f("cut before the last line", chunked+"2|ab|0|", KindCut, "")
	f("stalls between chunks", chunked+"2|ab|~", KindStall, "")
	f("chunk longer than said", chunked+"2|abc|0||~", KindProtocol, "longer than it said")
	f("chunk size not hexadecimal", chunked+"2g|ab|0||~", KindProtocol, "hexadecimal")
	f("chunk size missing", chunked+"|ab|0||~", KindProtocol, "hexadecimal")
	f("chunk size with 0x", chunked+"0x2|ab|0||~", KindProtocol, "hexadecimal")
	f("chunk size with a space", chunked+"2 |ab|0||~", KindProtocol, "hexadecimal")
	f("chunk size negative", chunked+"-2|ab|0||~", KindProtocol, "hexadecimal")
	f("chunk size overflowing", chunked+"fffffffffffffffff|ab~", KindProtocol, "larger")
	f("chunk size garbage without an end", chunked+"zzzz~", KindProtocol, "hexadecimal")
	f("chunk size line with bare LF", chunked+"2\nab|0||~", KindProtocol, "bare LF")
	f("chunk extensions without end", chunked+"2;"+strings.Repeat("x", maxExtensions)+"|ab|0||~", KindProtocol, "extensions")
	f("trailer that is no header", chunked+"2|ab|0|x|~", KindProtocol, "name: value")
	f("trailers without end", chunked+"2|ab|0|"+strings.Repeat("A: b|", maxTrailer)+"~", KindProtocol, "trailers")
}

// sendAll writes at once or byte by byte.
func sendAll(c net.Conn, text string, stepwise bool) {
	if !stepwise {
		io.WriteString(c, text)
		return
	}
	for _, b := range []byte(text) {
		c.Write([]byte{b})
	}
}

func TestOddButLawfulReplies(t *testing.T) {
	f := func(name, sends, want string, status int, reused bool) {
		t.Run(name, func(t *testing.T) {
			s := serveRaw(t, func(n int, c net.Conn, in *bufio.Reader) {
				for range 2 {
					if _, err := takeRequest(in); err != nil {
						return
					}
					text, closes := strings.CutSuffix(sends, "~")
					sendAll(c, lines(text), reused)
					if closes {
						return
					}
				}
				untilClosed(in)
			})
			c := newClient(t, s.url, Options{})
			for range 2 {
				if got, body, err := ask(context.Background(), c, post("{}")); got != status || body != want || err != nil {
					t.Fatalf("%d %q %v: want %d %q", got, body, err, status, want)
				}
			}
			if n := s.accepted.Load(); reused != (n == 1) {
				t.Errorf("%d connections for two calls; want it used again: %v", n, reused)
			}
		})
	}
	f("100 Continue before the reply", "HTTP/1.1 100 Continue||HTTP/1.1 103 Early Hints|Link: x||HTTP/1.1 200 OK|Content-Length: 2||ok", "ok", 200, true)
	f("no reason", "HTTP/1.1 200|Content-Length: 2||ok", "ok", 200, true)
	f("empty reason", "HTTP/1.1 200 |content-length:2||ok", "ok", 200, true)
	f("204 with a length", "HTTP/1.1 204 No Content|Content-Length: 5||", "", 204, true)
	f("304", "HTTP/1.1 304 Not Modified|Transfer-Encoding: chunked||", "", 304, true)
	f("nothing", "HTTP/1.1 500 Oh|Content-Length: 0||", "", 500, true)
	f("Connection: close", "HTTP/1.1 200 OK|Connection: foo, Close|Content-Length: 2||ok", "ok", 200, false)
	f("HTTP/1.0", "HTTP/1.0 200 OK|Content-Length: 2||ok", "ok", 200, false)
	f("to the connection's end", "HTTP/1.1 200 OK||as long as it lasts~", "as long as it lasts", 200, false)
	f("extensions and trailers", "HTTP/1.1 200 OK|Transfer-Encoding: Chunked||2;a=b|ok|002;|!!|0;x|Expires: never|X: y||", "ok!!", 200, true)
	f("more than was asked for", "HTTP/1.1 200 OK|Content-Length: 2||ok extra", "ok", 200, false)
}

// TestAnAnswerBeforeTheRequestWasReadIsTaken: a server refuses a large body after its
// header, and either closes or just stops reading.
func TestAnAnswerBeforeTheRequestWasReadIsTaken(t *testing.T) {
	for name, closes := range map[string]bool{"and closes": true, "and stops reading": false} {
		t.Run(name, func(t *testing.T) {
			answered := make(chan struct{})
			s := serveRaw(t, func(n int, c net.Conn, in *bufio.Reader) {
				for line := ""; line != "\r\n"; {
					line, _ = in.ReadString('\n')
				}
				io.WriteString(c, lines("HTTP/1.1 413 Too Large|Content-Length: 9||too large"))
				if closes {
					return
				}
				<-answered
			})
			defer close(answered)
			c := newClient(t, s.url, Options{})
			call := post("")
			call.Body = net.Buffers{bytes.Repeat([]byte("x"), 32<<20)}
			status, body, err := ask(context.Background(), c, call)
			if status != 413 || body != "too large" || err != nil {
				t.Errorf("%d %q %v", status, body, err)
			}
		})
	}
}
