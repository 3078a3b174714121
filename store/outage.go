package store

import (
	"log/slog"
	"time"
)

// outage paces attempts and log lines while the ledger fails. The zero value is
// a ledger that works.
type outage struct {
	began   time.Time // zero: it works
	backoff time.Duration
	next    time.Time // no attempt before
	said    time.Time // when it was last in the log
}

func (o *outage) due(now time.Time) bool { return !now.Before(o.next) }

// report takes the result of one attempt.
func (o *outage) report(log *slog.Logger, now time.Time, every time.Duration, err error, rows int) {
	if err == nil {
		if !o.began.IsZero() {
			log.Info("usage can be written again", "outage", now.Sub(o.began).Round(time.Millisecond).String())
		}
		*o = outage{}
		return
	}
	if o.began.IsZero() {
		o.began, o.backoff = now, every
	} else {
		o.backoff = min(2*o.backoff, max(mostBackoff, every))
	}
	o.next = now.Add(o.backoff)
	if o.said.IsZero() || now.Sub(o.said) >= complain {
		o.said = now
		log.Error("usage cannot be written; it is kept and retried", "error", err, "rows", rows,
			"since", o.began, "retry_in", o.backoff.String())
	}
}
