package faults

import (
	"cmp"
	"fmt"
	"net/http"
	"sync"
	"syscall"
	"testing"
	"time"

	"weir/limits/redistest"
)

// lives are the scenarios that happen to the gateway itself: each has a Weir
// and an upstream of its own.
var lives = []struct {
	name, fault string
	server      string        // more of the server's configuration
	redis       bool          // it shares its limits
	stall       time.Duration // of the upstream; 0: long
	up          script
	acts        func(*testing.T, *life) want
	want        want
}{
	{
		name: "reload-hup", fault: "SIGHUP 10 times under load, the model moving between two deployments each time",
		up: always(good), acts: reloadByHangup,
		want: want{caller: "answered 200 5 tokens", a: "200", metered: "every call"},
	},
	{
		name: "reload-post", fault: "POST /admin/reload 10 times under load, every other time with a file that is wrong, which must change nothing",
		up: always(good), acts: reloadByPost,
		want: want{caller: "answered 200 5 tokens", a: "200", metered: "every call"},
	},
	{
		name: "sigterm", fault: "SIGTERM with 6 streams open, half of them in HTTP/2: they run to their end, new calls are refused",
		up: always(begin, tokens(2), held, rest), acts: sigterm,
		want: want{caller: "6x answered 200 7 tokens", a: "6x 200", metered: "6 completed; 42+30 tokens"},
	},
	{
		name: "sigterm-load", fault: "SIGTERM under load: every accepted call is answered and metered, no stream breaks",
		up: always(good), acts: sigtermLoad,
		want: want{caller: "answered 200 5 tokens until then", a: "200", metered: "every call"},
	},
	{
		name: "sigterm-deadline", fault: "SIGTERM with 6 streams that never end: at drain_timeout each gets an error event that says so", server: "  drain_timeout: 1s",
		up: always(begin, tokens(2), stall), acts: sigterm,
		want: want{caller: "6x broken 200 gateway_stopping 2 tokens", a: "6x left", metered: "6 failed; 90+12 tokens estimated"},
	},
	{
		name: "kill", fault: "kill -9 under load: what the ledger had told stands in it at the next start, and no replica is left behind",
		up: always(good), acts: killed,
		want: want{caller: "answered 200 5 tokens until then", a: "200", metered: "all that the ledger had told; no orphans"},
	},
	{
		name: "disk-full", fault: "the ledger's files cannot grow: calls go on, and all are metered once there is room again",
		up: always(good), acts: diskFull,
		want: want{caller: "20x answered 200 5 tokens", a: "20x 200", metered: "20 completed; 140+100 tokens"},
	},
	{
		name: "redis-hangs", fault: "the Redis that limits are shared through is stopped under load (SIGSTOP), its connections open, and goes on later: no request waits for it",
		redis: true, up: always(good), acts: redisHangs,
		want: want{caller: "answered 200 5 tokens", a: "200", metered: "every call"},
	},
	{
		name: "redis-dies", fault: "that Redis is killed under load and does not come back",
		redis: true, up: always(good), acts: redisDies,
		want: want{caller: "answered 200 5 tokens", a: "200", metered: "every call"},
	},
	{
		name: "redis-forgets", fault: "that Redis is killed under load and comes back with nothing in its memory",
		redis: true, up: always(good), acts: redisForgets,
		want: want{caller: "answered 200 5 tokens", a: "200", metered: "every call"},
	},
	{
		name: "stopped", fault: "the gateway is stopped for longer than its stall limit (SIGSTOP), as a machine that is moved: the monotonic clock jumps, the upstream has answered meanwhile",
		stall: 5 * time.Second, up: always(begin, tokens(2), held, rest), acts: stopped,
		want: want{caller: "answered 200 7 tokens", a: "1x 200", metered: "1 completed; 7+5 tokens"},
	},
	{
		name: "azure", fault: "an emulated Azure OpenAI: an answer, a filtered prompt, a filtered answer, an error after the start-up metadata of a stream, and twice a full provisioned deployment",
		up: always(good), acts: azure,
		want: want{
			caller: "answered 200 20 tokens by ptu; refused 400 content_filter; answered 200 8 tokens by ptu; " +
				"answered 200 20 tokens by std; answered 200 20 tokens by std; answered 200 18 tokens by std",
			a: "ptu worked on 3, std worked on 3", metered: "5 completed, 1 failed; 66+88 tokens",
		},
	},
}

// life is a Weir that may be ended, and the upstream of its model.
type life struct {
	*gateway
	up, other *upstream
	dir       string
	stall     time.Duration
	seen      *tally
	redis     *redistest.Server // nil: it has its limits to itself
}

const lifeModel = "m"

func TestLives(t *testing.T) {
	if *foreign != "" {
		for _, l := range lives {
			against.skip(l.name, "it starts, stops and reloads the gateway, or is about its ledger")
		}
		return
	}
	for _, l := range lives {
		t.Run(l.name, func(t *testing.T) {
			t.Parallel()
			server, redis := l.server, (*redistest.Server)(nil)
			if l.redis {
				server, redis = sharing(t)
			}
			life := newLife(t, server, cmp.Or(l.stall, patient.stall), l.up)
			life.redis = redis
			have := l.acts(t, life)
			if have != l.want {
				t.Errorf("%s:\n  have %+v\n  want %+v", l.name, have, l.want)
			}
			results.put(l.name, l.fault, have.caller, have.a, have.metered, "holds")
		})
	}
}

func newLife(t *testing.T, server string, stall time.Duration, s script) *life {
	t.Helper()
	l := &life{dir: t.TempDir(), stall: stall, seen: &tally{count: map[string]int{}}}
	var err error
	for _, u := range []**upstream{&l.up, &l.other} {
		if *u, err = newUpstream("127.0.0.1:0", s); err != nil {
			t.Fatal(err)
		}
		t.Cleanup((*u).stop)
	}
	if l.gateway, err = startWeir(l.dir, server, l.models("first", l.up)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.stop() })
	return l
}

// models is a configuration whose model has one deployment.
func (l *life) models(deployment string, u *upstream) string {
	return fmt.Sprintf(`  - name: %s
    deployments:
      - name: %s
        timeouts:
          stall: %v
        external:
          urls: ["http://%s"]
          model: up
          metrics: ""
`, lifeModel, deployment, l.stall, u.addr)
}

// restart runs the program again on the same files.
func (l *life) restart(t *testing.T) {
	t.Helper()
	bin, err := weirBinary()
	if err != nil {
		t.Fatal(err)
	}
	l.client.CloseIdleConnections()
	if err := l.start(bin); err != nil {
		t.Fatal(err)
	}
}

// sigterm stops the gateway while six streams are open.
func sigterm(t *testing.T, l *life) want {
	ctx, cancel := contextOf(t)
	defer cancel()
	second := &gateway{url: l.url, key: l.key, client: newHTTP2Client()}
	defer second.client.CloseIdleConnections()
	var callers sync.WaitGroup
	for i := range 6 {
		g := []*gateway{l.gateway, second}[i%2]
		callers.Go(func() {
			s := g.call(ctx, lifeModel, true)
			l.seen.add(s.words(0))
		})
	}
	l.up.until(t, "six streams", waiting(6))
	if err := l.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := within(patience, "the gateway to say that it stops", l.stops); err != nil {
		t.Errorf("%v\n%s", err, l.said)
	}
	l.up.open()
	callers.Wait()
	select {
	case <-l.ended:
	case <-time.After(patience):
		t.Fatalf("it did not end:\n%s", l.said)
	}
	if code := l.cmd.ProcessState.ExitCode(); code != 0 {
		t.Errorf("exit code %d:\n%s", code, l.said)
	}
	if s := l.call(ctx, lifeModel, false); s.status == http.StatusOK {
		t.Error("a call after the end was answered")
	}
	l.up.until(t, "its requests end", settled)
	l.restart(t)
	return want{caller: counted(l.seen.count), a: l.up.summary(), metered: l.metered(t, lifeModel, 6, false)}
}

// sigtermLoad stops the gateway while callers call.
func sigtermLoad(t *testing.T, l *life) want {
	ctx, cancel := contextOf(t)
	defer cancel()
	end := l.load(ctx)
	defer end()
	l.seen.until(t, 50)
	if err := l.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	<-l.ended
	end()
	if code := l.cmd.ProcessState.ExitCode(); code != 0 {
		t.Errorf("exit code %d:\n%s", code, l.said)
	}
	l.up.until(t, "its requests end", settled)
	l.seen.forget("refused") // told that the gateway stops
	l.restart(t)
	return l.complete(t, l.seen.words()+" until then")
}

// stops says whether new calls are turned away, or the program has ended.
func (l *life) stops() bool {
	resp, err := http.Get(l.admin + "/readyz")
	if err != nil {
		return true
	}
	resp.Body.Close()
	return resp.StatusCode != http.StatusOK
}

// newHTTP2Client speaks HTTP/2 without TLS.
func newHTTP2Client() *http.Client {
	tr := &http.Transport{DisableCompression: true, Protocols: new(http.Protocols)}
	tr.Protocols.SetUnencryptedHTTP2(true)
	return &http.Client{Transport: tr}
}
