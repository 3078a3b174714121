package main

import (
	"context"
	"fmt"
	"net"
	"sync"
)

// emulation holds the emulated servers that stand in for those a configuration
// names and does not start: resources of Azure OpenAI, and servers that run
// elsewhere. Each listens on a port of its own of this machine, until close.
type emulation struct {
	ctx  context.Context
	stop context.CancelFunc
	all  sync.WaitGroup

	mu   sync.Mutex
	urls map[string]string // what is emulated -> where
}

// maxEmulated bounds the servers of one emulation: those of former versions of
// the file stay while requests may be on their way to them.
const maxEmulated = 1000

func newEmulation() *emulation {
	e := &emulation{urls: map[string]string{}}
	e.ctx, e.stop = context.WithCancel(context.Background())
	return e
}

// close ends every server and waits for it.
func (e *emulation) close() {
	e.stop()
	e.all.Wait()
}

// emulator is a server that serves at a listener until its context ends.
type emulator interface {
	Serve(context.Context, net.Listener) error
}

// at is the URL of the server described by what, which newServer makes where
// there is none yet: a file that is read again finds its servers again.
func (e *emulation) at(what string, newServer func() (emulator, error)) (string, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if url, ok := e.urls[what]; ok {
		return url, nil
	}
	if len(e.urls) >= maxEmulated {
		return "", fmt.Errorf("more than %d emulated servers since the start: start again", maxEmulated)
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
