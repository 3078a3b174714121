package http1

import (
	"bytes"
	"errors"
	"io"
	"net"
	"sync"
)

// sending is a request's body while net/http may read it, which it may do after
// RoundTrip has returned and after the reply was closed, in a goroutine of its
// own. The body's memory is the caller's and will be another request's: once the
// call has ended nothing of it is read any more.
type sending struct {
	segments net.Buffers

	mu    sync.Mutex // held while bytes are copied out
	ended bool
}

// errEnded is returned to a reader in net/http that reads on; no caller sees it.
var errEnded = errors.New("the call has ended")

// reader reads the body from its beginning, without consuming the segments.
func (s *sending) reader() io.ReadCloser {
	readers := make([]io.Reader, len(s.segments))
	for i, b := range s.segments {
		readers[i] = bytes.NewReader(b)
	}
	return &sent{s, io.MultiReader(readers...)}
}

// end returns when no read of the body is under way, and none will begin.
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
