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
// names and does not start: Azure OpenAI resources and external servers. Each
// listens on its own port of this machine until Close.
type Emulation struct {
	ctx  context.Context
	stop context.CancelFunc
	all  sync.WaitGroup

	mu   sync.Mutex
	urls map[string]string // by description

	exe, key string // this program, and the key of the emulated servers
	prices   *price.Catalogue
}

// maxEmulated bounds the servers of one Emulation: those of earlier versions of
// the file stay, since requests may still be on their way to them.
const maxEmulated = 1000

// New makes an Emulation without servers. exe is this program; replicas that
// are processes start it again.
func New(exe string, prices *price.Catalogue) *Emulation {
	e := &Emulation{urls: map[string]string{}, exe: exe, key: config.NewKey(), prices: prices}
	e.ctx, e.stop = context.WithCancel(context.Background())
	return e
}

// Emulate replaces everything a configuration describes by emulated servers on
// this machine, each of its deployment's kind, with its limits, names and
// refusals. The file can then be tried without GPU, cloud and secrets, with the
// same models, tiers, weights, limits, prices and scaling. The first tenant
// that may call a model also gets the key. c is changed.
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

// url is the URL of the server that what describes. newServer makes it unless
// it exists: a file that is read again finds its servers again.
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
