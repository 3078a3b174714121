package http1

import "fmt"

// ErrorKind says how a call to a server failed. Its String is a bounded metric label.
type ErrorKind uint8

const (
	KindConnect       ErrorKind = iota // no connection: refused, unreachable, unknown host, too slow, or all of MaxConns busy
	KindTLS                            // the handshake failed
	KindCredential                     // no credential available; the upstream was not called
	KindHeaderTimeout                  // no complete header within HeaderTimeout
	KindStall                          // no bytes for StallTimeout in the middle of a body
	KindTotal                          // the call took longer than TotalTimeout
	KindCut                            // the connection ended before the reply did
	KindProtocol                       // the reply is not HTTP, is ambiguous, exceeds a bound, or was refused
	KindCall                           // the request cannot be sent: a header with a line break, an invalid base URL
	KindCanceled                       // the caller's context ended: errors.Is finds context.Canceled or DeadlineExceeded
)

var errorKindNames = [...]string{
	"connect", "tls", "credential", "header_timeout", "stall", "total_timeout", "cut", "protocol", "call", "canceled",
}

func (k ErrorKind) String() string {
	if int(k) < len(errorKindNames) {
		return errorKindNames[k]
	}
	return fmt.Sprintf("unknown(%d)", k)
}

// Error is every error of Do, Read and Next except io.EOF. After one, the reply is
// over: Close it.
type Error struct {
	Kind ErrorKind
	Addr string // host:port called, "" if none
	Sent bool   // a byte of the request may have reached the upstream, which may be working on it
	Err  error  // the cause
}

func (e *Error) Error() string {
	if e.Addr == "" {
		return fmt.Sprintf("upstream: %s: %v", e.Kind, e.Err)
	}
	return fmt.Sprintf("upstream %s: %s: %v", e.Addr, e.Kind, e.Err)
}

func (e *Error) Unwrap() error { return e.Err }

// protocolError is a fault in the upstream's bytes.
type protocolError struct{ text string }

func (e *protocolError) Error() string { return e.text }

func faultf(format string, args ...any) error {
	return &protocolError{fmt.Sprintf(format, args...)}
}
