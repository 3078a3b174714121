package remote

import (
	"context"
	"io"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"weir/cache/memory"
	"weir/limits"
	"weir/limits/redistest"
)

// slowly passes connections on to a server, and each part of its replies after the time
// that it says.
func slowly(t *testing.T, to string) (addr string, by *atomic.Int64) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	by = new(atomic.Int64)
	go func() {
		for {
			from, err := ln.Accept()
			if err != nil {
				return
			}
			server, err := net.Dial("tcp", to)
			if err != nil {
				from.Close()
				continue
			}
			go func() { io.Copy(server, from); server.Close() }()
			go delayed(from, server, by)
		}
	}()
	return ln.Addr().String(), by
}

func delayed(to, from net.Conn, by *atomic.Int64) {
	type part struct {
		at   time.Time
		text []byte
	}
	parts := make(chan part, 10_000)
	go func() {
		defer to.Close()
		for p := range parts {
			time.Sleep(time.Until(p.at))
			to.Write(p.text)
		}
	}()
	defer close(parts)
	for {
		text := make([]byte, 16<<10)
		n, err := from.Read(text)
		if err != nil {
			return
		}
		parts <- part{time.Now().Add(time.Duration(by.Load())), text[:n]}
	}
}

// A Redis that answers, but never in time, is left alone: also if requests are few, and for
// as long as it is slow.
func TestASlowRedisIsLeftAlone(t *testing.T) {
	redis := startRedis(t, redistest.Options{})
	addr, by := slowly(t, redis.Addr)
	o := limits.Options{Addrs: []string{addr}}
	c, err := o.Connection()
	if err != nil {
		t.Fatal(err)
	}
	s, here := New(Options{Connection: c, Log: slog.New(slog.DiscardHandler)}), memory.New(memory.Options{}, nil)
	defer here.Close()
	within(t, "Redis to answer", func() bool { s.turn(t.Context(), here); return s.Status().Connected })
	by.Store(int64(3 * s.o.Budget))
	for range 3 {
		s.turn(t.Context(), here)
		s.Get(t.Context(), keyOf("t", 1), now())
	}
	if st := s.Status(); st.Connected || st.Late != 3 {
		t.Errorf("after three late replies: %+v", st)
	}
	for range 2 * sound {
		s.turn(t.Context(), here)
		s.Get(t.Context(), keyOf("t", 1), now())
	}
	if st := s.Status(); st.Connected || st.Late != 3 {
		t.Errorf("used again while it is slow: %+v", st)
	}
	by.Store(0)
	within(t, "Redis to answer", func() bool { s.turn(t.Context(), here); return s.Status().Connected })
	(*s.client.Load()).Close()
}

// One of three nodes that does not answer ends the lookups of all, though most are in time.
func TestOneLateReplyInThreeIsTooMany(t *testing.T) {
	s := New(Options{Log: slog.New(slog.DiscardHandler)})
	s.up.Store(true)
	for i := range 60 {
		if i%3 == 0 {
			s.answered(t.Context(), context.DeadlineExceeded)
		} else {
			s.answered(t.Context(), nil)
		}
	}
	if s.up.Load() {
		t.Error("lookups go on")
	}
	s.up.Store(true)
	s.late.Store(0)
	for i := range 1000 {
		if i%20 == 0 {
			s.answered(t.Context(), context.DeadlineExceeded)
		} else {
			s.answered(t.Context(), nil)
		}
	}
	if !s.up.Load() {
		t.Error("one late reply in twenty ends the lookups")
	}
}

// Each answer for Redis is stored, dropped or failed, also those that wait when Redis goes
// away; and what waits is counted as nothing when nothing waits.
func TestEachWriteIsCountedOnce(t *testing.T) {
	redis := startRedis(t, redistest.Options{})
	m := join(t, redis.Addr)
	const writers, each = 8, 200
	var all sync.WaitGroup
	for i := range writers {
		all.Go(func() {
			for j := range each {
				m.remote.Put(keyOf("t", i*each+j), entry(0, "x"))
				if j == each/2 {
					m.remote.down(context.DeadlineExceeded)
				}
			}
		})
	}
	all.Wait()
	within(t, "all to be counted", func() bool {
		st := m.remote.Status()
		return st.Stored+st.Dropped+st.Failed == writers*each && m.remote.queued.Load() == 0
	})
}
