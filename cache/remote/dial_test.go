package remote

import (
	"sync/atomic"
	"testing"
	"time"

	"weir/limits"
	"weir/limits/redistest"
)

// A lookup that finds the connection lost does not wait for a new one, however long its
// token takes.
func TestNoLookupWaitsForAConnection(t *testing.T) {
	redis := startRedis(t, redistest.Options{User: "u", UserPassword: "p"})
	var slow atomic.Bool
	ready := make(chan struct{})
	o := limits.Options{Addrs: []string{redis.Addr}, Credentials: func() (string, string, time.Time, error) {
		if slow.Load() {
			<-ready
		}
		return "u", "p", time.Now().Add(time.Hour), nil
	}}
	m := joinWith(t, o, inHaste)
	t.Cleanup(func() { close(ready) }) // before the store ends
	within(t, "Redis to answer", func() bool { return m.remote.Status().Connected })
	slow.Store(true)
	redis.Do("CLIENT", "KILL", "TYPE", "normal")
	within(t, "lookups to be late", func() bool {
		began := time.Now()
		m.Get(t.Context(), keyOf("t", 1), now())
		if took := time.Since(began); took > time.Second {
			t.Errorf("a lookup took %v", took)
		}
		return !m.remote.Status().Connected
	})
}
