package gateway

import (
	"context"
	"sync"
)

// inside tracks the submissions in flight. A stop lets them finish for a while and then
// cuts them, like requests over HTTP.
type inside struct {
	ctx context.Context // ends when they are cut
	cut context.CancelCauseFunc

	mu     sync.Mutex
	open   int
	closed bool
	none   chan struct{} // closed when no more are accepted and none is open
}

func newInside() *inside {
	i := &inside{none: make(chan struct{})}
	i.ctx, i.cut = context.WithCancelCause(context.Background())
	return i
}

// enter says whether one more is accepted; leave ends it.
func (i *inside) enter() bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	if !i.closed {
		i.open++
	}
	return !i.closed
}

func (i *inside) leave() {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.open--
	i.settle()
}

// close accepts no more.
func (i *inside) close() {
	i.mu.Lock()
	defer i.mu.Unlock()
	if !i.closed {
		i.closed = true
		i.settle()
	}
}

// drain waits, after close, for open submissions or for ctx, whose error it returns.
func (i *inside) drain(ctx context.Context) error {
	select {
	case <-i.none:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (i *inside) settle() {
	if i.closed && i.open == 0 {
		close(i.none)
	}
}
