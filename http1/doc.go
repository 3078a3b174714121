// Package http1 is a lean HTTP/1.1 client for calls that are many, long and
// streamed: pooled connections, the caller's goroutine does the work, strict
// parsing, every wait bounded, and no garbage for each part of a body.
//
// It owns the wire. Its contract is Client.Do, which fills a Reply, and the Reply,
// whose body is read by Read or, without copying, by Next. A body ends with io.EOF
// only at its true end; everything else is an *Error that says what broke and
// whether the request may have reached the server. It refuses to know what is
// sent and what comes: no model, no JSON, no events.
//
// It stands apart from net/http because the Transport there costs about half of a
// small proxied call (two goroutines and their channels for each connection,
// header maps for each request). HTTP/2 servers are asked by way of net/http
// behind the same Reply.
package http1
