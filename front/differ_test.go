package front

import (
	"io"
	"log"
	"net"
	"net/http"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// This server understands no request differently from net/http, and accepts none that
// net/http refuses. It refuses, or ends at, more:
//
//   - what two readers could frame differently: a bare LF or CR, a continued line, a
//     length with chunks, two lengths even if they agree, chunks of HTTP/1.0, a blank
//     before a colon, an empty line before a request (RFC 9112, 11.2);
//   - chunk extensions of small chunks beyond 16 KiB in all, trailers that are no header
//     lines;
//   - CONNECT, and an Expect other than 100-continue (400, where net/http has 417);
//   - a head beyond MaxHeaderBytes exactly, where net/http allows 4 KiB more, or of more
//     than 1,000 lines;
//   - further requests of HTTP/1.0 on the same connection.
//
// The server passes OPTIONS of * on, which net/http answers itself, and does not read
// the host, for which the gateway has no use.
func sameAsNetHTTP(t interface{ Fatalf(string, ...any) }, own, std, text string) {
	mine, theirs := answered(own, text), answered(std, text)
	for i, m := range mine {
		if !strings.HasPrefix(m, "200 ") {
			return
		}
		if strings.HasSuffix(m, " true") { // the body broke off, here or there at another place
			return
		}
		if i >= len(theirs) || theirs[i] != m {
			t.Fatalf("%q: answer %d is\n%s\nwith net/http %q", text, i, m, theirs)
		}
	}
}

// both starts both servers.
func both(t testing.TB) (own, std string) {
	_, own = serving(t, echo)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	srv := &http.Server{Handler: http.HandlerFunc(echoHTTP), ErrorLog: log.New(io.Discard, "", 0), MaxHeaderBytes: 8 << 10, DisableGeneralOptionsHandler: true}
	go srv.Serve(ln)
	t.Cleanup(func() { srv.Close() })
	return own, ln.Addr().String()
}

var (
	lines = []string{
		"GET / HTTP/1.1\r\n", "POST /a?b HTTP/1.1\r\n", "POST /%61%2f HTTP/1.1\r\n", "OPTIONS * HTTP/1.1\r\n", "GET http://h/p HTTP/1.1\r\n", "GET / HTTP/1.0\r\n", "GET //a/../b HTTP/1.1\r\n",
		"CONNECT a:1 HTTP/1.1\r\n", "GET /a b HTTP/1.1\r\n", "G@T / HTTP/1.1\r\n", "GET  / HTTP/1.1\r\n", "GET / HTTP/2.0\r\n", "PRI * HTTP/2.0\r\n", "GET / HTTP/1.1 \r\n", "GET /%zz HTTP/1.1\r\n", "GET /\x7f HTTP/1.1\r\n", "GET /\xc3\xa9 HTTP/1.1\r\n", "GET a HTTP/1.1\r\n", "get /?%zz&a=#b HTTP/1.1\r\n",
	}
	headers = []string{
		"X-A: 1\r\n", "x-a:\t2 \r\n", "Connection: close\r\n", "Connection: keep-alive\r\n", "Expect: 100-continue\r\n", "X-A: \xff\r\n", "X!A: 1\r\n",
		"Host: x/y\r\n", "Host:\r\n", "host: y:80\r\n", "X-A: \x01\r\n", "X A: 1\r\n", "X-A : 1\r\n", ": 1\r\n", " folded\r\n", "X-A: 1\n", "X-A: 1\r2\r\n", "X(A): 1\r\n", "Expect: x\r\n", "\x00\r\n",
	}
	bodies = []string{
		"\r\n", "Content-Length: 3\r\n\r\nabc", "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", "Transfer-Encoding: Chunked\r\n\r\n003;a=b\r\nabc\r\n00\r\nX-T: 1\r\n\r\n", "Content-Length: 0\r\n\r\n",
		"Content-Length: +3\r\n\r\nabc", "Content-Length: 3, 3\r\n\r\nabc", "Content-Length: 99999999999999999999\r\n\r\n", "Content-Length: -1\r\n\r\n", "Content-Length: 0x3\r\n\r\nabc", "Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc", "Content-Length: 4\r\n\r\nabc",
		"Transfer-Encoding: identity\r\n\r\n", "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n3\r\nabc\r\n0\r\n\r\n", "Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n", "Transfer-Encoding: chunked\r\n\r\n3 \r\nabc\r\n0\r\n\r\n", "Transfer-Encoding: chunked\r\n\r\n3\nabc\n0\n\n",
		"Transfer-Encoding: chunked\r\n\r\n-3\r\nabc\r\n0\r\n\r\n", "Transfer-Encoding: chunked\r\n\r\n4\r\nabc\r\n0\r\n\r\n", "Transfer-Encoding: chunked\r\n\r\n2\r\nabc\r\n0\r\n\r\n", "Transfer-Encoding: chunked\r\n\r\n0\r\nX T: 1\r\n\r\n", "Transfer-Encoding: chunked\r\n\r\n0\r\n", "\n", "abc",
		"Transfer-Encoding: chun\u212aed\r\n\r\n3\r\nabc\r\n0\r\n\r\n", "Transfer-Encoding: chunked\r\n\r\n00000000000000003\r\nabc\r\n0\r\n\r\n",
		"Transfer-Encoding: chunked\r\n\r\n0\r\n" + trailers + "aaaaa\r\n\r\n", "Transfer-Encoding: chunked\r\n\r\n0\r\n" + trailers + "\r\n\r\n", "Transfer-Encoding: chunked\r\n\r\n3;" + strings.Repeat("a", 4093) + "\r\nabc\r\n0\r\n\r\n",
	}
)

// trailers are as long as they may be, but for the line's end and the last one.
var trailers = strings.Repeat("X-T: "+strings.Repeat("a", 500)+"\r\n", 8) + "X-T: " + strings.Repeat("a", 31)

// mostly draws from list, most often one of its first.
func mostly(t *rapid.T, sound int, list []string) string {
	if rapid.IntRange(0, 9).Draw(t, "odd") > 0 {
		list = list[:sound]
	}
	return rapid.SampledFrom(list).Draw(t, "piece")
}

func TestNoRequestIsUnderstoodDifferentlyFromNetHTTP(t *testing.T) {
	own, std := both(t)
	rapid.Check(t, func(rt *rapid.T) {
		var b strings.Builder
		for range rapid.IntRange(1, 3).Draw(rt, "requests") {
			b.WriteString(mostly(rt, 7, lines) + "Host: x\r\n")
			for range rapid.IntRange(0, 2).Draw(rt, "headers") {
				b.WriteString(mostly(rt, 7, headers))
			}
			b.WriteString(mostly(rt, 5, bodies))
		}
		sameAsNetHTTP(rt, own, std, b.String())
	})
}

func FuzzAgainstNetHTTP(f *testing.F) {
	for _, s := range append(append(lines, headers...), bodies...) {
		f.Add(s)
		f.Add("POST / HTTP/1.1\r\nHost: x\r\n" + s + "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	}
	f.Add("CONNECT http://a/b HTTP/1.1\r\nHost: x\r\n\r\n")
	own, std := both(f)
	f.Fuzz(func(t *testing.T, text string) {
		if !strings.Contains(text, "HEAD ") { // its answer cannot be read without knowing that it is one
			sameAsNetHTTP(t, own, std, text)
		}
	})
}
