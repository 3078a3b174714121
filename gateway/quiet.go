package gateway

import (
	"errors"
	"time"

	"weir"
	"weir/dispatch"
	"weir/upstream"
)

// An upstream that sends only comments or pings is alive but makes no progress. Without
// a limit it would hold a slot and the caller until the total timeout.

var errQuiet = errors.New("the inference server sent only keep-alives for too long")

// lull is since when a stream has made no progress.
type lull struct{ since weir.Instant }

// maxQuiet is how long keep-alives alone extend a stream: the time for the first part
// of an answer plus one more part.
func (t *target) maxQuiet() time.Duration {
	header, stall := t.Upstream.HeaderTimeout, t.Upstream.StallTimeout
	orElse(&header, 2*time.Minute)
	orElse(&stall, time.Minute)
	return header + stall
}

// over says whether, with an event of that kind, a stream has made no progress for too
// long. It reads the clock only for keep-alives.
func (q *lull) over(g *Gateway, t *target, kind upstream.EventKind) bool {
	if kind != upstream.Comment && kind != upstream.Meta {
		q.since = 0
		return false
	}
	now := g.now()
	if q.since == 0 {
		q.since = now
	}
	return t != nil && now.Sub(q.since) > t.maxQuiet()
}

func stillQuiet() *failure {
	return &failure{problem: &problem{is: errStalled, message: errQuiet.Error()}, result: dispatch.Unhealthy, retry: true}
}
