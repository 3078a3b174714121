package gateway

import (
	"fmt"
	"time"

	"weir/dispatch"
	"weir/upstream"
)

// This file handles a success status without an answer.

// noAnswer judges it: an error described by the upstream is used as such; anything else
// is the upstream's failure. Nothing is billed.
func (c *call) noAnswer(r *upstream.Reply, a *upstream.Answer, body []byte) *failure {
	if !a.Object {
		return notJSON()
	}
	u := c.s.do.ReadAnswerFailure(r.Header, body, time.Now())
	f := ofFailure(&u)
	if u.ContextLength && c.booking.served.hasLonger(c.booking.target) {
		f.result, f.retry = dispatch.TooLong, true
	}
	if f.problem.is == errUpstream {
		f.problem = &problem{is: errEmpty, message: fmt.Sprintf("the inference server reported success (status %d) without an answer%s", r.Status, said(&u))}
	}
	return f
}

func notJSON() *failure {
	return &failure{problem: &problem{is: errGarbled, message: "the inference server's answer is not a JSON object"},
		result: dispatch.Unhealthy, retry: true}
}

// unfinished is the failure of a stream that ended before its answer did.
func unfinished() *failure {
	return &failure{problem: &problem{is: errCut, message: "the inference server ended its stream without finishing the answer"},
		result: dispatch.Unhealthy, retry: true}
}

// startStream sends the status and headers of a stream, including one made from a whole
// answer or sent with another content type.
func (c *call) startStream(r *upstream.Reply) {
	c.x.claim()
	passAnswerHeaders(&c.x, r, c.booking.rec.RequestID)
	c.sayWhere()
	if !r.SaysStream() {
		c.x.set("Content-Type", "text/event-stream")
	}
	c.x.start(r.Status, -1)
}
