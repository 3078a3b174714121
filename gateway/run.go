package gateway

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"

	"weir/front"
)

// Run listens and serves until ctx ends. Then it stops in order: it accepts nothing
// new, lets requests in flight finish for up to Options.Drain, cuts the rest (streams
// end with an error event), and returns when all of them are gone. It returns nil after
// such a stop. It may be called once.
func (g *Gateway) Run(ctx context.Context) error {
	ln := g.listen.Listener
	if ln == nil {
		var err error
		if ln, err = net.Listen("tcp", g.listen.Addr); err != nil {
			return fmt.Errorf("gateway: listen on %s: %w", g.listen.Addr, err)
		}
	}
	return g.serveOn(ctx, ln)
}

// cutGrace is how long cut requests have to report the error to their callers.
const cutGrace = 2 * time.Second

func (g *Gateway) serveOn(ctx context.Context, ln net.Listener) error {
	requests, cut := context.WithCancelCause(context.Background())
	defer cut(nil)
	background, stop := context.WithCancel(context.Background())
	var behind sync.WaitGroup
	behind.Go(func() { g.ring(background) })
	behind.Go(func() { g.bodies.keep(background) })
	behind.Go(func() { g.tellGrowth(background) })
	defer func() { stop(); behind.Wait() }()

	srv, served, err := g.listenOn(requests, ln)
	if err != nil {
		return fmt.Errorf("gateway: %w", err)
	}
	select {
	case err := <-served:
		srv.Close()
		return fmt.Errorf("gateway: %w", err)
	case <-ctx.Done():
	}
	g.stopping.Store(true)
	g.inside.close()
	return g.shut(srv, cut)
}

// server serves callers over HTTP: package front and, behind it, net/http for HTTP/2; or
// net/http alone.
type server struct {
	own *front.Server // nil: net/http alone
	std *http.Server
}

// listenOn starts a server. Its end is sent to served, unless it was shut down.
func (g *Gateway) listenOn(requests context.Context, ln net.Listener) (s server, served chan error, err error) {
	s.std = g.newServer(requests)
	served = make(chan error, 2)
	to := frontListener{Listener: ln, surfaces: g.surfaces, maxHeader: g.listen.MaxHeaderBytes, tls: g.tlsConfig(), log: s.std.ErrorLog}
	if g.listen.Front == OwnFront {
		other := newHanded(ln.Addr())
		if s.own, err = g.newOwn(requests, s.std.ErrorLog, other.give); err != nil {
			ln.Close()
			return s, nil, err
		}
		go func() {
			if err := s.own.Serve(ln); err != nil {
				served <- err
			}
		}()
		to.Listener, to.tls = other, nil
	}
	go func() {
		if err := s.std.Serve(to); err != http.ErrServerClosed {
			served <- err
		}
	}()
	return s, served, nil
}

// Shutdown accepts nothing more and waits for the requests in flight.
func (s server) Shutdown(ctx context.Context) error {
	if s.own == nil {
		return s.std.Shutdown(ctx)
	}
	std := make(chan error, 1)
	go func() { std <- s.std.Shutdown(ctx) }() // at once: it tells callers over HTTP/2 to go elsewhere
	err := s.own.Shutdown(ctx)
	return cmp.Or(<-std, err)
}

func (s server) Close() error {
	if s.own == nil {
		return s.std.Close()
	}
	err := s.own.Close()
	return cmp.Or(s.std.Close(), err)
}

// shut stops the server and the submissions in order.
func (g *Gateway) shut(srv server, cut context.CancelCauseFunc) error {
	drain, cancel := context.WithTimeout(context.Background(), g.drain)
	defer cancel()
	err := cmp.Or(srv.Shutdown(drain), g.inside.drain(drain))
	if errors.Is(err, context.DeadlineExceeded) {
		g.log.Warn("cutting requests still in flight", "requests", g.open.Load(), "drain", g.drain)
		cut(errStopping)
		g.inside.cut(errStopping)
		grace, cancel := context.WithTimeout(context.Background(), cutGrace)
		defer cancel()
		if err = cmp.Or(srv.Shutdown(grace), g.inside.drain(grace)); errors.Is(err, context.DeadlineExceeded) {
			err = nil
		}
	}
	g.cutCopies()
	if closed := srv.Close(); err == nil {
		err = closed
	}
	g.copies.Wait()
	g.state.Load().close()
	return err
}

func (g *Gateway) tlsConfig() *tls.Config {
	if g.certs == nil {
		return nil
	}
	return &tls.Config{MinVersion: tls.VersionTLS12, NextProtos: []string{"h2", "http/1.1"}, GetCertificate: g.certs.get}
}
