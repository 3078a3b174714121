package process

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"
)

// proc is one running process: a child of this Weir, or (cmd nil) one adopted
// from an earlier Weir. It leads its own process group. One goroutine uses it.
type proc struct {
	pid    int
	birth  string // the system's start time of it: with pid, it names the process for good
	mark   string
	cmd    *exec.Cmd
	output string // file of its stdout and stderr
	limit  int64
	ended  bool
	err    error // how it ended, if known
}

type spawnRequest struct {
	cmd  *exec.Cmd
	done chan error
}

// startProcesses starts every child from one OS thread that lives as long as
// they may: the kernel ends a child with a parent-death signal when the thread
// that made it ends, not when its process does (prctl(2), PR_SET_PDEATHSIG).
func (f *Fleet) startProcesses() {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	for q := range f.spawn {
		q.done <- q.cmd.Start()
	}
}

// start starts a replica's process on a fresh port and records it.
func (f *Fleet) start(r *replica) error {
	f.mu.Lock()
	port, err := f.room.takePort()
	rec := f.record(r, port)
	f.mu.Unlock()
	if err != nil {
		return err
	}
	drop := func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.room.freePort(port)
		f.unsave(rec.ID)
	}
	// Recorded before it starts as well: after a crash in between, its mark
	// still identifies the process.
	if err := f.save(rec); err != nil {
		drop()
		return err
	}
	p, err := f.launch(r, rec.ID, port)
	if err != nil {
		drop()
		return fmt.Errorf("could not start %s: %w", r.dep.Command[0], err)
	}
	rec.PID, rec.Birth = p.pid, p.birth
	f.mu.Lock()
	r.proc, r.port, r.served = p, port, false
	r.view.Addr = rec.addr()
	f.changed()
	f.mu.Unlock()
	if err := f.save(rec); err != nil {
		f.end(r)
		return err
	}
	return nil
}

func (f *Fleet) launch(r *replica, id string, port int) (*proc, error) {
	p := &proc{mark: f.mark(id), output: f.outputPath(id), limit: r.dep.LogBytes}
	out, err := os.OpenFile(p.output, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	defer out.Close()
	argv, env := r.dep.expand(id, p.mark, port, r.gpus, len(f.o.GPUs) > 0)
	// The output goes to a file and not through a pipe: a replica that outlives
	// Weir must neither die of writing a line nor wait for Weir to read it.
	p.cmd = exec.Command(argv[0], argv[1:]...)
	p.cmd.Dir, p.cmd.Env = r.dep.Dir, append(r.dep.inherited(f.o.Environ), env...)
	p.cmd.Stdout, p.cmd.Stderr = out, out
	p.cmd.SysProcAttr = ownGroup(!f.o.Keep)
	q := spawnRequest{p.cmd, make(chan error, 1)}
	f.spawn <- q
	if err := <-q.done; err != nil {
		return nil, err
	}
	p.pid = p.cmd.Process.Pid
	if p.birth, err = birth(p.pid); err != nil && !p.exited() {
		p.stop(0)
		return nil, err
	}
	return p, nil
}

// exited says whether the process has ended; if so it ends the processes left
// behind. It does not wait.
func (p *proc) exited() bool {
	if p.ended {
		return true
	}
	if p.cmd == nil {
		if now, err := birth(p.pid); err == nil && now == p.birth {
			return false
		}
		p.ended, p.err = true, errors.New("the adopted process has ended")
		endMarked(p.mark)
		return true
	}
	if !zombie(p.pid) {
		return false
	}
	// It has ended and is not reaped yet: its pid still names its group.
	signalGroup(p.pid, syscall.SIGKILL)
	endMarked(p.mark)
	p.ended, p.err = true, p.cmd.Wait()
	if p.err == nil {
		p.err = errors.New("exited with status 0")
	}
	return true
}

// stop ends the process: SIGTERM to its group, SIGKILL after grace. It is an
// error if the process outlives even that.
func (p *proc) stop(grace time.Duration) error {
	if grace > 0 && !p.exited() {
		signalGroup(p.pid, syscall.SIGTERM)
		p.await(grace)
	}
	if !p.exited() {
		signalGroup(p.pid, syscall.SIGKILL)
	}
	// A process in an uninterruptible system call dies when the call returns.
	if !p.await(5 * time.Second) {
		return fmt.Errorf("pid %d did not end within 5s of SIGKILL", p.pid)
	}
	return nil
}

func (p *proc) await(most time.Duration) bool {
	for end := time.Now().Add(most); !p.exited(); {
		if time.Now().After(end) {
			return false
		}
		time.Sleep(pollEvery / 10)
	}
	return true
}

func (p *proc) fault() error { return p.explain(fmt.Errorf("process ended: %w", p.err)) }

// explain adds the last lines of the process's output.
func (p *proc) explain(err error) error {
	last := lastLines(p.output)
	if last == "" {
		return err
	}
	return fmt.Errorf("%w; last output: %s", err, last)
}

const (
	tailBytes = 2 << 10 // read from the end of the output for a failure's detail
	tailLines = 5
)

func lastLines(path string) string {
	in, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer in.Close()
	if at, err := in.Seek(0, io.SeekEnd); err != nil || at == 0 {
		return ""
	} else if at > tailBytes {
		at -= tailBytes
		if _, err := in.Seek(at, io.SeekStart); err != nil {
			return ""
		}
	} else if _, err := in.Seek(0, io.SeekStart); err != nil {
		return ""
	}
	b, err := io.ReadAll(io.LimitReader(in, tailBytes))
	if err != nil {
		return ""
	}
	lines := strings.Split(strings.TrimSpace(strings.ToValidUTF8(string(b), "?")), "\n")
	return strings.Join(lines[max(0, len(lines)-tailLines):], " | ")
}

// boundOutput moves an output file over its limit to a second file, replacing
// the one moved before. The process keeps writing to its file, which is copied
// and truncated; lines written in between may be lost.
func (p *proc) boundOutput() {
	if st, err := os.Stat(p.output); err != nil || st.Size() <= p.limit {
		return
	}
	in, err := os.Open(p.output)
	if err != nil {
		return
	}
	defer in.Close()
	old, err := os.OpenFile(p.output+".1", os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err == nil {
		_, err = io.Copy(old, io.LimitReader(in, p.limit))
		err = errors.Join(err, old.Close())
	}
	// A full disk must not prevent the truncation that frees space on it.
	if err != nil {
		os.Remove(p.output + ".1")
	}
	os.Truncate(p.output, 0)
}

func (f *Fleet) outputPath(id string) string { return filepath.Join(f.o.StateDir, id+".log") }

// end stops a replica's process and gives its port back.
func (f *Fleet) end(r *replica) {
	if err := r.proc.stop(r.dep.StopGrace); err != nil {
		f.o.Log.Error("the process of the replica could not be ended", "replica", r.view.ID, "err", err)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.room.freePort(r.port)
	r.proc, r.port = nil, 0
	f.unsave(r.view.ID)
}
