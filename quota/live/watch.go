package live

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"weir/quota"
)

// Every is how often a Watch reads.
const Every = 5 * time.Minute

// Watch reads at once and every few minutes. Make one with NewWatch; it is safe for
// concurrent use.
type Watch struct {
	log  *slog.Logger
	kick chan struct{}

	mu     sync.Mutex
	reader *Reader
	last   Reading
	said   string
}

// NewWatch makes a Watch. Before Run it reads nothing.
func NewWatch(r *Reader, log *slog.Logger) *Watch {
	return &Watch{reader: r, log: log, kick: make(chan struct{}, 1)}
}

// Read has another reader from now on, and reads at once.
func (w *Watch) Read(r *Reader) {
	w.mu.Lock()
	w.reader = r
	w.mu.Unlock()
	select {
	case w.kick <- struct{}{}:
	default:
	}
}

// Run reads until ctx ends.
func (w *Watch) Run(ctx context.Context) error {
	tick := time.NewTicker(Every)
	defer tick.Stop()
	for {
		w.Step(ctx)
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		case <-w.kick:
		}
	}
}

// Step reads once.
func (w *Watch) Step(ctx context.Context) {
	w.mu.Lock()
	r, last := w.reader, w.last
	w.mu.Unlock()
	now := r.Read(ctx, &last)
	if ctx.Err() != nil {
		return
	}
	faults := ""
	for _, f := range now.Faults {
		faults += string(f.Service) + " " + f.Location + ": " + f.Why + "; "
	}
	w.mu.Lock()
	w.last = now
	changed := faults != w.said
	w.said = faults
	w.mu.Unlock()
	if changed && faults != "" {
		w.log.Warn("quotas that cannot be read; what was known of them counts", "error", faults)
	}
}

// Reading is the last one; the zero Reading before the first.
func (w *Watch) Reading() Reading {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.last
}

// Book is what was last read. It must not be changed.
func (w *Watch) Book() *quota.Book {
	w.mu.Lock()
	defer w.mu.Unlock()
	b := w.last.Book
	return &b
}
