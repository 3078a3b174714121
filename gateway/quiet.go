package gateway

import (
	"errors"
	"time"

	"weir"
	"weir/dispatch"
	"weir/upstream"
)

// An upstream that sends comments or pings lives; one that sends nothing else gets
// nowhere. Without a limit of its own it would hold slot and caller until the time
// of the whole answer is over.

var errQuiet = errors.New("the inference server sent only keep-alives for too long")

// lull follows since when a stream has told nothing.
type lull struct{ since weir.Instant }

// maxQuiet is how long signs of life alone keep a stream: as long as a first part
// of the answer and a further one may take.
func (t *target) maxQuiet() time.Duration {
	header, stall := t.Upstream.HeaderTimeout, t.Upstream.StallTimeout
	orElse(&header, 2*time.Minute)
	orElse(&stall, time.Minute)
	return header + stall
}

// over says whether, with an event of that kind, a stream has told nothing for too
// long. The clock is asked for signs of life only.
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
