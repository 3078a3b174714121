package limits

import (
	"net"
	"sync"
	"testing"
	"time"

	"weir/limits/redistest"
)

// far returns an address with a delay in both directions to a server.
func far(t *testing.T, to string, away time.Duration) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var conns sync.WaitGroup
	t.Cleanup(func() { ln.Close(); conns.Wait() })
	conns.Go(func() {
		for {
			near, err := ln.Accept()
			if err != nil {
				return
			}
			there, err := net.Dial("tcp", to)
			if err != nil {
				near.Close()
				continue
			}
			conns.Go(func() { carry(near, there, away) })
			conns.Go(func() { carry(there, near, away) })
		}
	})
	return ln.Addr().String()
}

// carry copies one direction of a connection with a delay.
func carry(to, from net.Conn, away time.Duration) {
	type piece struct {
		due   time.Time
		bytes []byte
	}
	pieces := make(chan piece, 1000)
	go func() {
		defer close(pieces)
		for {
			b := make([]byte, 32<<10)
			n, err := from.Read(b)
			if n > 0 {
				pieces <- piece{time.Now().Add(away), b[:n]}
			}
			if err != nil {
				return
			}
		}
	}()
	for p := range pieces {
		time.Sleep(time.Until(p.due)) // the distance
		if _, err := to.Write(p.bytes); err != nil {
			break
		}
	}
	to.Close()
	from.Close()
	for range pieces {
	}
}

// With a Redis that is far away, or nearly too slow for the gateways, callers
// are still admitted, and no more than the limit and the leases.
func TestASlowRedisNeitherStopsNorWidensALimit(t *testing.T) {
	for _, away := range []time.Duration{25 * time.Millisecond, 150 * time.Millisecond} { // one way
		redis := startRedis(t, redistest.Options{})
		const rate, burst, n = 30_000, 1000, 1
		members, leases := three(t, Options{Addrs: []string{far(t, redis.Addr, away)}}, flow(rate, burst))
		held := outstanding("tenant=demo|tokens_per_minute", members...)
		stop := make(chan struct{})
		began := time.Now()
		used, wait := hammer(members, leases, 30, n, stop)
		within(t, "a burst and three seconds' limit to be used", func() bool { return used.Load() >= burst+3*rate/60 })
		close(stop)
		wait()
		took := time.Since(began)
		allowed := burst + int64(took.Minutes()*rate) + 3*n
		if got := used.Load(); got > allowed+held {
			t.Errorf("%v away: %d used in %v, of which %d are allowed, and leases held %d\n%s", away, got, took, allowed, held, describe(members))
		}
		t.Logf("%v away: %d of %d", away, used.Load(), allowed)
		for _, m := range members {
			m.leave()
		}
	}
}
