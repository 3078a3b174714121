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

	srv := g.newServer(requests)
	served := make(chan error, 1)
	go func() {
		served <- srv.Serve(frontListener{Listener: ln, surfaces: g.surfaces, maxHeader: g.listen.MaxHeaderBytes, tls: g.tlsConfig(), log: srv.ErrorLog})
	}()
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

// shut stops the server and the submissions in order.
func (g *Gateway) shut(srv *http.Server, cut context.CancelCauseFunc) error {
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
