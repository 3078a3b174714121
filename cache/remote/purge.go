package remote

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/redis/rueidis"

	"weir/cache"
)

// The purges of all gateways are one hash: by name, the number of the last one; and "now",
// the last number. Every gateway reads it through the client's own cache, which Redis
// invalidates: looking costs nothing until there is a new purge.

const (
	latest   = "now"
	reread   = time.Minute // at most, even without an invalidation
	mostPast = 1 << 52     // a number that no count of purges reaches
)

// purgeLua has KEYS purges, ARGV name, least, most names.
var purgeLua = rueidis.NewLuaScript(`
local n = math.max(tonumber(redis.call('HGET', KEYS[1], 'now')) or 0, tonumber(ARGV[2])) + 1
if redis.call('HLEN', KEYS[1]) > tonumber(ARGV[3]) then
  redis.call('DEL', KEYS[1])
  redis.call('HSET', KEYS[1], 'all', n)
end
redis.call('HSET', KEYS[1], 'now', n, ARGV[1], n)
return n`)

// raiseLua has KEYS purges, ARGV least, and names with their numbers: a server that has
// lost its memory gets them back.
var raiseLua = rueidis.NewLuaScript(`
local function up(name, n)
  if (tonumber(redis.call('HGET', KEYS[1], name)) or 0) < tonumber(n) then redis.call('HSET', KEYS[1], name, n) end
end
up('now', ARGV[1])
for i = 2, #ARGV, 2 do up(ARGV[i], ARGV[i+1]) end
return 1`)

// errAway is the error of a purge while Redis does not answer.
var errAway = errors.New("redis does not answer")

// Purge makes a purge known to all gateways, with a number above least.
func (s *Store) Purge(ctx context.Context, name string, least cache.Generation) (cache.Generation, error) {
	c := s.ready()
	if c == nil {
		return 0, errAway
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	n, err := purgeLua.Exec(ctx, c, []string{s.purges()}, []string{name, strconv.FormatUint(uint64(least), 10), strconv.Itoa(cache.MaxPurged)}).AsInt64()
	if err != nil {
		return 0, err
	}
	s.mu.Lock()
	s.know(name, cache.Generation(n))
	s.mu.Unlock()
	s.rise(cache.Generation(n))
	return cache.Generation(n), nil
}

func (s *Store) rise(n cache.Generation) {
	for {
		old := s.heard.Load()
		if uint64(n) <= old || s.heard.CompareAndSwap(old, uint64(n)) {
			return
		}
	}
}

func (s *Store) poke() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// keep connects, probes, hears purges and renews leases until ctx ends.
func (s *Store) keep(ctx context.Context, here Here) {
	tick := time.NewTicker(beat)
	defer tick.Stop()
	for ctx.Err() == nil {
		s.turn(ctx, here)
		select {
		case <-ctx.Done():
		case <-tick.C:
		case <-s.wake:
		}
	}
}

func (s *Store) turn(ctx context.Context, here Here) {
	ctx, cancel := context.WithTimeout(ctx, 2*patience)
	defer cancel()
	c, err := s.connect()
	if err == nil && !s.up.Load() {
		err = s.probe(ctx, c)
	}
	if err == nil {
		err = s.hear(ctx, c, here)
	}
	if err != nil {
		s.intime = 0
		if ctx.Err() == nil || !errors.Is(err, context.Canceled) {
			s.down(err)
		}
		return
	}
	if !s.up.Load() {
		if s.intime++; s.intime < sound {
			return
		}
		s.intime = 0
		s.late.Store(0)
		s.up.Store(true)
		s.o.Log.Info("redis answers: stored answers are shared")
		s.mu.Lock()
		s.status.Connected, s.status.Since, s.status.Error = true, time.Now(), ""
		s.mu.Unlock()
	}
	s.renew(ctx, c)
}

// probe looks up some keys, as requests do: first to have connections, then within Budget.
func (s *Store) probe(ctx context.Context, c rueidis.Client) error {
	for _, most := range [...]time.Duration{patience, s.o.Budget} {
		limited, cancel := context.WithTimeout(ctx, most)
		defer cancel()
		var looks rueidis.Commands
		for range probes {
			var k cache.Key
			rand.Read(k[:])
			looks = append(looks, c.B().Getrange().Key(s.key("answer", k)).Start(0).End(0).Build())
		}
		for _, r := range c.DoMulti(limited, looks...) {
			if err := r.Error(); err != nil {
				return fmt.Errorf("a probe of at most %v: %w", most, err)
			}
		}
	}
	return nil
}

func (s *Store) connect() (rueidis.Client, error) {
	if c := s.client.Load(); c != nil {
		return *c, nil
	}
	c, err := rueidis.NewClient(s.o.Connection)
	if errors.Is(err, rueidis.ErrNoCache) { // an old server: then each look costs a round trip
		s.o.Connection.DisableCache = true
		c, err = rueidis.NewClient(s.o.Connection)
	}
	if err != nil {
		return nil, fmt.Errorf("connecting to %v: %w", s.o.Connection.InitAddress, err)
	}
	s.client.Store(&c)
	return c, nil
}

// hear takes the purges of other gateways, and gives a server that has lost them those
// known here.
func (s *Store) hear(ctx context.Context, c rueidis.Client, here Here) error {
	all, err := c.DoCache(ctx, c.B().Hgetall().Key(s.purges()).Cache(), reread).AsStrMap()
	var refusal *rueidis.RedisError
	if errors.As(err, &refusal) {
		if strings.Contains(refusal.Error(), "WRONGTYPE") {
			s.o.Log.Warn("redis had foreign data under one of weir's keys; it was deleted", "key", s.purges())
			err = c.Do(ctx, c.B().Del().Key(s.purges()).Build()).Error()
		}
		return err
	}
	if err != nil {
		return err
	}
	s.take(all, here)
	lost, args := s.lost(all, here)
	if lost {
		err = raiseLua.Exec(ctx, c, []string{s.purges()}, args).Error()
	}
	s.rise(here.Generation())
	return err
}

// know notes the number of a purge. The lock is held.
func (s *Store) know(name string, n cache.Generation) {
	if len(s.known) >= cache.MaxPurged && s.known[name] == 0 {
		clear(s.known)
	}
	s.known[name] = n
}

// take hears the purges that are new here. Such a one counts as later than everything here,
// whatever its number: a server that has lost its memory begins at 1 again. The others are
// told of the number that it gets here: see lost.
func (s *Store) take(all map[string]string, here Here) {
	before := here.Generation()
	for _, name := range slices.Sorted(maps.Keys(all)) {
		n, ok := number(all[name])
		s.mu.Lock()
		is := ok && name != latest && n > s.known[name]
		if is {
			n = max(n, before+1)
			s.know(name, n)
		}
		s.mu.Unlock()
		if is {
			here.Hear(name, n)
		}
	}
	if n, ok := number(all[latest]); ok && n > here.Generation() { // new entries are of that one
		here.Hear(latest, n)
	}
}

// lost says whether the server does not have what is known here, and the arguments of
// raiseLua.
func (s *Store) lost(all map[string]string, here Here) (bool, []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	args := []string{strconv.FormatUint(uint64(here.Generation()), 10)}
	floor, _ := number(all["all"])
	for _, name := range slices.Sorted(maps.Keys(s.known)) {
		if there, _ := number(all[name]); there < s.known[name] && s.known[name] > floor {
			args = append(args, name, strconv.FormatUint(uint64(s.known[name]), 10))
		}
	}
	there, _ := number(all[latest])
	return there < here.Generation() || len(args) > 1, args
}

func number(text string) (cache.Generation, bool) {
	n, err := strconv.ParseUint(text, 10, 64)
	return cache.Generation(n), err == nil && n < mostPast
}
