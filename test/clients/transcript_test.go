package clients

import (
	"bytes"
	"sync"
)

// transcript keeps the end of a program's output.
type transcript struct {
	mu      sync.Mutex
	text    bytes.Buffer
	changed chan struct{}
}

const maxTranscript = 1 << 20

func newTranscript() *transcript { return &transcript{changed: make(chan struct{}, 1)} }

func (t *transcript) Write(p []byte) (int, error) {
	t.mu.Lock()
	t.text.Write(p)
	if extra := t.text.Len() - maxTranscript; extra > 0 {
		t.text.Next(extra)
	}
	t.mu.Unlock()
	select {
	case t.changed <- struct{}{}:
	default:
	}
	return len(p), nil
}

func (t *transcript) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.text.String()
}
