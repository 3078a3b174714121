package limits

import (
	"context"
	"errors"
	"strings"

	"github.com/redis/rueidis"
)

// healed reports foreign data at Weir's keys. The data was deleted; the
// gateways write their shared data again.
func (s *Shared) healed(wrong string) {
	s.mu.Lock()
	s.status.Healed++
	s.mu.Unlock()
	s.log.Warn("redis had foreign data under one of weir's keys; it was deleted and will be rewritten: does another program use the prefix?",
		"found", wrong, "prefix", s.o.Prefix)
}

// heal deletes a key of another type than want, and reports it.
func (s *Shared) heal(ctx context.Context, c rueidis.Client, key, want string, err error) {
	var refusal *rueidis.RedisError
	if !errors.As(err, &refusal) || !strings.Contains(refusal.Error(), "WRONGTYPE") {
		return
	}
	is, err := c.Do(ctx, c.B().Type().Key(key).Build()).ToString()
	if err != nil || is == want || is == "none" {
		return
	}
	if c.Do(ctx, c.B().Del().Key(key).Build()).Error() == nil {
		s.healed(key + " is a " + is + ", not a " + want)
	}
}
