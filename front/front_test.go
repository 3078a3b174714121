package front

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"
)

const hang = 20 * time.Second

// serving starts a server on loopback and returns its address.
func serving(t testing.TB, h func(*Conn), tune ...func(*Options)) (*Server, string) {
	t.Helper()
	o := Options{
		HeaderTimeout: hang, IdleTimeout: hang, MaxHeaderBytes: 8 << 10, MaxConns: 100, Handler: h, Base: context.Background(),
		Refuse: func(path string, f *Fault) []byte {
			return fmt.Appendf(nil, "HTTP/1.1 %d Refused\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s", 400+31*b2i(f.Kind == TooLarge), len(f.Why), f.Why)
		},
		HTTP2: func(c net.Conn) { c.Close() },
		Log:   log.New(io.Discard, "", 0),
	}
	for _, f := range tune {
		f(&o)
	}
	s, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- s.Serve(ln) }()
	t.Cleanup(func() {
		s.Close()
		if err := <-served; err != nil {
			t.Error("Serve:", err)
		}
	})
	return s, ln.Addr().String()
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}

func dialled(t testing.TB, addr string) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	c.SetDeadline(time.Now().Add(hang))
	t.Cleanup(func() { c.Close() })
	return c
}

// echo answers with what it has understood of a request.
func echo(c *Conn) {
	body, err := io.ReadAll(c)
	text := told(c.Method, c.Path, c.Query, c.Header("X-A"), body, err)
	if len(text)%2 == 0 {
		c.Start(200, int64(len(text)))
	} else {
		c.Start(200, -1)
	}
	c.Send([]byte(text))
}

func told(method, path, query string, a []string, body []byte, err error) string {
	return fmt.Sprintf("%s %q %q %q %q %v", method, path, query, a, body, err != nil)
}

// echoHTTP is echo of net/http.
func echoHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	io.WriteString(w, told(r.Method, r.URL.Path, r.URL.RawQuery, r.Header["X-A"], body, err))
}

// answered is what a server answers to some bytes, after which nothing follows.
func answered(addr, text string) (all []string) {
	c, err := net.Dial("tcp", addr)
	if err != nil {
		return []string{err.Error()}
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(hang))
	go func() {
		io.WriteString(c, text)
		c.(*net.TCPConn).CloseWrite()
	}()
	in := bufio.NewReader(c)
	for {
		if b, err := in.Peek(1); err != nil || b[0] != 'H' {
			return all
		}
		resp, err := http.ReadResponse(in, nil)
		if err != nil {
			return all
		}
		if resp.StatusCode == 100 {
			continue
		}
		b, err := io.ReadAll(resp.Body)
		if err != nil {
			return all
		}
		all = append(all, fmt.Sprintf("%d %s", resp.StatusCode, b))
	}
}

func TestRequestsOfOneConnectionAreAnsweredInTheirOrder(t *testing.T) {
	_, addr := serving(t, echo)
	text := "GET /a?b=c HTTP/1.1\r\nHost: x\r\nx-a: 1\r\nX-A:  2 \r\n\r\n" +
		"POST /b%20c HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc" +
		"POST /d HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2;e=f\r\nab\r\n1\r\nc\r\n0\r\nT: u\r\n\r\n" +
		"POST /d HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 0\r\n\r\nGET /not HTTP/1.1\r\n\r\n"
	want := []string{
		`200 GET "/a" "b=c" ["1" "2"] "" false`, `200 POST "/b c" "" [] "abc" false`,
		`200 POST "/d" "" [] "abc" false`, `200 POST "/d" "" [] "" false`,
	}
	if got := answered(addr, text); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%q", got)
	}
}

func TestContinueIsSentWhenTheBodyIsRead(t *testing.T) {
	_, addr := serving(t, func(c *Conn) {
		if c.Path == "/read" {
			echo(c)
			return
		}
		c.Start(401, 0)
		if c.Path == "/late" { // the deadline of this answer passes before the next request
			c.Flush()
			c.WriteWithin(time.Now().Add(-time.Hour), time.Second)
		}
	})
	c := dialled(t, addr)
	in := bufio.NewReader(c)
	io.WriteString(c, "GET /late HTTP/1.1\r\nHost: x\r\n\r\n")
	if resp, err := http.ReadResponse(in, nil); err != nil || resp.StatusCode != 401 {
		t.Fatal(resp, err)
	}
	io.WriteString(c, "POST /read HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n")
	if line, err := in.ReadString('\n'); line != "HTTP/1.1 100 Continue\r\n" {
		t.Fatal(line, err)
	}
	in.ReadString('\n')
	io.WriteString(c, "abcPOST /no HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n")
	resp, err := http.ReadResponse(in, nil)
	if err != nil {
		t.Fatal(err)
	}
	io.Copy(io.Discard, resp.Body)
	if resp, err = http.ReadResponse(in, nil); err != nil || resp.StatusCode != 401 || !resp.Close {
		t.Error("the caller is not told that its body is not wanted:", resp, err)
	}
}

// A caller leaves, in every phase and way, while a handler is at work.
func TestACallerThatLeavesEndsTheContext(t *testing.T) {
	const head = "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\n"
	for name, leave := range map[string]func(*net.TCPConn){
		"closed":      func(c *net.TCPConn) { c.Close() },
		"half closed": func(c *net.TCPConn) { c.CloseWrite() },
		"reset":       func(c *net.TCPConn) { c.SetLinger(0); c.Close() },
	} {
		for _, text := range []string{head + "abc", head + "a", head + "abc" + head} {
			began, ended := make(chan struct{}), make(chan error, 1)
			_, addr := serving(t, func(c *Conn) {
				close(began)
				<-c.Context().Done()
				ended <- context.Cause(c.Context())
				c.Cut()
			})
			c := dialled(t, addr)
			io.WriteString(c, text)
			<-began
			leave(c.(*net.TCPConn))
			select {
			case err := <-ended:
				if err != ErrGone {
					t.Errorf("%s, %d bytes: %v", name, len(text), err)
				}
			case <-time.After(hang):
				t.Fatalf("%s, %d bytes: the handler was not told", name, len(text))
			}
		}
	}
}

func TestABrokenOffAnswerIsSeenToBeBrokenOff(t *testing.T) {
	_, addr := serving(t, func(c *Conn) {
		size := int64(-1)
		if c.Path == "/sized" {
			size = 10
		}
		c.Start(200, size)
		c.Send([]byte("abc"))
		c.Flush()
		switch c.Path {
		case "/cut":
			c.Cut()
		case "/panic":
			panic("for the test")
		}
	})
	for _, path := range []string{"/sized", "/cut", "/panic"} {
		c := dialled(t, addr)
		io.WriteString(c, "GET "+path+" HTTP/1.1\r\nHost: x\r\n\r\n")
		resp, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadAll(resp.Body); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("%s: %v", path, err)
		}
	}
}

// What is written between two flushes goes out as one write, large parts too, and
// everything arrives in its order.
func TestAnswersArriveWhole(t *testing.T) {
	sizes := []int{0, 1, 100, bufSize - 300, bufSize, bufSize + 1, 3 * bufSize, 200 << 10}
	_, addr := serving(t, func(c *Conn) {
		total := 0
		for _, n := range sizes {
			total += n
		}
		if c.Query == "sized" {
			c.Start(200, int64(total))
		} else {
			c.Start(200, -1)
		}
		for i, n := range sizes {
			c.Send(bytes.Repeat([]byte{'a' + byte(i)}, n))
			if i%3 == 0 {
				c.Flush()
			}
		}
	})
	for _, version := range []string{"1.1", "1.0"} {
		for _, query := range []string{"sized", "chunked"} {
			c := dialled(t, addr)
			io.WriteString(c, "GET /?"+query+" HTTP/"+version+"\r\nHost: x\r\n\r\n")
			resp, err := http.ReadResponse(bufio.NewReader(c), nil)
			if err != nil {
				t.Fatal(err)
			}
			b, err := io.ReadAll(resp.Body)
			if err != nil {
				t.Error(version, query, err)
			}
			for i, n := range sizes {
				if len(b) < n || strings.Trim(string(b[:n]), string(rune('a'+i))) != "" {
					t.Fatalf("%s %s: part %d is not there", version, query, i)
				}
				b = b[n:]
			}
		}
	}
}

func TestShutdownClosesIdleConnectionsAndWaitsForRequests(t *testing.T) {
	began, let := make(chan struct{}), make(chan struct{})
	s, addr := serving(t, func(c *Conn) {
		close(began)
		<-let
		c.Start(200, 0)
	})
	quiet, asking := dialled(t, addr), dialled(t, addr)
	io.WriteString(asking, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	<-began
	short, cancel := context.WithCancel(context.Background())
	cancel()
	if err := s.Shutdown(short); err != context.Canceled {
		t.Error("Shutdown did not wait for the request:", err)
	}
	if _, err := quiet.Read(make([]byte, 1)); err != io.EOF {
		t.Error("an idle connection stays:", err)
	}
	if c, err := net.Dial("tcp", addr); err == nil {
		c.Close()
		t.Error("a connection is taken after Shutdown")
	}
	close(let)
	if err := s.Shutdown(context.Background()); err != nil {
		t.Error(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(asking), nil)
	if err != nil || !resp.Close {
		t.Error(resp, err)
	}
}

func TestHeadsAndIdleTimesAreBounded(t *testing.T) {
	_, addr := serving(t, echo, func(o *Options) { o.HeaderTimeout, o.IdleTimeout = 20*time.Millisecond, 20*time.Millisecond })
	for _, text := range []string{"", "G", "GET / HTTP/1.1\r\nHost: x\r\n", "GET / HTTP/1.1\r\nHost: x\r\n\r\n"} {
		c := dialled(t, addr)
		io.WriteString(c, text)
		if _, err := io.Copy(io.Discard, c); err != nil {
			t.Errorf("%q: %v", text, err)
		}
	}
	_, addr = serving(t, echo)
	long := "X-A: " + strings.Repeat("a", 100) + "\r\n"
	if got := answered(addr, "GET / HTTP/1.1\r\nHost: x\r\n"+strings.Repeat(long, 70)+"\r\n"); len(got) != 1 || !strings.HasPrefix(got[0], "200") {
		t.Errorf("%.80q", got)
	}
	if got := answered(addr, "GET / HTTP/1.1\r\nHost: x\r\n"+strings.Repeat(long, 80)+"\r\n"); len(got) != 1 || !strings.HasPrefix(got[0], "431") {
		t.Errorf("%.80q", got)
	}
	if got := answered(addr, "GET / HTTP/1.1\r\nHost: x\r\n"+strings.Repeat("a:\r\n", maxFields+1)+"\r\n"); len(got) != 1 || !strings.HasPrefix(got[0], "431") {
		t.Errorf("%.80q", got)
	}
}

func TestAPlainRequestAllocatesNothing(t *testing.T) {
	answer := bytes.Repeat([]byte("a"), 1000)
	into := make([]byte, 4<<10)
	_, addr := serving(t, func(c *Conn) {
		for {
			if _, err := c.Read(into); err != nil {
				break
			}
		}
		if len(c.Header("Authorization")) != 1 {
			panic("no header")
		}
		c.Set("Content-Type", "application/json")
		c.Start(200, int64(len(answer)))
		c.Send(answer)
	})
	c := dialled(t, addr)
	req := []byte("POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer abc\r\nContent-Length: 1000\r\n\r\n" + strings.Repeat("b", 1000))
	got := make([]byte, 8<<10)
	if n := testing.AllocsPerRun(200, func() {
		c.Write(req)
		if _, err := io.ReadAtLeast(c, got, 1100); err != nil {
			t.Fatal(err)
		}
	}); n > 0.1 { // a collection may empty the pools
		t.Errorf("%v allocations a request", n)
	}
}

func TestASlowBodyEndsByItsDeadline(t *testing.T) {
	told := make(chan error, 1)
	_, addr := serving(t, func(c *Conn) {
		c.ReadBefore(time.Now().Add(10 * time.Millisecond))
		_, err := io.ReadAll(c)
		told <- err
		c.Start(408, 0)
	})
	c := dialled(t, addr)
	io.WriteString(c, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\na")
	if err := <-told; !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error(err)
	}
	if resp, err := http.ReadResponse(bufio.NewReader(c), nil); err != nil || resp.StatusCode != 408 || !resp.Close {
		t.Error(resp, err)
	}
}
