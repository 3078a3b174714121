package front

import (
	"context"
	"errors"
	"log"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// Options configure a Server. All times and sizes must be positive.
type Options struct {
	HeaderTimeout  time.Duration // for the head of a request to arrive, from its first byte on
	IdleTimeout    time.Duration // of a connection between requests, late by an eighth at most
	MaxHeaderBytes int           // of one request's head
	MaxConns       int           // connections open at once, those of HTTP/2 too; further ones are closed at once

	// Handler serves one request at a time of a connection. It must have read what it wants
	// of the body when it returns; nothing may use the Conn afterwards.
	Handler func(*Conn)
	// Refuse returns the whole answer to a request that is refused, with its head; path is
	// that of the request, as far as it is known. The connection closes behind it.
	Refuse func(path string, f *Fault) []byte
	// HTTP2 takes over a connection that begins with the preface of HTTP/2, which it reads
	// again. It must close it.
	HTTP2 func(net.Conn)
	// Secure wraps a new connection in TLS; nil: plain HTTP. Its first Read does the
	// handshake.
	Secure func(net.Conn) net.Conn
	// Base is the context that the requests' contexts end with.
	Base context.Context
	Log  *log.Logger // of panics
}

// Server accepts connections. Make one with New.
type Server struct {
	o     Options
	watch *watcher

	mu       sync.Mutex
	conns    map[*Conn]struct{}
	handed   int // connections open that HTTP2 has taken over
	ln       net.Listener
	stopping bool
	stopped  atomic.Bool   // the same, for connections
	empty    chan struct{} // closed when stopping and no connection is left
}

// New makes a server. Its error is that of the operating system. Close it.
func New(o Options) (*Server, error) {
	w, err := newWatcher()
	if err != nil {
		return nil, err
	}
	return &Server{o: o, watch: w, conns: map[*Conn]struct{}{}, empty: make(chan struct{})}, nil
}

// Serve accepts connections from ln, which it closes, until Shutdown or Close; then it
// returns nil. ln must accept TCP connections.
func (s *Server) Serve(ln net.Listener) error {
	defer ln.Close()
	if !s.listens(ln) {
		return nil
	}
	var pause time.Duration
	for {
		nc, err := ln.Accept()
		switch {
		case err == nil:
			pause = 0
			s.take(nc)
		case s.stops():
			return nil
		case errors.Is(err, net.ErrClosed):
			return err
		default: // out of descriptors, most likely: some will close
			pause = min(max(2*pause, 5*time.Millisecond), time.Second)
			s.o.Log.Printf("accept: %v; again in %v", err, pause)
			time.Sleep(pause)
		}
	}
}

func (s *Server) listens(ln net.Listener) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ln = ln
	return !s.stopping
}

func (s *Server) stops() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stopping
}

// take serves a connection in its own goroutine.
func (s *Server) take(nc net.Conn) {
	tcp, ok := nc.(*net.TCPConn)
	if !ok {
		nc.Close()
		s.o.Log.Printf("a connection of type %T is not TCP: closed", nc)
		return
	}
	c := newConn(s, tcp)
	s.mu.Lock()
	if s.stopping || len(s.conns)+s.handed >= s.o.MaxConns {
		s.mu.Unlock()
		tcp.Close()
		c.cancel(ErrGone)
		return
	}
	s.conns[c] = struct{}{}
	s.mu.Unlock()
	go c.serve()
}

// forget is called once for each connection that take has taken.
func (s *Server) forget(c *Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.conns, c)
	if s.stopping && len(s.conns) == 0 {
		close(s.empty)
	}
}

// Shutdown accepts no more connections, closes those without a request, and returns
// when the last request has been answered, or with the context's error. It may be called
// again.
func (s *Server) Shutdown(ctx context.Context) error {
	s.mu.Lock()
	s.stop()
	for c := range s.conns {
		c.closeIdle()
	}
	s.mu.Unlock()
	select {
	case <-s.empty:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// stop makes take refuse connections. s.mu is held.
func (s *Server) stop() {
	if s.stopping {
		return
	}
	s.stopping = true
	s.stopped.Store(true)
	if s.ln != nil {
		s.ln.Close()
	}
	if len(s.conns) == 0 {
		close(s.empty)
	}
}

// Close closes every connection and waits for their goroutines, whose handlers see
// their callers leave.
func (s *Server) Close() error {
	s.mu.Lock()
	s.stop()
	for c := range s.conns {
		c.tcp.Close()
		c.cancel(ErrGone)
	}
	s.mu.Unlock()
	<-s.empty
	return s.watch.close()
}
