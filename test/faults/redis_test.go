package faults

import (
	"context"
	"testing"

	"weir/limits/redistest"
)

// sharing starts a Redis and returns the configuration of a gateway that shares
// limits, wide ones, through it.
func sharing(t *testing.T) (server string, redis *redistest.Server) {
	t.Helper()
	redis, err := redistest.Start(redistest.Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(redis.Kill)
	return "redis: {addresses: [\"" + redis.Addr + "\"]}\n" +
		"limits: [{tenant: caller, limits: {requests: 10M/min, tokens: 1000M/min, concurrent: 500}}]", redis
}

// hears waits until the gateway says whether it hears Redis.
func (l *life) hears(t *testing.T, want float64) {
	t.Helper()
	err := within(patience, "the gateway to say how it stands with redis", func() bool {
		v, err := l.gauge("weir_shared_connected", "")
		return err == nil && v == want
	})
	if err != nil {
		t.Fatalf("%v\n%s", err, l.said)
	}
}

// without has callers call while Redis is there, is taken away, and is there
// again where back brings it.
func without(t *testing.T, l *life, take func(*redistest.Server) error, back func(*redistest.Server) error) want {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	l.hears(t, 1)
	end := l.load(ctx)
	defer end()
	l.seen.until(t, 50)
	for _, step := range []struct {
		do    func(*redistest.Server) error
		hears float64
	}{{take, 0}, {back, 1}} {
		if step.do == nil {
			continue
		}
		if err := step.do(l.redis); err != nil {
			t.Fatal(err)
		}
		l.hears(t, step.hears)
		l.seen.until(t, l.seen.answered()+50)
	}
	end()
	l.up.until(t, "its requests end", settled)
	return l.complete(t, l.seen.words())
}

func redisHangs(t *testing.T, l *life) want {
	return without(t, l, (*redistest.Server).Pause, (*redistest.Server).Resume)
}

func redisDies(t *testing.T, l *life) want {
	return without(t, l, func(s *redistest.Server) error { s.Kill(); return nil }, nil)
}

func redisForgets(t *testing.T, l *life) want {
	return without(t, l, func(s *redistest.Server) error { s.Kill(); return nil }, (*redistest.Server).Restart)
}
