// Package front serves HTTP/1.1 to callers over TCP, with or without TLS.
//
// It owns connections: the framing of requests, their deadlines and bounds, the writing
// of answers, and noticing that a caller has left. It is strict: what two readers could
// understand differently is refused, never guessed (RFC 9112, 11.2). It knows no path,
// key or model, and no HTTP/2, whose connections it hands over. Package http1 is the
// other end, towards servers.
//
// One goroutine serves a connection, and no second one watches it: the kernel tells one
// watcher for all of them when a caller closes its side. A connection holds no buffer
// while it waits, so that a silent stream costs a small stack and little else.
package front
