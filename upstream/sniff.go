package upstream

import (
	"strings"

	"weir/sse"
)

// This file decides whether a body is a stream.

// IsStream says whether the body is server-sent events. If the header does not say so
// (some servers and proxies send text/plain or nothing), the first bytes decide; over
// HTTP/2 only the header does.
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
