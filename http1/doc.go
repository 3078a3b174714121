// Package http1 is a lean HTTP/1.1 client for many long, streamed calls: pooled
// connections, calls served by the caller's own goroutine, strict parsing, a limit on
// every wait, and no garbage for each part of a body.
//
// It owns the wire. Its contract is Client.Do, which fills a Reply, and the Reply,
// whose body is read by Read or, without copying, by Next. A body ends with io.EOF
// only at its true end; any other end is an *Error that says what broke and whether
// the request may have reached the server. It does not interpret bodies: it knows no
// models, no JSON and no events.
//
// It does not use net/http, because the Transport there takes about half of the time of
// a small proxied call (two goroutines and their channels for each connection, header
// maps for each request). Only HTTP/2 servers are called through net/http, behind the
// same Reply.
package http1
