// Package memory finds out how much memory this process may use and keeps the
// garbage collector below it. It knows control groups and nothing of Weir.
package memory

import (
	"bytes"
	"io/fs"
	"math"
	"os"
	"path"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
)

// Limit makes the collector keep below the memory limit of this process's
// control group, less a tenth for memory outside the Go heap, unless GOMEMLIMIT
// is set. It returns the limit in force; 0: none.
func Limit() int64 {
	if os.Getenv("GOMEMLIMIT") == "" {
		if most := groupMemory(os.DirFS("/")); most > 0 {
			debug.SetMemoryLimit(most - most/10)
		}
	}
	if most := debug.SetMemoryLimit(-1); most != math.MaxInt64 {
		return most
	}
	return 0
}

// Available is the memory this process may use, in bytes: the limit in force,
// else the machine's.
func Available() int64 {
	if most := debug.SetMemoryLimit(-1); most != math.MaxInt64 {
		return most
	}
	return machineMemory(os.DirFS("/"))
}

// groupMemory is the memory limit of this process's control group, in bytes:
// the least of its own and those of the enclosing groups, of version 2 and 1.
// 0: no limit. root is the file system's.
func groupMemory(root fs.FS) (most int64) {
	groups, err := fs.ReadFile(root, "proc/self/cgroup")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(groups)) {
		parts := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(parts) != 3 {
			continue
		}
		at, file := "", ""
		switch {
		case parts[0] == "0" && parts[1] == "":
			at, file = "sys/fs/cgroup", "memory.max"
		case slices.Contains(strings.Split(parts[1], ","), "memory"):
			at, file = "sys/fs/cgroup/memory", "memory.limit_in_bytes"
		default:
			continue
		}
		// In a container the path may be the one outside: then only the top
		// exists.
		for below := path.Clean("/" + parts[2]); ; below = path.Dir(below) {
			if n := bytesIn(root, path.Join(at, below, file)); n > 0 && (most == 0 || n < most) {
				most = n
			}
			if below == "/" {
				break
			}
		}
	}
	return most
}

// unbounded is the number from which on there is no bound: version 1 writes the
// largest page number.
const unbounded = 1 << 60

func bytesIn(root fs.FS, file string) int64 {
	text, err := fs.ReadFile(root, file)
	if err != nil {
		return 0
	}
	n, err := strconv.ParseInt(string(bytes.TrimSpace(text)), 10, 64) // not "max"
	if err != nil || n <= 0 || n >= unbounded {
		return 0
	}
	return n
}

// machineMemory is the memory of this machine in bytes, 4 GiB if unknown.
func machineMemory(root fs.FS) int64 {
	text, _ := fs.ReadFile(root, "proc/meminfo")
	for line := range strings.Lines(string(text)) {
		if fields := strings.Fields(line); len(fields) == 3 && fields[0] == "MemTotal:" && fields[2] == "kB" {
			if n, err := strconv.ParseInt(fields[1], 10, 64); err == nil && n > 0 && n < unbounded>>10 {
				return n << 10
			}
		}
	}
	return 4 << 30
}
