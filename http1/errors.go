package http1

import "fmt"

// ErrorKind says in which way talking to a server failed. Its String is a
// bounded metric label.
type ErrorKind uint8

const (
	KindConnect       ErrorKind = iota // no connection: refused, unreachable, unknown host, too slow, or all of MaxConns busy
	KindTLS                            // the handshake failed
	KindCredential                     // no credential could be had; the upstream was not asked
	KindHeaderTimeout                  // no complete header within HeaderTimeout
	KindStall                          // nothing came for StallTimeout in the middle of a body
	KindTotal                          // the whole took longer than TotalTimeout
	KindCut                            // the connection ended before the reply did
	KindProtocol                       // what came is not HTTP, is ambiguous, is beyond a bound, or was refused
	KindCall                           // the request cannot be sent: a header with a line break, a base URL that is none
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

// Error is every error of Do, Read and Next but io.EOF. After one, the reply
// is over: Close it.
type Error struct {
	Kind ErrorKind
	Addr string // host:port that was spoken to, "" when it did not come to that
	Sent bool   // a byte of the request may have reached the upstream: it may work on it
	Err  error  // the cause
}

func (e *Error) Error() string {
	if e.Addr == "" {
		return fmt.Sprintf("upstream: %s: %v", e.Kind, e.Err)
	}
	return fmt.Sprintf("upstream %s: %s: %v", e.Addr, e.Kind, e.Err)
}

func (e *Error) Unwrap() error { return e.Err }

// protocolError is a fault in what the upstream sent.
type protocolError struct{ text string }

func (e *protocolError) Error() string { return e.text }

func faultf(format string, args ...any) error {
	return &protocolError{fmt.Sprintf(format, args...)}
}
