package upstream

import (
	"bytes"
	"strings"
)

// This file says whether a body is a stream.

// IsStream says whether the body is server-sent events. Where the header says
// otherwise (some servers and proxies leave text/plain or nothing there) the
// first bytes decide, once they have come; over HTTP/2 the header alone.
func (r *Reply) IsStream() bool {
	if r.SaysStream() {
		return true
	}
	if r.h2 != nil {
		return false
	}
	v, err := r.next()
	if err != nil {
		return false // the next read tells why
	}
	r.body.unread(len(v))
	return beginsEvents(v)
}

// SaysStream says whether the header calls the body server-sent events.
func (r *Reply) SaysStream() bool {
	kind := r.Header("Content-Type")
	return len(kind) >= len(eventStream) && strings.EqualFold(kind[:len(eventStream)], eventStream)
}

const eventStream = "text/event-stream"

// beginsEvents says whether text begins with a field of an event or a comment.
func beginsEvents(text []byte) bool {
	text = bytes.TrimLeft(bytes.TrimPrefix(text, bom), "\r\n")
	for _, field := range [...]string{"data:", "event:", ":", "id:", "retry:"} {
		if bytes.HasPrefix(text, []byte(field)) {
			return true
		}
	}
	return false
}
