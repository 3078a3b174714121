//go:build unix && !linux

package process

import (
	"errors"
	"fmt"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
)

// ownGroup starts a child as leader of its own process group. Only Linux can
// end it with Weir: on other systems a killed Weir leaves its replicas running
// until the next start on the same state folder.
func ownGroup(bool) *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

// birth returns when a process started, in a form that only compares. An ended
// process that is not reaped counts as gone.
func birth(pid int) (string, error) {
	out, err := exec.Command("ps", "-o", "state=,lstart=", "-p", strconv.Itoa(pid)).Output()
	if err != nil {
		return "", fmt.Errorf("ps: pid %d: %w", pid, err)
	}
	state, start, ok := strings.Cut(strings.TrimSpace(string(out)), " ")
	if !ok || strings.HasPrefix(state, "Z") {
		return "", errors.New("ended")
	}
	return strings.TrimSpace(start), nil
}

// zombie says whether our child has ended, without reaping it.
func zombie(pid int) bool {
	_, err := birth(pid)
	return err != nil
}

// signalGroup signals a process group. On an error no process is left in it, or
// none may be signalled: the caller checks the process next.
func signalGroup(leader int, sig syscall.Signal) {
	_ = syscall.Kill(-leader, sig)
}

// endMarked ends no process: without /proc, Weir cannot read a process's
// environment, and so cannot tell a descendant from another process.
func endMarked(string) {}
