package emulated

import (
	"context"
	"fmt"
	"net"
	"sync"

	"weir/config"
	"weir/price"
)

// Emulation holds the emulated servers that stand in for those a configuration
// names and does not start: resources of Azure OpenAI, and servers that run
// elsewhere. Each listens on a port of its own of this machine, until Close.
type Emulation struct {
	ctx  context.Context
	stop context.CancelFunc
	all  sync.WaitGroup

	mu   sync.Mutex
	urls map[string]string // what is emulated -> where

	exe, key string // this program, and the key that emulated servers want
	prices   *price.Catalogue
}

// maxEmulated bounds the servers of one Emulation: those of former versions of
// the file stay while requests may be on their way to them.
const maxEmulated = 1000

// New makes an Emulation without servers. Replicas that are processes are exe
// started again, this program.
func New(exe string, prices *price.Catalogue) *Emulation {
	e := &Emulation{urls: map[string]string{}, exe: exe, key: config.NewKey(), prices: prices}
	e.ctx, e.stop = context.WithCancel(context.Background())
	return e
}

// Emulate puts emulated servers of this machine in the place of everything a
// configuration describes, each of its deployment's kind, with its limits, names
// and refusals, so the file can be tried without GPU, cloud and secrets: same
// models, tiers, weights, limits, prices and scaling. The first tenant that may
// call a model gets the key one more. c is changed.
func (e *Emulation) Emulate(c *config.Config, key config.KeyHash) (Tried, error) {
	s := &stand{c: c, servers: e, exe: e.exe, key: e.key, prices: e.prices}
	err := s.emulateAll(key)
	return s.said, err
}

// Close ends every server and waits for it.
func (e *Emulation) Close() {
	e.stop()
	e.all.Wait()
}

// emulator is a server that serves at a listener until its context ends.
type emulator interface {
	Serve(context.Context, net.Listener) error
}

// url is the URL of the server described by what, which newServer makes where
// there is none yet: a file that is read again finds its servers again.
func (e *Emulation) url(what string, newServer func() (emulator, error)) (string, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if url, ok := e.urls[what]; ok {
		return url, nil
	}
	if len(e.urls) >= maxEmulated {
		return "", fmt.Errorf("more than %d emulated servers since the start: restart", maxEmulated)
	}
	s, err := newServer()
	if err != nil {
		return "", err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	e.all.Go(func() {
		if err := s.Serve(e.ctx, l); err != nil && e.ctx.Err() == nil {
			l.Close() // its callers see a server that is gone
		}
	})
	e.urls[what] = "http://" + l.Addr().String()
	return e.urls[what], nil
}
