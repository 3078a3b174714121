package gateway

import (
	"sync/atomic"
	"time"
)

// usual is how long a model's answers take from the time they are asked for to their end: a
// mean that follows the last ones. What a request has waited for another's answer is no part. The zero value has seen none.
type usual struct{ ns atomic.Int64 }

// learn takes one answer's time. Of two at the same moment one may be lost.
func (u *usual) learn(took time.Duration) {
	const part = 8 // of the mean, that one answer moves
	if old := u.ns.Load(); old > 0 {
		took = time.Duration(old) + (took-time.Duration(old))/part
	}
	u.ns.Store(int64(max(took, 1)))
}

// value is the mean, 0 before the first answer.
func (u *usual) value() time.Duration { return time.Duration(u.ns.Load()) }
