package upstream

import (
	"strings"

	"weir/sse"
)

// This file says whether a body is a stream.

// IsStream says whether the body is server-sent events. Where the header says
// otherwise (some servers and proxies leave text/plain or nothing there) the
// first bytes decide, once they have come; over HTTP/2 the header alone.
func (r *Reply) IsStream() bool {
	if r.SaysStream() {
		return true
	}
	return sse.Begins(r.Peek())
}

// SaysStream says whether the header calls the body server-sent events.
func (r *Reply) SaysStream() bool {
	kind := r.Header("Content-Type")
	return len(kind) >= len(eventStream) && strings.EqualFold(kind[:len(eventStream)], eventStream)
}

const eventStream = "text/event-stream"
