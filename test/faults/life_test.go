package faults

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
	"unsafe"
)

// lives are the scenarios that happen to the gateway itself: each has a Weir
// and an upstream of its own.
var lives = []struct {
	name, fault string
	server      string // more of the server's configuration
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
		name: "sigterm", fault: "SIGTERM with 6 streams open, half of them in HTTP/2: they end as they should, new calls are turned away",
		up: always(begin, tokens(2), pause(time.Second), rest), acts: sigterm,
		want: want{caller: "6x answered 200 7 tokens", a: "6x 200", metered: "6 completed; 42+30 tokens"},
	},
	{
		name: "sigterm-deadline", fault: "SIGTERM with 6 streams that never end: at drain_timeout each is told so", server: "  drain_timeout: 1s",
		up: always(begin, tokens(2), stall), acts: sigterm,
		want: want{caller: "6x broken 200 gateway_stopping 2 tokens", a: "6x left", metered: "6 failed; 90+12 tokens estimated"},
	},
	{
		name: "kill", fault: "kill -9 under load: what ended a second before stands in the ledger of the next start, and no replica is left behind",
		up: always(good), acts: killed,
		want: want{caller: "answered 200 5 tokens until then", a: "200", metered: "all but the last second; no orphans"},
	},
	{
		name: "disk-full", fault: "the ledger's files may not grow: calls go on, and are all metered when there is room again",
		up: always(good), acts: diskFull,
		want: want{caller: "20x answered 200 5 tokens", a: "20x 200", metered: "20 completed; 140+100 tokens"},
	},
	{
		name: "stopped", fault: "the gateway is stopped for twice its stall limit (SIGSTOP), as a machine that is moved: the monotonic clock jumps, the upstream has answered meanwhile",
		up: always(begin, tokens(2), pause(500*time.Millisecond), rest), acts: stopped,
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
	seen      *tally
}

const lifeModel = "m"

func TestLives(t *testing.T) {
	if *foreign != "" {
		t.Log("another gateway is not ours to signal: these scenarios are for Weir")
		return
	}
	for _, l := range lives {
		t.Run(l.name, func(t *testing.T) {
			t.Parallel()
			have := l.acts(t, newLife(t, l.server, l.up))
			if have != l.want {
				t.Errorf("%s:\n  have %+v\n  want %+v", l.name, have, l.want)
			}
			results.put(l.name, l.fault, have.caller, have.a, have.metered, "holds")
		})
	}
}

func newLife(t *testing.T, server string, s script) *life {
	t.Helper()
	l := &life{dir: t.TempDir(), seen: &tally{count: map[string]int{}}}
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
          stall: 1s
        external:
          urls: ["http://%s"]
          model: up
          metrics: ""
`, lifeModel, deployment, u.addr)
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

// tally counts what callers saw, and when.
type tally struct {
	mu    sync.Mutex
	count map[string]int
	ended []time.Time
}

func (y *tally) add(words string) {
	y.mu.Lock()
	defer y.mu.Unlock()
	y.count[words]++
	y.ended = append(y.ended, time.Now())
}

// total is how many calls ended, before a time.
func (y *tally) total(before time.Time) (n int) {
	y.mu.Lock()
	defer y.mu.Unlock()
	for _, at := range y.ended {
		if at.Before(before) {
			n++
		}
	}
	return n
}

// words of a tally in which every call saw the same are those words alone.
func (y *tally) words() string {
	y.mu.Lock()
	defer y.mu.Unlock()
	if len(y.count) == 1 {
		for words := range maps.Keys(y.count) {
			return words
		}
	}
	return counted(y.count)
}

// forget drops answers of a kind.
func (y *tally) forget(kind string) {
	y.mu.Lock()
	defer y.mu.Unlock()
	maps.DeleteFunc(y.count, func(words string, _ int) bool { return kinds(words) == kind })
}

// load calls from several sides until it is ended, streams and whole answers.
func (l *life) load(ctx context.Context) (end func()) {
	var stop sync.Once
	stopped := make(chan struct{})
	var callers sync.WaitGroup
	for i := range 4 {
		callers.Go(func() {
			for n := i; ; n++ {
				select {
				case <-stopped:
					return
				default:
				}
				s := l.call(ctx, lifeModel, n%2 == 0)
				if s.status == 0 {
					return // the gateway is gone
				}
				l.seen.add(s.words(0))
			}
		})
	}
	return func() {
		stop.Do(func() { close(stopped) })
		callers.Wait()
	}
}

// until waits for a number of calls.
func (y *tally) until(t *testing.T, n int) {
	t.Helper()
	if err := within(patience, fmt.Sprintf("%d calls", n), func() bool { return y.total(time.Now()) >= n }); err != nil {
		t.Fatal(err)
	}
}

// reloads swaps configurations under load, by the way given.
func (l *life) reloads(t *testing.T, reload func(i int)) want {
	ctx, cancel := contextOf(t)
	defer cancel()
	end := l.load(ctx)
	defer end()
	for i := range 10 {
		l.seen.until(t, 10*(i+1)) // there is load between two swaps
		reload(i)
	}
	l.seen.until(t, 120)
	end()
	for _, u := range []*upstream{l.up, l.other} {
		u.until(t, "its requests end", settled)
		if u.requests() == 0 {
			t.Error("a deployment was never asked: the configurations were not swapped")
		}
	}
	calls := l.seen.total(time.Now())
	l.metered(t, lifeModel, calls, false)
	sum, err := l.gateway.usage(lifeModel)
	if err != nil {
		t.Fatal(err)
	}
	have := want{caller: l.seen.words(), a: "200", metered: "every call"}
	if sum.Completed != int64(calls) || sum.Requests != int64(calls) || sum.Completion != int64(calls*goodTokens) {
		have.metered = fmt.Sprintf("%+v for %d calls", sum, calls)
	}
	if asked := l.up.requests() + l.other.requests(); asked != calls {
		have.a = fmt.Sprintf("%d requests for %d calls", asked, calls)
	}
	l.idle(t, lifeModel)
	return have
}

// configure writes the i-th configuration over the one in force.
func (l *life) configure(t *testing.T, i int, more string) {
	t.Helper()
	models := l.models("first", l.up)
	if i%2 == 0 {
		models = l.models("second", l.other)
	}
	l.write(t, models+more)
}

// write puts models into the configuration, at once.
func (l *life) write(t *testing.T, models string) {
	t.Helper()
	text, err := os.ReadFile(l.config)
	if err != nil {
		t.Fatal(err)
	}
	head, _, _ := strings.Cut(string(text), "\nmodels:\n")
	next := l.config + ".next"
	if err := os.WriteFile(next, []byte(head+"\nmodels:\n"+models), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(next, l.config); err != nil {
		t.Fatal(err)
	}
}

func reloadByHangup(t *testing.T, l *life) want {
	return l.reloads(t, func(i int) {
		l.configure(t, i, "")
		if err := l.cmd.Process.Signal(syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
		if err := within(patience, "the reload", func() bool {
			return strings.Count(l.said.String(), "configuration reloaded") > i
		}); err != nil {
			t.Fatal(err)
		}
	})
}

func reloadByPost(t *testing.T, l *life) want {
	return l.reloads(t, func(i int) {
		more, want := "", http.StatusOK
		if i%2 == 1 {
			more, want = "nonsense: true\n", http.StatusUnprocessableEntity
		}
		l.configure(t, i/2, more)
		l.reload(t, want)
	})
}

// reload asks for it and wants a status.
func (l *life) reload(t *testing.T, want int) {
	t.Helper()
	resp, err := http.Post(l.admin+"/admin/reload", "", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if b, _ := io.ReadAll(resp.Body); resp.StatusCode != want {
		t.Fatalf("reload: %s, want %d: %s", resp.Status, want, b)
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

// newHTTP2Client speaks HTTP/2 without TLS.
func newHTTP2Client() *http.Client {
	tr := &http.Transport{DisableCompression: true, Protocols: new(http.Protocols)}
	tr.Protocols.SetUnencryptedHTTP2(true)
	return &http.Client{Transport: tr}
}

// mayLose is what a crash may take from the ledger: flush_every of this
// suite's configuration, and a second for the write itself.
const mayLose = 200*time.Millisecond + time.Second

func killed(t *testing.T, l *life) want {
	replicas := l.withReplicas(t)
	ctx, cancel := contextOf(t)
	defer cancel()
	end := l.load(ctx)
	defer end()
	first := l.seen.total(time.Now())
	time.Sleep(2 * mayLose) // the load must have run for longer than may be lost
	at := time.Now()
	if err := l.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	<-l.ended
	end()
	if l.seen.total(at) <= first {
		t.Fatal("there was no load")
	}
	l.seen.forget("broken") // what was under way
	have := want{caller: l.seen.words() + " until then", a: "200", metered: "all but the last second; no orphans"}
	l.restart(t)
	least, most := l.seen.total(at.Add(-mayLose)), l.up.requests()
	sum, err := l.gateway.usage(lifeModel)
	if err != nil {
		t.Fatal(err)
	}
	if sum.Requests < int64(least) || sum.Requests > int64(most) {
		have.metered = fmt.Sprintf("%d calls, at least %d ended long enough before, %d were asked for", sum.Requests, least, most)
	}
	if err := within(patience, "the replicas to end", func() bool { return len(alive(replicas)) == 0 }); err != nil {
		have.metered += fmt.Sprintf("; left behind: %v", alive(replicas))
	}
	l.idle(t, lifeModel)
	return have
}

// withReplicas adds a model whose replicas the gateway starts itself and
// returns their process ids when they serve.
func (l *life) withReplicas(t *testing.T) []int {
	t.Helper()
	bin, err := weirBinary()
	if err != nil {
		t.Fatal(err)
	}
	l.configure(t, 1, `  - name: own
    deployments:
      - name: own/emulated
        process:
          command: [`+bin+`, emulate, --listen, "127.0.0.1:{port}", --model, llama-3.1-8b, --gpu, H100-80GB, --load, 100ms]
          model: llama-3.1-8b
        scaling:
          min: 2
          max: 2
`)
	l.reload(t, http.StatusOK)
	err = within(patience, "two replicas", func() bool {
		body, err := l.get("/admin/replicas")
		return err == nil && strings.Count(string(body), `"state": "ready"`) == 2
	})
	if err != nil {
		body, _ := l.get("/admin/replicas")
		t.Fatalf("%v: %s\n%s", err, body, l.said)
	}
	pids := children(l.cmd.Process.Pid)
	if len(pids) < 2 {
		t.Fatalf("the gateway has %d children, want 2", len(pids))
	}
	return pids
}

// children are the processes whose parent has this id.
func children(parent int) (pids []int) {
	files, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, f := range files {
		if ppid, _ := stat(f); ppid == parent {
			pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(f)))
			pids = append(pids, pid)
		}
	}
	return pids
}

// stat reads a process's parent and state; 0 when it is no more.
func stat(file string) (parent int, state string) {
	b, err := os.ReadFile(file)
	if err != nil {
		return 0, ""
	}
	fields := strings.Fields(string(b[strings.LastIndexByte(string(b), ')')+1:]))
	parent, _ = strconv.Atoi(fields[1])
	return parent, fields[0]
}

func alive(pids []int) (left []int) {
	for _, pid := range pids {
		if _, state := stat(fmt.Sprintf("/proc/%d/stat", pid)); state != "" && state != "Z" {
			left = append(left, pid)
		}
	}
	return left
}

// diskFull bounds the size of the files the running gateway may write
// (prlimit(2), RLIMIT_FSIZE, which needs no privilege): beyond it every write
// fails, as on a full disk. Then it takes the bound away.
func diskFull(t *testing.T, l *life) want {
	ctx, cancel := contextOf(t)
	defer cancel()
	full := &syscall.Rlimit{Cur: 4096, Max: ^uint64(0)}
	if err := limitFiles(l.cmd.Process.Pid, full); err != nil {
		t.Fatal(err)
	}
	for i := range 20 {
		s := l.call(ctx, lifeModel, i%2 == 0)
		l.seen.add(s.words(0))
	}
	if err := within(patience, "a write to fail", func() bool {
		failures, err := l.gauge("weir_ledger_failures_total", "")
		return err == nil && failures > 0
	}); err != nil {
		t.Fatal(err)
	}
	if pending, err := l.gauge("weir_ledger_pending_rows", ""); err != nil || pending == 0 {
		t.Errorf("%v rows wait to be written (%v), want some", pending, err)
	}
	if err := limitFiles(l.cmd.Process.Pid, &syscall.Rlimit{Cur: ^uint64(0), Max: ^uint64(0)}); err != nil {
		t.Fatal(err)
	}
	l.up.until(t, "its requests end", settled)
	have := want{caller: counted(l.seen.count), a: l.up.summary(), metered: l.metered(t, lifeModel, 20, false)}
	l.idle(t, lifeModel)
	return have
}

func limitFiles(pid int, limit *syscall.Rlimit) error {
	_, _, errno := syscall.RawSyscall6(syscall.SYS_PRLIMIT64, uintptr(pid), syscall.RLIMIT_FSIZE, uintptr(unsafe.Pointer(limit)), 0, 0, 0)
	if errno != 0 {
		return fmt.Errorf("prlimit: %w", errno)
	}
	return nil
}

// stopped holds the whole process while its upstream goes on.
func stopped(t *testing.T, l *life) want {
	ctx, cancel := contextOf(t)
	defer cancel()
	saw := make(chan seen, 1)
	go func() { saw <- l.call(ctx, lifeModel, true) }()
	l.up.until(t, "the stream", waiting(1))
	if err := l.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	l.up.until(t, "its requests end", settled)
	time.Sleep(2 * time.Second) // for longer than the stall limit
	if err := l.cmd.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	s := <-saw
	have := want{caller: s.words(0), a: l.up.summary(), metered: l.metered(t, lifeModel, 1, false)}
	l.idle(t, lifeModel)
	return have
}
