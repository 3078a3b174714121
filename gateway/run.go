package gateway

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// Run listens and serves until ctx ends, then stops in order: it accepts
// nothing new, lets what is in flight go on for Options.Drain, cuts the rest
// (streams end with an error event) and returns when all of it is gone.
// It returns nil after such a stop and may be called once.
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

// cutGrace is how long requests that were cut get to say so to their callers.
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

	srv := g.newServer(requests)
	served := make(chan error, 1)
	go func() {
		served <- srv.Serve(frontListener{Listener: ln, maxHeader: g.listen.MaxHeaderBytes, tls: g.tlsConfig(), log: srv.ErrorLog})
	}()
	select {
	case err := <-served:
		srv.Close()
		return fmt.Errorf("gateway: %w", err)
	case <-ctx.Done():
	}
	g.stopping.Store(true)
	return g.shut(srv, cut)
}

// shut is the orderly stop of a server.
func (g *Gateway) shut(srv *http.Server, cut context.CancelCauseFunc) error {
	drain, cancel := context.WithTimeout(context.Background(), g.drain)
	defer cancel()
	err := srv.Shutdown(drain)
	if errors.Is(err, context.DeadlineExceeded) {
		g.log.Warn("requests still in flight are cut", "requests", g.open.Load(), "drain", g.drain)
		cut(errStopping)
		grace, cancel := context.WithTimeout(context.Background(), cutGrace)
		defer cancel()
		if err = srv.Shutdown(grace); errors.Is(err, context.DeadlineExceeded) {
			err = nil
		}
	}
	g.cutAsides()
	if closed := srv.Close(); err == nil {
		err = closed
	}
	g.asides.Wait()
	g.state.Load().close()
	return err
}

// newServer is the net/http server that Weir stands on. TLS is not its affair (see
// secured): what comes over it is framed as what comes without, and HTTP/2 is known
// by its preface.
func (g *Gateway) newServer(requests context.Context) *http.Server {
	var conns atomic.Int64
	var protocols http.Protocols
	protocols.SetHTTP1(true)
	protocols.SetHTTP2(true)
	protocols.SetUnencryptedHTTP2(true)
	return &http.Server{
		Handler:           g,
		Protocols:         &protocols,
		ReadHeaderTimeout: g.listen.HeaderTimeout,
		IdleTimeout:       g.listen.IdleTimeout,
		MaxHeaderBytes:    g.listen.MaxHeaderBytes,
		ErrorLog:          slog.NewLogLogger(g.log.Handler(), slog.LevelDebug),
		BaseContext:       func(net.Listener) context.Context { return requests },
		ConnContext: func(ctx context.Context, c net.Conn) context.Context {
			return context.WithValue(ctx, connKey{}, &callerConn{Conn: c})
		},
		ConnState: func(c net.Conn, s http.ConnState) {
			switch s {
			case http.StateNew:
				if conns.Add(1) > int64(g.listen.MaxConns) {
					c.Close()
				}
			case http.StateClosed, http.StateHijacked:
				conns.Add(-1)
			}
		},
	}
}

func (g *Gateway) tlsConfig() *tls.Config {
	if g.certs == nil {
		return nil
	}
	return &tls.Config{MinVersion: tls.VersionTLS12, NextProtos: []string{"h2", "http/1.1"}, GetCertificate: g.certs.get}
}
