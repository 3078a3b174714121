package http1

import (
	"bytes"
	"errors"
	"io"
	"net"
	"sync"
)

// sending is a request's body while net/http may read it. net/http may read in its own
// goroutine after RoundTrip has returned and after the reply was closed. The caller
// will reuse the body's memory for another request: once the call has ended nothing of
// it is read any more.
type sending struct {
	segments net.Buffers

	mu    sync.Mutex // held while bytes are copied out
	ended bool
}

// errEnded is returned to a reader in net/http that still reads; no caller sees it.
var errEnded = errors.New("the call has ended")

// reader reads the body from its beginning, without consuming the segments.
func (s *sending) reader() io.ReadCloser {
	readers := make([]io.Reader, len(s.segments))
	for i, b := range s.segments {
		readers[i] = bytes.NewReader(b)
	}
	return &sent{s, io.MultiReader(readers...)}
}

// end returns once no read of the body is in progress, and none can begin.
func (s *sending) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended = true
}

type sent struct {
	*sending
	from io.Reader
}

func (s *sent) Read(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended {
		return 0, errEnded
	}
	return s.from.Read(p)
}

func (s *sent) Close() error { return nil }
