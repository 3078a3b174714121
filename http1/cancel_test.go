package http1

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"
)

// TestACallerThatLeavesEndsTheConnectionInEveryPhase: the server sees the end of the
// connection, and the caller gets the reason, in every phase of the call.
func TestACallerThatLeavesEndsTheConnectionInEveryPhase(t *testing.T) {
	for name, sends := range map[string]string{
		"waiting for the header": "",
		"in the header":          "HTTP/1.1 200 OK|Content-",
		"waiting for the body":   "HTTP/1.1 200 OK|Transfer-Encoding: chunked||",
		"in a chunk":             "HTTP/1.1 200 OK|Transfer-Encoding: chunked||ff|abc",
		"in a body with length":  "HTTP/1.1 200 OK|Content-Length: 100||abc",
		"in an endless body":     "HTTP/1.1 200 OK||abc",
	} {
		t.Run(name, func(t *testing.T) {
			asked, closed := make(chan struct{}), make(chan struct{})
			s := serveRaw(t, func(n int, c net.Conn, in *bufio.Reader) {
				takeRequest(in)
				io.WriteString(c, lines(sends))
				close(asked)
				untilClosed(in)
				close(closed)
			})
			c := newClient(t, s.url, Options{})
			ctx, cancel := context.WithCancel(context.Background())
			failed := make(chan error)
			go func() {
				_, _, err := ask(ctx, c, post("{}"))
				failed <- err
			}()
			<-asked
			cancel()
			<-closed
			if err := <-failed; kindOf(t, err) != KindCanceled || !errors.Is(err, context.Canceled) {
				t.Errorf("%v: want canceled", err)
			}
			if s.accepted.Load() != 1 {
				t.Error("a call whose caller left was sent again")
			}
		})
	}
}

func TestACallerThatLeavesWhileTheRequestIsWrittenEndsTheConnection(t *testing.T) {
	begun := make(chan struct{})
	s := serveRaw(t, func(n int, c net.Conn, in *bufio.Reader) {
		in.ReadByte()
		close(begun)
		<-t.Context().Done()
	})
	c := newClient(t, s.url, Options{})
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		<-begun
		cancel()
	}()
	call := post("")
	call.Body = net.Buffers{make([]byte, 32<<20)}
	if _, _, err := ask(ctx, c, call); kindOf(t, err) != KindCanceled {
		t.Errorf("%v: want canceled", err)
	}
}

func TestACallerThatLeavesEndsAnHTTP2Stream(t *testing.T) {
	asked, ended := make(chan struct{}, 2), make(chan struct{}, 2)
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		if r.Header.Get("X-Phase") == "body" {
			io.WriteString(w, "abc")
			w.(http.Flusher).Flush()
		}
		asked <- struct{}{}
		<-r.Context().Done()
		ended <- struct{}{}
	}))
	s.EnableHTTP2 = true
	s.StartTLS()
	defer s.Close()
	c := newClient(t, s.URL, Options{HTTP2: true, TLS: trusting(s)})
	for _, phase := range []string{"header", "body"} {
		ctx, cancel := context.WithCancel(context.Background())
		failed := make(chan error)
		go func() {
			call := post("{}")
			call.Header = []Field{{"X-Phase", phase}}
			_, _, err := ask(ctx, c, call)
			failed <- err
		}()
		<-asked
		cancel()
		<-ended
		if err := <-failed; kindOf(t, err) != KindCanceled {
			t.Errorf("%s: %v: want canceled", phase, err)
		}
	}
}

func TestTimeLimitsTellWhichOneItWas(t *testing.T) {
	f := func(name, sends string, o Options, want ErrorKind) {
		t.Run(name, func(t *testing.T) {
			h := func(w http.ResponseWriter, r *http.Request) {
				io.Copy(io.Discard, r.Body)
				if sends != "" {
					io.WriteString(w, sends)
					w.(http.Flusher).Flush()
				}
				<-r.Context().Done()
			}
			s := httptest.NewUnstartedServer(http.HandlerFunc(h))
			s.EnableHTTP2 = true
			s.StartTLS()
			defer s.Close()
			for _, o.HTTP2 = range []bool{false, true} {
				o.TLS = trusting(s)
				if _, _, err := ask(context.Background(), newClient(t, s.URL, o), post("{}")); kindOf(t, err) != want {
					t.Errorf("HTTP2 %v: %v, want %s", o.HTTP2, err, want)
				}
			}
		})
	}
	const short = 60 * time.Millisecond
	f("header", "", Options{HeaderTimeout: short}, KindHeaderTimeout)
	f("stall", "abc", Options{StallTimeout: short}, KindStall)
	f("total, in the header", "", Options{TotalTimeout: short}, KindTotal)
	f("total, in the body", "abc", Options{TotalTimeout: short}, KindTotal)
}

// TestAStreamThatKeepsComingIsNotStalledButEndsWithItsTotal: each event is in time, the
// whole stream is not.
func TestAStreamThatKeepsComingIsNotStalledButEndsWithItsTotal(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		for r.Context().Err() == nil {
			io.WriteString(w, "data: {}\n\n")
			w.(http.Flusher).Flush()
			time.Sleep(5 * time.Millisecond) // the pace of the stream
		}
	}))
	defer s.Close()
	c := newClient(t, s.URL, Options{StallTimeout: time.Second, TotalTimeout: 1500 * time.Millisecond})
	if _, _, err := ask(context.Background(), c, post("{}")); kindOf(t, err) != KindTotal {
		t.Errorf("%v: want the total time limit", err)
	}
}

// TestCallsAbortedAtAnyMomentLeaveNothingBehind: the count of open connections returns
// to that of idle ones, and idle connections still work.
func TestCallsAbortedAtAnyMomentLeaveNothingBehind(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for range 5 {
			io.WriteString(w, "data: {}\n\n")
			w.(http.Flusher).Flush()
		}
	}))
	defer s.Close()
	c := newClient(t, s.URL, Options{MaxConns: 4})
	var calls sync.WaitGroup
	for worker := range 8 {
		calls.Go(func() {
			for i := range 100 {
				ctx, cancel := context.WithTimeout(context.Background(), time.Duration((worker*100+i)%40)*20*time.Microsecond)
				_, _, err := ask(ctx, c, post("{}"))
				if err != nil && !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("%v: want success or the deadline", err)
				}
				cancel()
			}
		})
	}
	calls.Wait()
	h, err := c.host(c.base)
	if err != nil {
		t.Fatal(err)
	}
	h.mu.Lock()
	open, idle, waiting := h.open, len(h.idle), len(h.waiting)
	h.mu.Unlock()
	if open != idle || waiting != 0 {
		t.Errorf("%d open, %d idle, %d waiting", open, idle, waiting)
	}
	if _, _, err := ask(context.Background(), c, post("{}")); err != nil {
		t.Error(err)
	}
}
