package faults

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"
)

// killed ends the gateway without warning. What GET /admin/usage had told before
// must stand in the ledger; of the rest nobody was told.
func killed(t *testing.T, l *life) want {
	replicas := l.withReplicas(t)
	ctx, cancel := contextOf(t)
	defer cancel()
	end := l.load(ctx)
	defer end()
	told := l.told(t, 100)
	if err := l.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	<-l.ended
	end()
	l.seen.forget("broken") // what was under way
	have := want{caller: l.seen.words() + " until then", a: "200", metered: "all that the ledger had told; no orphans"}
	l.restart(t)
	most := l.up.requests()
	sum, err := l.gateway.usage(lifeModel)
	if err != nil {
		t.Fatal(err)
	}
	if sum.Requests < told || sum.Requests > int64(most) {
		have.metered = fmt.Sprintf("%d calls, %d were told before, %d were asked for", sum.Requests, told, most)
	}
	if err := within(patience, "the replicas to end", func() bool { return len(alive(replicas)) == 0 }); err != nil {
		have.metered += fmt.Sprintf("; left behind: %v", alive(replicas))
	}
	l.idle(t, lifeModel)
	return have
}

// told waits until the ledger tells of so many calls, and returns how many.
func (l *life) told(t *testing.T, n int64) (told int64) {
	t.Helper()
	if err := within(patience, fmt.Sprintf("%d calls in the ledger", n), func() bool {
		sum, err := l.gateway.usage(lifeModel)
		if err != nil {
			t.Fatal(err)
		}
		told = sum.Requests
		return told >= n
	}); err != nil {
		t.Fatal(err)
	}
	return told
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
	l.up.open()
	l.up.until(t, "its requests end", settled)
	time.Sleep(l.stall + time.Second) // the jump
	if err := l.cmd.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	s := <-saw
	have := want{caller: s.words(0), a: l.up.summary(), metered: l.metered(t, lifeModel, 1, false)}
	l.idle(t, lifeModel)
	return have
}
