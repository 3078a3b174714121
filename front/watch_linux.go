package front

import (
	"net"
	"os"
	"sync"
	"syscall"
)

// Supported says whether this system can tell when a caller leaves.
const Supported = true

// watcher learns of callers that close their side of a connection, or lose it. It has an
// epoll of its own, beside that of the runtime: one call for a connection's whole life.
type watcher struct {
	ep *os.File
	fd int

	mu    sync.Mutex
	conns map[uint64]*Conn
	last  uint64
	over  sync.WaitGroup
}

func newWatcher() (*watcher, error) {
	fd, err := syscall.EpollCreate1(syscall.EPOLL_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("epoll_create1", err)
	}
	if err := syscall.SetNonblock(fd, true); err != nil {
		syscall.Close(fd)
		return nil, os.NewSyscallError("fcntl", err)
	}
	w := &watcher{ep: os.NewFile(uintptr(fd), "callers"), fd: fd, conns: map[uint64]*Conn{}}
	w.over.Go(w.run)
	return w, nil
}

// edge is EPOLLET, which package syscall has with a sign.
const edge = 1 << 31

// add watches a connection until it is removed.
func (w *watcher) add(c *Conn, tcp *net.TCPConn) error {
	w.mu.Lock()
	w.last++
	c.watched = w.last
	w.conns[c.watched] = c
	w.mu.Unlock()
	raw, err := tcp.SyscallConn()
	if err != nil {
		return err
	}
	ev := syscall.EpollEvent{Events: syscall.EPOLLRDHUP | edge, Fd: int32(uint32(c.watched)), Pad: int32(uint32(c.watched >> 32))}
	var ctl error
	if err := raw.Control(func(fd uintptr) { ctl = syscall.EpollCtl(w.fd, syscall.EPOLL_CTL_ADD, int(fd), &ev) }); err != nil {
		return err
	}
	return os.NewSyscallError("epoll_ctl", ctl)
}

// remove is called before the connection is closed, which takes it out of the epoll.
func (w *watcher) remove(c *Conn) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.conns, c.watched)
}

func (w *watcher) run() {
	raw, err := w.ep.SyscallConn()
	if err != nil {
		return
	}
	var events [128]syscall.EpollEvent
	for {
		n := 0
		err := raw.Read(func(fd uintptr) bool {
			n, _ = syscall.EpollWait(int(fd), events[:], 0)
			return n > 0
		})
		if err != nil {
			return // closed
		}
		for _, ev := range events[:n] {
			w.mu.Lock()
			c := w.conns[uint64(uint32(ev.Fd))|uint64(uint32(ev.Pad))<<32]
			w.mu.Unlock()
			if c != nil {
				c.cancel(ErrGone)
			}
		}
	}
}

func (w *watcher) close() error {
	err := w.ep.Close()
	w.over.Wait()
	return err
}
