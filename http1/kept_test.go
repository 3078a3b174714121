package http1

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"
)

// Promises in the package's comments. internal/mutants has a wrong change for each.

func TestALineOfTheHeadThatEndsWithABareLFIsRefused(t *testing.T) {
	s := serveRaw(t, func(_ int, c net.Conn, in *bufio.Reader) {
		takeRequest(in)
		io.WriteString(c, "HTTP/1.1 200 OK\r\nX-A: b\nContent-Length: 5\r\n\r\nhello")
		untilClosed(in)
	})
	c := newClient(t, s.url, Options{})
	_, body, err := ask(context.Background(), c, post(""))
	if err == nil || kindOf(t, err) != KindProtocol || !strings.Contains(err.Error(), "bare LF") {
		t.Errorf("%q, %v: want a fault", body, err)
	}
}

// numbered answers each request with the number of its connection, once n are there.
func numbered(t *testing.T, n int) *rawServer {
	var all sync.WaitGroup
	all.Add(n)
	return serveRaw(t, func(number int, c net.Conn, in *bufio.Reader) {
		for first := true; ; first = false {
			if _, err := takeRequest(in); err != nil {
				return
			}
			if first && number <= n {
				all.Done()
				all.Wait()
			}
			body := fmt.Sprint(number)
			fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
		}
	})
}

func TestTheConnectionUsedLastIsUsedFirst(t *testing.T) {
	s := numbered(t, 2)
	c := newClient(t, s.url, Options{})
	replies := make(chan *Reply, 2)
	for range 2 {
		go func() {
			r, err := c.do(context.Background(), post(""))
			if err != nil {
				t.Error(err)
			}
			replies <- r
		}()
	}
	last := ""
	for range 2 {
		b, err := io.ReadAll(<-replies)
		if last = string(b); err != nil {
			t.Fatal(err)
		}
	}
	for range 3 {
		if _, body, err := ask(context.Background(), c, post("")); body != last || err != nil {
			t.Fatalf("connection %s was used, %s was used last, %v", body, last, err)
		}
	}
}

func TestIdleConnectionsAreBounded(t *testing.T) {
	const more = 3
	s := numbered(t, maxIdle+more)
	c := newClient(t, s.url, Options{})
	replies := make(chan *Reply, maxIdle+more)
	for range maxIdle + more {
		go func() {
			r, err := c.do(context.Background(), post(""))
			if err != nil {
				t.Error(err)
			}
			replies <- r
		}()
	}
	for range maxIdle + more {
		if r := <-replies; r != nil {
			io.Copy(io.Discard, r)
			r.Close()
		}
	}
	if h, err := c.host(s.url); err != nil || len(h.idle) != maxIdle || h.open != maxIdle {
		t.Errorf("%d idle and %d open, want %d, %v", len(h.idle), h.open, maxIdle, err)
	}
}

// A call that gives up at the moment its turn comes passes the turn on.
func TestATurnThatComesTooLateIsPassedOn(t *testing.T) {
	next := make(chan struct{}, 1)
	h := &host{client: New(Options{MaxConns: 1}), waiting: []chan struct{}{next}}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := h.await(ctx, make(chan struct{}, 1), time.Hour); err == nil {
		t.Fatal("it did not give up")
	}
	select {
	case <-next:
	default:
		t.Error("the turn was lost")
	}
}

// Its socket may be about to be closed, by the watch over the context.
func TestAConnectionWhoseCallerHasGoneIsNotUsedAgain(t *testing.T) {
	s := serveRaw(t, func(_ int, c net.Conn, in *bufio.Reader) {
		takeRequest(in)
		io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello")
		untilClosed(in)
	})
	c := newClient(t, s.url, Options{})
	ctx, cancel := context.WithCancel(context.Background())
	r, err := c.do(ctx, post(""))
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	io.ReadAll(r)
	r.Close()
	if h, err := c.host(s.url); err != nil || len(h.idle) != 0 {
		t.Errorf("%d idle connections, want none, %v", len(h.idle), err)
	}
}
