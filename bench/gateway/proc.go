package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// process is a program under test and its children.
type process struct {
	cmd  *exec.Cmd
	done chan struct{}
	logs string
}

// start runs a program on the given processors, in a process group of its own,
// its output in a file.
func start(dir, name, cpus string, argv ...string) (*process, error) {
	if taskset, err := exec.LookPath("taskset"); err == nil && cpus != "" {
		argv = append([]string{taskset, "-c", cpus}, argv...)
	}
	logs, err := os.Create(filepath.Join(dir, name+".log"))
	if err != nil {
		return nil, err
	}
	defer logs.Close()
	p := &process{cmd: exec.Command(argv[0], argv[1:]...), done: make(chan struct{}), logs: logs.Name()}
	p.cmd.Dir = dir
	p.cmd.Stdout, p.cmd.Stderr = logs, logs
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	go func() {
		p.cmd.Wait()
		close(p.done)
	}()
	return p, nil
}

// stop ends the process and its group.
func (p *process) stop() {
	select {
	case <-p.done:
		return
	default:
	}
	p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.done:
	case <-time.After(3 * time.Second):
		syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
		<-p.done
	}
}

// pids are the process and its direct children (nginx has a worker).
func (p *process) pids() []int {
	pid := p.cmd.Process.Pid
	pids := []int{pid}
	children, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	for _, c := range strings.Fields(string(children)) {
		if n, err := strconv.Atoi(c); err == nil {
			pids = append(pids, n)
		}
	}
	return pids
}

// tick is the unit of CPU times in /proc (USER_HZ, 100 on every Linux).
const tick = 10 * time.Millisecond

// cpu is the processor time used so far, user and system.
func (p *process) cpu() time.Duration {
	var sum time.Duration
	for _, pid := range p.pids() {
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil {
			continue
		}
		fields := strings.Fields(string(b[bytes.LastIndexByte(b, ')')+1:]))
		for _, f := range fields[11:13] { // utime, stime
			n, _ := strconv.Atoi(f)
			sum += time.Duration(n) * tick
		}
	}
	return sum
}

// memory is the resident memory, in bytes.
func (p *process) memory() int64 {
	sum := int64(0)
	for _, pid := range p.pids() {
		b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
		for line := range strings.SplitSeq(string(b), "\n") {
			if v, ok := strings.CutPrefix(line, "VmRSS:"); ok {
				n, _ := strconv.ParseInt(strings.Fields(v)[0], 10, 64)
				sum += n << 10
			}
		}
	}
	return sum
}

// halves splits the processors: the upper half for the proxies, the lower for
// load and upstream. On one processor everything shares it.
func halves() (load, proxies string) {
	n := runtime.NumCPU()
	if n < 2 {
		return "", ""
	}
	return span(0, n/2-1), span(n/2, n-1)
}

func span(from, to int) string {
	if from == to {
		return strconv.Itoa(from)
	}
	return fmt.Sprintf("%d-%d", from, to)
}
