package memory

import (
	"testing"
	"testing/fstest"
)

func TestTheMemoryOfAControlGroupIsFound(t *testing.T) {
	type files map[string]string
	f := func(want int64, in files) {
		t.Helper()
		root := fstest.MapFS{}
		for name, text := range in {
			root[name] = &fstest.MapFile{Data: []byte(text)}
		}
		if got := groupMemory(root); got != want {
			t.Errorf("%v: %d, want %d", in, got, want)
		}
	}
	const v1 = "9:name=systemd:/\n8:pids:/x\n4:cpu,memory:/docker/abc\n0::/\n"
	f(0, nil)
	f(0, files{"proc/self/cgroup": "0::/\n"})
	f(512<<20, files{"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": "536870912\n"})
	f(0, files{"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": "max\n"})
	f(100, files{"proc/self/cgroup": "0::/a/b\n", "sys/fs/cgroup/a/memory.max": "100\n", "sys/fs/cgroup/a/b/memory.max": "200\n"})
	f(100, files{"proc/self/cgroup": "0::/a/b\n", "sys/fs/cgroup/a/memory.max": "200\n", "sys/fs/cgroup/a/b/memory.max": "100\n"})
	f(300, files{"proc/self/cgroup": "0::/../outside\n", "sys/fs/cgroup/memory.max": "300"})
	f(700, files{"proc/self/cgroup": v1, "sys/fs/cgroup/memory/docker/abc/memory.limit_in_bytes": "700\n"})
	f(800, files{"proc/self/cgroup": v1, "sys/fs/cgroup/memory/memory.limit_in_bytes": "800\n"})
	f(0, files{"proc/self/cgroup": v1, "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n"})
	f(0, files{"proc/self/cgroup": "nonsense\n4:memory\n", "sys/fs/cgroup/memory.max": "-5"})
}

func TestTheMemoryOfTheMachineIsFound(t *testing.T) {
	root := fstest.MapFS{"proc/meminfo": {Data: []byte("MemTotal:       16384000 kB\nMemFree:  1 kB\n")}}
	if got := machineMemory(root); got != 16384000<<10 {
		t.Error(got)
	}
	if got := machineMemory(fstest.MapFS{}); got != 4<<30 {
		t.Error(got)
	}
}
