package upstream

import (
	"context"
	"net"
	"time"

	"weir/http1"
)

// What the tests of this package, which speak its dialects, see of its inside.
const (
	MaxFailureWord    = maxFailureWord
	MaxFailureMessage = maxFailureMessage
	MaxRetryAfter     = maxRetryAfter
	MaxCount          = maxCount
)

func ReadRetryAfter(header func(string) string, now time.Time) (time.Duration, bool) {
	return readRetryAfter(header, now)
}

// DialBy has a client get its connections from dial.
func (c *Client) DialBy(dial func(ctx context.Context, network, address string) (net.Conn, error)) {
	wire := c.o.wire()
	wire.Dial = dial
	c.wire = http1.New(wire)
}

func ReadStreamFailure(data []byte) *Failure { return readStreamFailure(data) }
