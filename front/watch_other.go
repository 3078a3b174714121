//go:build !linux

package front

import (
	"errors"
	"net"
)

// Supported says whether this system can tell when a caller leaves.
const Supported = false

type watcher struct{}

func newWatcher() (*watcher, error) {
	return nil, errors.New("server.front: own needs Linux, to learn of callers that leave: leave it out")
}

func (w *watcher) add(*Conn, *net.TCPConn) error { return nil }
func (w *watcher) remove(*Conn)                  {}
func (w *watcher) close() error                  { return nil }
