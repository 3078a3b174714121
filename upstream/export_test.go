package upstream

import (
	"context"
	"net"
	"time"

	"weir/http1"
)

// Internals for this package's tests, which use its dialects.
const (
	MaxFailureWord    = maxFailureWord
	MaxFailureMessage = maxFailureMessage
	MaxRetryAfter     = maxRetryAfter
	MaxCount          = maxCount
)

func ReadRetryAfter(header func(string) string, now time.Time) (time.Duration, bool) {
	return readRetryAfter(header, now)
}

// DialBy makes a client get its connections from dial.
func (c *Client) DialBy(dial func(ctx context.Context, network, address string) (net.Conn, error)) {
	wire := c.o.wire()
	wire.Dial = dial
	c.wire = http1.New(wire)
}

func ReadStreamFailure(data []byte) *Failure { return readStreamFailure(data) }
