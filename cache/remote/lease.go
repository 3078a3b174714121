package remote

import (
	"context"
	"time"

	"github.com/redis/rueidis"

	"weir"
	"weir/cache"
)

const (
	leaseFor  = 4 * beat // a gateway that dies holds up the others for as long
	maxClaims = 10_000   // leases of one gateway; beyond it requests ask without

	firstPause = 5 * time.Millisecond // between two looks for another gateway's answer
	mostPause  = 50 * time.Millisecond
)

// releaseLua has KEYS lease, ARGV holder.
var releaseLua = rueidis.NewLuaScript(`
if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end
return 0`)

// Await makes this gateway the one that asks the model for a key, until Put or Release.
// While another one asks, it waits for that one's answer, at most for the time given. nil:
// the caller asks, whether or not it has the lease.
func (s *Store) Await(ctx context.Context, k cache.Key, most time.Duration) *cache.Entry {
	if s.claim(ctx, k) || most <= 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, most)
	defer cancel()
	for pause := firstPause; ; pause = min(pause*3/2, mostPause) {
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(pause):
		}
		mine := s.claim(ctx, k)
		if e := s.Get(ctx, k, weir.At(time.Now())); e != nil { // also: it has come since the look before
			if mine {
				s.Release(k)
			}
			return e
		}
		if mine {
			return nil
		}
	}
}

// claim takes the lease of a key. False: another gateway has it.
func (s *Store) claim(ctx context.Context, k cache.Key) bool {
	c := s.ready()
	if c == nil {
		return true
	}
	_, err := s.ask(ctx, c, c.B().Set().Key(s.key("asks", k)).Value(s.id).Nx().PxMilliseconds(leaseFor.Milliseconds()).Build())
	switch {
	case rueidis.IsRedisNil(err):
		s.answered(ctx, nil)
		return false
	case !s.answered(ctx, err) || err != nil:
		return true
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.claims) < maxClaims {
		s.claims[k] = struct{}{}
	}
	return true
}

// unclaim forgets a lease, and says whether there was one.
func (s *Store) unclaim(k cache.Key) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, mine := s.claims[k]
	delete(s.claims, k)
	return mine
}

// renew keeps the leases of this gateway.
func (s *Store) renew(ctx context.Context, c rueidis.Client) {
	s.mu.Lock()
	var cmds rueidis.Commands
	for k := range s.claims {
		cmds = append(cmds, c.B().Pexpire().Key(s.key("asks", k)).Milliseconds(leaseFor.Milliseconds()).Build())
	}
	s.mu.Unlock()
	if len(cmds) > 0 {
		c.DoMulti(ctx, cmds...)
	}
}
