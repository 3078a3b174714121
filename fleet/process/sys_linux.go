package process

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// ownGroup starts a child as leader of its own process group and, with
// dieToo, has the kernel end it when Weir dies in any way.
func ownGroup(dieToo bool) *syscall.SysProcAttr {
	a := &syscall.SysProcAttr{Setpgid: true}
	if dieToo {
		a.Pdeathsig = syscall.SIGKILL
	}
	return a
}

// birth returns when a process started, in a form that only compares: clock
// ticks since boot, and the boot. An ended process that is not reaped counts as
// gone.
func birth(pid int) (string, error) {
	st, err := readStat(pid)
	if err != nil {
		return "", err
	}
	if st.state == 'Z' || st.state == 'X' {
		return "", errors.New("ended")
	}
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return "", err
	}
	return st.start + "@" + string(bytes.TrimSpace(boot)), nil
}

type stat struct {
	state byte
	start string // clock ticks since boot
}

// readStat reads /proc/pid/stat (proc(5)): the name may hold anything, so
// fields count from after its last parenthesis, state being the third field.
func readStat(pid int) (stat, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return stat{}, err
	}
	fields := bytes.Fields(b[bytes.LastIndexByte(b, ')')+1:])
	if len(fields) < 20 {
		return stat{}, fmt.Errorf("/proc/%d/stat: %d fields after the name: want 20 or more", pid, len(fields))
	}
	return stat{state: fields[0][0], start: string(fields[19])}, nil
}

// zombie says whether Weir's child has ended, without reaping it.
func zombie(pid int) bool {
	var info unix.Siginfo
	err := unix.Waitid(unix.P_PID, pid, &info, unix.WEXITED|unix.WNOHANG|unix.WNOWAIT, nil)
	return err == nil && info.Signo != 0
}

// signalGroup signals a process group. On an error no process is left in it, or
// none may be signalled: the caller checks the process next.
func signalGroup(leader int, sig syscall.Signal) {
	_ = syscall.Kill(-leader, sig)
}

// endMarked kills every process with a replica's mark in its environment:
// descendants that left the process group, and those of an ended leader that
// was not Weir's child. A group's number alone does not identify them: another
// group may have it by now.
func endMarked(mark string) {
	dirs, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		return
	}
	want := []byte(markVar + "=" + mark)
	for _, dir := range dirs {
		pid, err := strconv.Atoi(filepath.Base(dir))
		if err == nil && pid != os.Getpid() && carries(pid, want) {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
	}
}

func carries(pid int, mark []byte) bool {
	env, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid))
	if err != nil {
		return false
	}
	for v := range bytes.SplitSeq(env, []byte{0}) {
		if bytes.Equal(v, mark) {
			return true
		}
	}
	return false
}
