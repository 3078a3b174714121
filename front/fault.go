package front

import "errors"

// Fault is why a request is refused before its handler runs, or while its body is read.
type Fault struct {
	Kind FaultKind
	Why  string
}

// FaultKind says what is wrong with a request.
type FaultKind uint8

const (
	Misframed FaultKind = iota // two readers could frame it differently
	Malformed                  // its framing is clear, its head is no request
	TooLarge                   // its head is larger than Options.MaxHeaderBytes
)

func (f *Fault) Error() string { return f.Why }

func misframed(why string) *Fault { return &Fault{Misframed, why} }
func malformed(why string) *Fault { return &Fault{Malformed, why} }

// ErrGone is the cause of a context whose caller has left.
var ErrGone = errors.New("the caller has left")

// errEnd ends a connection without an answer: it was closed, or idle for too long.
var errEnd = errors.New("the connection has ended")
