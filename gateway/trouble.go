package gateway

import (
	"log/slog"
	"sync/atomic"
	"time"

	"weir"
)

// trouble logs failed attempts for operators, with details that callers do not see,
// such as the address. An upstream that is down fails every attempt, so a deployment's
// failures are logged at most once a second, each line with the number left out.
type trouble struct {
	last   atomic.Int64 // weir.Instant of the last line
	unsaid atomic.Int64
}

const troubleEvery = weir.Instant(time.Second)

func (t *trouble) log(log *slog.Logger, now weir.Instant, rec *weir.Record, code string, err error) {
	last := t.last.Load()
	if now-weir.Instant(last) < troubleEvery || !t.last.CompareAndSwap(last, int64(now)) {
		t.unsaid.Add(1)
		return
	}
	attrs := []any{"deployment", rec.Deployment, "replica", rec.Replica, "code", code, "request_id", rec.RequestID, "attempt", rec.Attempts, "error", err.Error()}
	if n := t.unsaid.Swap(0); n > 0 {
		attrs = append(attrs, "more_since", n)
	}
	log.Warn("upstream attempt failed", attrs...)
}
