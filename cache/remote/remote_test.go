package remote

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"weir"
	"weir/cache"
	"weir/cache/memory"
	"weir/limits"
	"weir/limits/redistest"
)

// patient bounds waits that would hang; it measures nothing.
const patient = 20 * time.Second

func within(t testing.TB, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patient); !is(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited %v in vain for %s", patient, what)
		}
	}
}

func startRedis(t testing.TB, o redistest.Options) *redistest.Server {
	t.Helper()
	o.Dir = t.TempDir()
	s, err := redistest.Start(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Kill)
	return s
}

// member is the stored answers of one gateway.
type member struct {
	*memory.Store
	remote *Store
}

func joinWith(t testing.TB, o limits.Options, tune ...func(*Options)) member {
	t.Helper()
	c, err := o.Connection()
	if err != nil {
		t.Fatal(err)
	}
	ro := Options{Connection: c, Budget: patient, Log: slog.New(slog.NewTextHandler(io.Discard, nil))}
	for _, f := range tune {
		f(&ro)
	}
	m := member{remote: New(ro)}
	m.Store = memory.New(memory.Options{}, m.remote)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() { defer close(ended); m.remote.Run(ctx, m.Store) }()
	t.Cleanup(func() { cancel(); <-ended; m.Close() })
	return m
}

// inHaste is the budget that gateways have.
func inHaste(o *Options) { o.Budget = 0 }

func join(t testing.TB, addr string, tune ...func(*Options)) member {
	t.Helper()
	m := joinWith(t, limits.Options{Addrs: []string{addr}}, tune...)
	within(t, "Redis to answer", func() bool { return m.remote.Status().Connected })
	return m
}

func keyOf(tenant string, n int) cache.Key {
	return cache.KeyOf(&cache.Scope{Tenant: tenant, Model: "m"}, fmt.Append(nil, n))
}

func now() weir.Instant { return weir.At(time.Now()) }

func entry(at cache.Generation, text string) *cache.Entry {
	return (&cache.Entry{Body: fmt.Appendf(nil, `{"id":"c1","text":%q}`, text), Stored: now(), TTL: time.Hour, Cost: 7, Generation: at,
		Usage: weir.Usage{Prompt: 3, Completion: 4}, Of: cache.Origin{Tenant: "t", Model: "m", Tags: []string{"faq"}}}).Ready()
}

func (m member) put(t testing.TB, k cache.Key, e *cache.Entry) {
	t.Helper()
	n := m.remote.Status().Stored
	m.Put(k, e)
	within(t, "the entry to be written", func() bool { return m.remote.Status().Stored > n })
}

func TestGatewaysShareAnswersAndPurges(t *testing.T) {
	redis := startRedis(t, redistest.Options{})
	one, two := join(t, redis.Addr), join(t, redis.Addr)
	e := entry(0, strings.Repeat("word ", 1000))
	one.put(t, keyOf("t", 1), e)
	got := two.Get(t.Context(), keyOf("t", 1), now())
	if got == nil || !bytes.Equal(got.Body, e.Body) || got.Cost != e.Cost || got.Usage != e.Usage || got.Of.Tags[0] != "faq" {
		t.Fatalf("%+v", got)
	}
	for i, sel := range []cache.Selector{{Tag: "faq"}, {Tenant: "t"}, {Model: "m"}, {All: true}} {
		if _, err := one.Purge(t.Context(), sel); err != nil {
			t.Fatal(err)
		}
		within(t, "the other to hear of it", func() bool { return two.Stats().Entries == 0 && two.Generation() == one.Generation() })
		if two.Get(t.Context(), keyOf("t", 1), now()) != nil || join(t, redis.Addr).Get(t.Context(), keyOf("t", 1), now()) != nil {
			t.Errorf("%+v: a purged answer is found", sel)
		}
		one.put(t, keyOf("t", 1), entry(one.Generation(), "x"))
		if two.Get(t.Context(), keyOf("t", 1), now()) == nil {
			t.Errorf("%d: an answer after the purge is not found", i)
		}
	}
}

// A server that has lost its memory, and another gateway's purge on it, bring nothing back.
func TestAPurgeHoldsWhenRedisForgets(t *testing.T) {
	redis := startRedis(t, redistest.Options{})
	one, two := join(t, redis.Addr), join(t, redis.Addr)
	for range 5 {
		if _, err := one.Purge(t.Context(), cache.Selector{Tag: "other"}); err != nil {
			t.Fatal(err)
		}
	}
	within(t, "the other to hear of it", func() bool { return two.Generation() == one.Generation() })
	old := entry(one.Generation(), "x")
	one.put(t, keyOf("t", 1), old)
	if two.Get(t.Context(), keyOf("t", 1), now()) == nil {
		t.Fatal("not found")
	}
	if err := redis.Restart(); err != nil {
		t.Fatal(err)
	}
	fresh := join(t, redis.Addr)
	if _, err := fresh.Purge(t.Context(), cache.Selector{Model: "m"}); err != nil {
		t.Fatal(err)
	}
	within(t, "all to hear of it", func() bool {
		return one.Get(t.Context(), keyOf("t", 1), now()) == nil && two.Get(t.Context(), keyOf("t", 1), now()) == nil
	})
	within(t, "the numbers to be one", func() bool { return one.Generation() == two.Generation() && two.Generation() == fresh.Generation() })
}

// An answer asked for before a purge is not found after it, also if it is written when Redis
// has forgotten the purges, by a gateway that had counted more of them.
func TestAnAnswerThatIsWrittenAfterRedisForgotIsStillPurged(t *testing.T) {
	redis := startRedis(t, redistest.Options{})
	one := join(t, redis.Addr)
	for range 5 {
		if _, err := one.Purge(t.Context(), cache.Selector{Tag: "other"}); err != nil {
			t.Fatal(err)
		}
	}
	old := entry(one.Generation(), "x")
	if err := redis.Restart(); err != nil {
		t.Fatal(err)
	}
	fresh := join(t, redis.Addr)
	if _, err := fresh.Purge(t.Context(), cache.Selector{Model: "m"}); err != nil {
		t.Fatal(err)
	}
	within(t, "the numbers to be one", func() bool { return one.remote.Status().Connected && one.Generation() == fresh.Generation() })
	n := one.remote.Status().Stored
	one.remote.Put(keyOf("t", 1), old)
	within(t, "the entry to be written", func() bool { return one.remote.Status().Stored > n })
	within(t, "the purge to hold", func() bool { return !fresh.Live(old.Generation, &old.Of) })
	if fresh.Get(t.Context(), keyOf("t", 1), now()) != nil || join(t, redis.Addr).Get(t.Context(), keyOf("t", 1), now()) != nil {
		t.Error("found")
	}
}

// What another program, another release or another tenant's key has left is no answer.
func TestHostileValuesAreNoAnswers(t *testing.T) {
	redis := startRedis(t, redistest.Options{})
	writer, reader := join(t, redis.Addr), join(t, redis.Addr)
	name := func(k cache.Key) string { return reader.remote.key("answer", k) }
	e := entry(0, strings.Repeat("abc", 500))
	writer.put(t, keyOf("victim", 0), e)
	raw, err := writer.remote.ready().Do(t.Context(), writer.remote.ready().B().Get().Key(name(keyOf("victim", 0))).Build()).ToString()
	if err != nil {
		t.Fatal(err)
	}
	flip := func(i int) string { b := []byte(raw); b[i] ^= 0x40; return string(b) }
	values := map[string]string{"empty": "", "text": "hello", "another tenant's": raw, "cut": raw[:len(raw)-3], "longer": raw + "x",
		"another version": "\x7f" + raw[1:], "a large one": strings.Repeat("x", 3<<20), "seen": seen}
	n := 1
	check := func(what, value string) {
		t.Helper()
		n++
		k := keyOf("t", n)
		if what != "another tenant's" {
			k = keyOf("victim", 0)
		}
		c := writer.remote.ready()
		if err := c.Do(t.Context(), c.B().Set().Key(name(k)).Value(value).Build()).Error(); err != nil {
			t.Fatal(err)
		}
		if got := reader.remote.Get(t.Context(), k, now()); got != nil && !bytes.Equal(got.Body, e.Body) {
			t.Errorf("%s: an answer: %.80s", what, got.Body)
		} else if got != nil && !strings.HasPrefix(what, "bit") {
			t.Errorf("%s: an answer", what)
		}
	}
	for what, v := range values {
		check(what, v)
	}
	for i := range raw {
		check(fmt.Sprint("bit of byte ", i), flip(i))
	}
	if s, err := redis.Do("RPUSH", name(keyOf("t", 999)), "x"); err != nil || !strings.HasPrefix(s, ":") {
		t.Fatal(s, err)
	}
	if reader.remote.Get(t.Context(), keyOf("t", 999), now()) != nil || !reader.remote.Status().Connected {
		t.Error("a list is an answer, or ends the connection")
	}
	redis.Do("DEL", reader.remote.purges())
	redis.Do("SET", reader.remote.purges(), "x")
	within(t, "purges to work again", func() bool { _, err := reader.Purge(t.Context(), cache.Selector{All: true}); return err == nil })
}

// However Redis fails: a lookup takes its budget at most, after a few there is none, and it
// comes back by itself.
func TestNoRequestWaitsForARedisThatIsPausedOrDead(t *testing.T) {
	for what, f := range map[string]struct{ fail, heal func(*redistest.Server) error }{
		"paused": {(*redistest.Server).Pause, (*redistest.Server).Resume},
		"dead":   {func(s *redistest.Server) error { s.Kill(); return nil }, (*redistest.Server).Restart},
	} {
		t.Run(what, func(t *testing.T) {
			redis := startRedis(t, redistest.Options{})
			m := join(t, redis.Addr, inHaste)
			if err := f.fail(redis); err != nil {
				t.Fatal(err)
			}
			var callers sync.WaitGroup
			for range 64 {
				callers.Go(func() {
					for range 50 {
						m.Get(t.Context(), keyOf("t", 1), now())
						m.Await(t.Context(), keyOf("t", 1), time.Hour)
						m.Put(keyOf("t", 2), entry(0, "x"))
					}
				})
			}
			callers.Wait()
			st := m.remote.Status()
			if st.Connected || st.Late > 64*3 || st.Late == 0 && what == "paused" { // each caller a few times at most
				t.Errorf("%+v", st)
			}
			if _, err := m.Purge(t.Context(), cache.Selector{All: true}); err == nil {
				t.Error("a purge that others do not know of is no error")
			}
			if err := f.heal(redis); err != nil {
				t.Fatal(err)
			}
			within(t, "Redis to answer", func() bool { return m.remote.Status().Connected })
			m.put(t, keyOf("t", 3), entry(m.Generation(), "x"))
		})
	}
}

func TestAFullRedisCostsOnlyItsAnswers(t *testing.T) {
	redis := startRedis(t, redistest.Options{})
	m := join(t, redis.Addr)
	m.put(t, keyOf("t", 1), entry(0, "x"))
	redis.Do("CONFIG", "SET", "maxmemory-policy", "noeviction")
	redis.Do("CONFIG", "SET", "maxmemory", "1mb")
	within(t, "Redis to refuse", func() bool { m.Put(keyOf("t", 2), entry(0, "y")); return m.remote.Status().Failed > 0 })
	if e := m.remote.Get(t.Context(), keyOf("t", 1), now()); e == nil || !m.remote.Status().Connected || !strings.Contains(m.remote.Status().Error, "OOM") {
		t.Errorf("%v %+v", e, m.remote.Status())
	}
	if m.Await(t.Context(), keyOf("t", 3), time.Hour) != nil {
		t.Error("an answer of nobody")
	}
}

// A large answer is written when a second gateway has asked for it.
func TestALargeAnswerIsWrittenAtSecondSight(t *testing.T) {
	redis := startRedis(t, redistest.Options{})
	one, two, three := join(t, redis.Addr), join(t, redis.Addr), join(t, redis.Addr)
	e := entry(0, strings.Repeat("x", bigBody))
	one.put(t, keyOf("t", 1), e)
	if n, _ := redis.Do("STRLEN", one.remote.key("answer", keyOf("t", 1))); n != fmt.Sprintf(":%d", len(seen)) {
		t.Errorf("%s bytes after the first", n)
	}
	if two.Get(t.Context(), keyOf("t", 1), now()) != nil {
		t.Error("found")
	}
	two.put(t, keyOf("t", 1), e)
	if three.Get(t.Context(), keyOf("t", 1), now()) == nil {
		t.Error("not found after the second")
	}
}

func TestOneGatewayAsksAndTheOtherWaits(t *testing.T) {
	redis := startRedis(t, redistest.Options{})
	one, two := join(t, redis.Addr), join(t, redis.Addr)
	k := keyOf("t", 1)
	if one.Await(t.Context(), k, time.Hour) != nil {
		t.Fatal("an answer of nobody")
	}
	got := make(chan *cache.Entry)
	go func() { got <- two.Await(t.Context(), k, patient) }()
	one.put(t, k, entry(0, "x"))
	if e := <-got; e == nil {
		t.Error("the other has not got the answer")
	}
	// One that fails lets the other ask, one that dies too, and none is waited for longer than said.
	k = keyOf("t", 2)
	one.Await(t.Context(), k, 0)
	if two.Await(t.Context(), k, 0) != nil || two.Await(t.Context(), k, time.Millisecond) != nil {
		t.Error("an answer of nobody")
	}
	go func() { got <- two.Await(t.Context(), k, time.Hour) }()
	one.Release(k)
	if e := <-got; e != nil {
		t.Error("an answer of nobody")
	}
	k = keyOf("t", 3)
	one.Await(t.Context(), k, 0)
	one.remote.unclaim(k) // as one that has died renews nothing
	if two.Await(t.Context(), k, time.Hour) != nil {
		t.Error("an answer of nobody")
	}
}

func TestAClusterTLSAndAUser(t *testing.T) {
	dir := t.TempDir()
	nodes, err := redistest.MakeCluster(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range nodes {
		t.Cleanup(n.Kill)
	}
	certs, err := redistest.NewCerts(dir)
	if err != nil {
		t.Fatal(err)
	}
	secure := startRedis(t, redistest.Options{TLS: certs, User: "weir", UserPassword: "secret"})
	for what, o := range map[string]limits.Options{
		"cluster": {Addrs: []string{nodes[0].Addr, nodes[1].Addr}},
		"tls":     {Addrs: []string{secure.Addr}, TLS: &limits.TLS{CA: certs.CA}, Username: "weir", Password: "secret"},
	} {
		one, two := joinWith(t, o), joinWith(t, o)
		within(t, what+": both to be connected", func() bool { return one.remote.Status().Connected && two.remote.Status().Connected })
		for i := range 20 { // on every node
			one.put(t, keyOf("t", i), entry(0, "x"))
			if two.Get(t.Context(), keyOf("t", i), now()) == nil {
				t.Errorf("%s: %d is not found", what, i)
			}
		}
		if _, err := one.Purge(t.Context(), cache.Selector{Tag: "faq"}); err != nil {
			t.Error(what, err)
		}
		within(t, what+": the other to hear of it", func() bool { return two.Stats().Entries == 0 })
	}
}

// A password that changes, as a token does, is sent again before it expires, on the same
// connection.
func TestATokenIsRenewedOnAnOpenConnection(t *testing.T) {
	redis := startRedis(t, redistest.Options{User: "an-object-id", UserPassword: "token-2"})
	redis.Do("ACL", "SETUSER", "an-object-id", ">token-1")
	var mu sync.Mutex
	asked := 0
	o := limits.Options{Addrs: []string{redis.Addr}, Credentials: func() (string, string, time.Time, error) {
		mu.Lock()
		defer mu.Unlock()
		if asked++; asked == 1 {
			return "an-object-id", "token-1", time.Now().Add(300 * time.Millisecond), nil
		}
		return "an-object-id", "token-2", time.Now().Add(time.Hour), nil
	}}
	m := joinWith(t, o)
	within(t, "a second token", func() bool { mu.Lock(); defer mu.Unlock(); return asked >= 2 })
	within(t, "Redis to answer", func() bool { return m.remote.Status().Connected })
	m.put(t, keyOf("t", 1), entry(0, "x"))
	if s, _ := redis.Do("ACL", "LOG"); s != "*0" {
		t.Errorf("a refused password: %s", s)
	}
}
