package process

import (
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"weir"
	"weir/fleet"
)

func decode(t *testing.T, b []byte) record {
	t.Helper()
	var rec record
	if err := json.Unmarshal(b, &rec); err != nil {
		t.Fatal(err)
	}
	return rec
}

func TestPlaceholdersAndGPUsReachTheReplica(t *testing.T) {
	d := server("llm/v2")
	d.GPUs = 2
	o := options(t.TempDir(), d, server("cpu"))
	o.GPUs = []string{"0", "1", "GPU-abc"}
	f, _ := run(t, o)
	scale(t, f, "llm/v2", 1)
	scale(t, f, "cpu", 1)
	r := await(t, f, "llm/v2", "ready", all(1, weir.Ready))[0]
	port := r.Addr[strings.LastIndexByte(r.Addr, ':')+1:]
	want := "gpu=0,1 set=true args=127.0.0.1:" + port + "," + r.ID + "," + port + ",0,1,{other} name=" + r.ID + "@" + port
	if have := get(t, r.Addr+"/env"); have != want {
		t.Errorf("have %s\nwant %s", have, want)
	}
	r = await(t, f, "cpu", "ready", all(1, weir.Ready))[0]
	if have := get(t, r.Addr+"/env"); !strings.HasPrefix(have, "gpu= set=true") {
		t.Errorf("a replica without GPUs sees %s: want none of those others have", have)
	}
}

func TestNoFreeGPUIsNoCapacityAndGivesWhatThereIs(t *testing.T) {
	d := server("m")
	d.GPUs = 2
	o := options(t.TempDir(), d)
	o.GPUs = []string{"0", "1", "2", "3", "4"}
	f, _ := run(t, o)
	if err := f.Scale(t.Context(), "m", 3, nil); !errors.Is(err, fleet.ErrNoCapacity) {
		t.Fatalf("third replica of 2 GPUs on 5: %v, want ErrNoCapacity", err)
	}
	await(t, f, "m", "two ready", all(2, weir.Ready))
	scale(t, f, "m", 1)
	await(t, f, "m", "one left", all(1, weir.Ready))
	scale(t, f, "m", 2) // the GPUs were given back
	await(t, f, "m", "two ready again", all(2, weir.Ready))
}

func TestTheRoomForADeploymentIsWhatTheOthersLeave(t *testing.T) {
	one, two, none := server("one"), server("two"), server("none")
	one.GPUs, two.GPUs = 1, 2
	o := options(t.TempDir(), one, two, none)
	o.GPUs = []string{"0", "1", "2", "3", "4"}
	f, _ := run(t, o)
	rooms := func(wantOne, wantTwo int) {
		t.Helper()
		if a, b := f.Room("one"), f.Room("two"); a != wantOne || b != wantTwo {
			t.Errorf("room for %d and %d, want %d and %d", a, b, wantOne, wantTwo)
		}
	}
	rooms(5, 2)
	scale(t, f, "one", 2)
	rooms(5, 1)
	scale(t, f, "two", 1)
	rooms(3, 1)
	if n := f.Room("none"); n >= 0 {
		t.Errorf("no GPU bounds it, and there is said to be room for %d", n)
	}
	if n := f.Room("unheard of"); n >= 0 {
		t.Errorf("room for %d of a deployment that is not known", n)
	}
}

func TestReplicasAreBounded(t *testing.T) {
	d := server("m", "SICK=1")
	d.MaxReplicas = 2
	f, err := New(options(t.TempDir(), d))
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Scale(t.Context(), "m", 3, nil); !errors.Is(err, fleet.ErrNoCapacity) {
		t.Fatalf("third replica of at most 2: %v, want ErrNoCapacity", err)
	}
	if n := len(status(t, f, "m")); n != 2 {
		t.Fatalf("%d replicas, want 2", n)
	}
}

func TestACommandThatCannotRunFailsWithItsLastWordsAndIsRetriedOnce(t *testing.T) {
	o := options(t.TempDir(), server("m", "CRASH=1"), Deployment{Name: "none", Command: []string{"/no/such/program", "{port}"}})
	f, _ := run(t, o)
	scale(t, f, "m", 1)
	rs := await(t, f, "m", "failed, and waiting to be restarted", func(rs []weir.Replica) bool {
		return all(1, weir.Failed)(rs) && strings.Contains(rs[0].Detail, "restart in") // it has failed before its end is handled
	})
	for _, want := range []string{"exit status 3", "loading weights | out of memory"} {
		if !strings.Contains(rs[0].Detail, want) {
			t.Errorf("detail %q does not say %q", rs[0].Detail, want)
		}
	}
	scale(t, f, "m", 1)
	if n := len(status(t, f, "m")); n != 1 {
		t.Errorf("%d replicas after asking for one again: want the failed one restarted, none beside it", n)
	}
	scale(t, f, "m", 0)
	await(t, f, "m", "gone", all(0, 0))
	scale(t, f, "none", 1)
	await(t, f, "none", "failed", func(rs []weir.Replica) bool {
		return len(rs) == 1 && rs[0].State == weir.Failed && strings.Contains(rs[0].Detail, "could not start /no/such/program")
	})
}

func TestAFailedReplicaIsRestarted(t *testing.T) {
	for _, how := range []string{"/die", "/sicken"} {
		t.Run(how, func(t *testing.T) {
			f, _ := run(t, options(t.TempDir(), server("m")))
			scale(t, f, "m", 1)
			first := await(t, f, "m", "ready", all(1, weir.Ready))[0]
			get(t, first.Addr+how)
			await(t, f, "m", "ready again", func(rs []weir.Replica) bool {
				return len(rs) == 1 && rs[0].State == weir.Ready && rs[0].Asked > first.Asked && rs[0].ID == first.ID
			})
		})
	}
}

func TestOneThatNeverGetsReadyFails(t *testing.T) {
	d := server("m", "SICK=1")
	d.StartTimeout, d.RestartMin, d.RestartMax = 300*time.Millisecond, time.Hour, time.Hour
	f, _ := run(t, options(t.TempDir(), d))
	scale(t, f, "m", 1)
	r := await(t, f, "m", "failed", all(1, weir.Failed))[0]
	if !strings.Contains(r.Detail, "start timeout of 300ms") || !strings.Contains(r.Detail, "503") {
		t.Errorf("detail %q: want the timeout and the last answer", r.Detail)
	}
	scale(t, f, "m", 0)
	await(t, f, "m", "gone without waiting for the restart", all(0, 0))
}

func TestAReplicaDrainsUntilIdleThenStops(t *testing.T) {
	var busy atomic.Int64
	busy.Store(2)
	o := options(t.TempDir(), server("m"))
	o.Busy = func(_, _ string) int { return int(busy.Load()) }
	f, _ := run(t, o)
	scale(t, f, "m", 2)
	rs := await(t, f, "m", "ready", all(2, weir.Ready))
	scale(t, f, "m", 1, rs[0].ID)
	await(t, f, "m", "the victim drains", func(rs []weir.Replica) bool {
		return rs[0].State == weir.Draining && rs[0].Detail == "2 requests to finish" && rs[1].State == weir.Ready
	})
	scale(t, f, "m", 2)
	if have := status(t, f, "m"); have[0].State != weir.Ready || len(have) != 2 {
		t.Fatalf("scaled back up: %+v: want the draining one taken back", have)
	}
	scale(t, f, "m", 1, rs[0].ID)
	busy.Store(0)
	left := await(t, f, "m", "gone when idle", all(1, weir.Ready))
	if left[0].ID != rs[1].ID {
		t.Errorf("%s is left, want %s", left[0].ID, rs[1].ID)
	}
}

func TestADrainEndsAtItsDeadline(t *testing.T) {
	d := server("m")
	d.DrainDeadline = 200 * time.Millisecond
	o := options(t.TempDir(), d)
	o.Busy = nil
	f, _ := run(t, o)
	scale(t, f, "m", 1)
	await(t, f, "m", "ready", all(1, weir.Ready))
	scale(t, f, "m", 0)
	await(t, f, "m", "gone", all(0, 0))
}

func TestAReplicaThatIgnoresSIGTERMIsKilledWithItsDescendants(t *testing.T) {
	dir := t.TempDir()
	daughter := filepath.Join(dir, "daughter")
	d := server("m", "STUBBORN=1", "DAUGHTER="+daughter)
	d.StopGrace = 100 * time.Millisecond
	f, stop := run(t, options(filepath.Join(dir, "state"), d))
	scale(t, f, "m", 1)
	await(t, f, "m", "ready", all(1, weir.Ready))
	own, hers := pids(t, filepath.Join(dir, "state")), daughters(t, daughter)
	stop()
	if len(own) != 1 || alive(own[0]) {
		t.Errorf("replica %v still there after the fleet ended", own)
	}
	if len(hers) != 1 {
		t.Fatalf("descendants %v, want one", hers)
	}
	until(t, "its descendant outside the process group ended", func() bool { return !alive(hers[0]) })
}

func TestOutputIsBounded(t *testing.T) {
	d := server("m")
	d.LogBytes = 10 << 10
	f, _ := run(t, options(t.TempDir(), d))
	scale(t, f, "m", 1)
	r := await(t, f, "m", "ready", all(1, weir.Ready))[0]
	get(t, r.Addr+"/chatter") // 80 KB
	path := f.outputPath(r.ID)
	until(t, "output moved aside", func() bool {
		now, err1 := os.Stat(path)
		old, err2 := os.Stat(path + ".1")
		return err1 == nil && err2 == nil && now.Size() <= d.LogBytes && old.Size() == d.LogBytes
	})
}

func TestRunLeavesNothingBehind(t *testing.T) {
	goroutines, files := runtime.NumGoroutine(), openFiles(t)
	dir := t.TempDir()
	for range 3 {
		f, stop := run(t, options(dir, server("m"), server("n", "CRASH=1")))
		scale(t, f, "m", 2)
		scale(t, f, "n", 1)
		await(t, f, "m", "ready", all(2, weir.Ready))
		started := pids(t, dir)
		stop()
		for _, pid := range started {
			if alive(pid) {
				t.Errorf("pid %d still runs", pid)
			}
		}
	}
	until(t, "goroutines and files as before", func() bool {
		return runtime.NumGoroutine() <= goroutines && openFiles(t) <= files
	})
	left, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil || len(left) != 2 || filepath.Base(left[0]) != "lock" || filepath.Base(left[1]) != "sequence" {
		t.Errorf("state folder holds %v, %v: want only its lock and sequence", left, err)
	}
}

func openFiles(t *testing.T) int {
	t.Helper()
	fds, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(fds)
}

func TestBackoffDoublesWithinItsBounds(t *testing.T) {
	for n := range 100 {
		d := backoff(time.Second, time.Minute, n)
		most := time.Minute
		if n < 6 {
			most = time.Second << n
		}
		if d > most || d < most*4/5 {
			t.Errorf("after %d failures %v: want %v less up to a fifth", n, d, most)
		}
	}
}

func TestBadOptionsAreNamed(t *testing.T) {
	f := func(want string, o Options) {
		t.Helper()
		if o.StateDir == "" && want != "StateDir is empty" {
			o.StateDir = t.TempDir()
		}
		if _, err := New(o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: want it to say %q", err, want)
		}
	}
	with := func(change func(*Deployment)) Options {
		d := server("m")
		change(&d)
		return Options{Deployments: []Deployment{d}}
	}
	f("StateDir is empty", Options{})
	f("ports 9 to 8", Options{Ports: [2]int{9, 8}})
	f(`GPU id "0" is empty or named twice`, Options{GPUs: []string{"0", "0"}})
	f("named twice", Options{Deployments: []Deployment{server("m"), server("m")}})
	f("Name is empty", with(func(d *Deployment) { d.Name = "" }))
	f("command is empty", with(func(d *Deployment) { d.Command = nil }))
	f("{port} or {addr}", with(func(d *Deployment) { d.Command, d.Env = []string{"x"}, nil }))
	f("want NAME=value", with(func(d *Deployment) { d.Env = []string{"x"} }))
	f("needs 1 GPUs each, but the fleet has 0", with(func(d *Deployment) { d.GPUs = 1 }))
	f("begin with /", with(func(d *Deployment) { d.HealthPath = "health" }))
	f("start timeout is -1s", with(func(d *Deployment) { d.StartTimeout = -time.Second }))
	f("above restart maximum", with(func(d *Deployment) { d.RestartMin = time.Hour }))
	f("none below zero", with(func(d *Deployment) { d.MaxReplicas = -1 }))
	d := server("m", visibleDevices+"=7")
	d.GPUs = 1
	f("which the fleet sets", Options{GPUs: []string{"0"}, Deployments: []Deployment{d}})
}

func TestANewReplicaWaitsForTheGPUOfADrainingOne(t *testing.T) {
	var busy atomic.Int64
	busy.Store(1)
	a, b := server("a"), server("b")
	a.GPUs, b.GPUs = 1, 1
	o := options(t.TempDir(), a, b)
	o.GPUs, o.Busy = []string{"0"}, func(_, _ string) int { return int(busy.Load()) }
	f, _ := run(t, o)
	scale(t, f, "a", 1)
	await(t, f, "a", "ready", all(1, weir.Ready))
	scale(t, f, "a", 0)
	scale(t, f, "b", 1)
	await(t, f, "b", "waits", func(rs []weir.Replica) bool {
		return rs[0].State == weir.Starting && strings.Contains(rs[0].Detail, "of draining replicas")
	})
	if err := f.Scale(t.Context(), "a", 1, nil); !errors.Is(err, fleet.ErrNoCapacity) {
		t.Errorf("taking back a replica whose GPU is promised: %v, want ErrNoCapacity", err)
	}
	busy.Store(0)
	await(t, f, "b", "ready", all(1, weir.Ready))
}

func TestAFailuresDetailHoldsTheLastLinesOnly(t *testing.T) {
	path := filepath.Join(t.TempDir(), "out")
	f := func(content, want string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if have := lastLines(path); have != want {
			t.Errorf("have %q, want %q", have, want)
		}
	}
	f("", "")
	f("one line", "one line")
	f("1\n2\n3\n4\n5\n6\n7\n", "3 | 4 | 5 | 6 | 7")
	f("bad \xff byte\n", "bad ? byte")
	f(strings.Repeat("x", 5<<10)+"\nend\n", strings.Repeat("x", tailBytes-5)+" | end")
	if have := lastLines(path + ".none"); have != "" {
		t.Errorf("no file: %q", have)
	}
}

func TestReplicasDoNotGetWhatIsNotTheirs(t *testing.T) {
	closed, open := server("closed"), server("open", "THIRD=own")
	closed.Without = []string{"FIRST", "SECOND", "THIRD"}
	open.Without, open.Pass = closed.Without, []string{"SECOND"}
	o := options(t.TempDir(), closed, open)
	o.Environ = append(os.Environ(), "FIRST=1", "SECOND=2", "THIRD=3", "FIRSTBORN=4")
	f, _ := run(t, o)
	for name, want := range map[string][]string{"closed": {"FIRSTBORN=4"}, "open": {"FIRSTBORN=4", "SECOND=2", "THIRD=own"}} {
		scale(t, f, name, 1)
		r := await(t, f, name, "ready", all(1, weir.Ready))[0]
		var have []string
		for _, e := range strings.Split(get(t, r.Addr+"/all"), "\n") {
			if n, _, _ := strings.Cut(e, "="); n == "FIRST" || n == "SECOND" || n == "THIRD" || n == "FIRSTBORN" {
				have = append(have, e)
			}
		}
		slices.Sort(have)
		if !slices.Equal(have, want) {
			t.Errorf("%s has %v, want %v", name, have, want)
		}
	}
}

// Failed starts are counted until a replica is ready.
func TestFailedStartsAreCounted(t *testing.T) {
	f, _ := run(t, options(t.TempDir(), server("bad", "CRASH=1"), server("good")))
	scale(t, f, "bad", 1)
	await(t, f, "bad", "failed three times", func(rs []weir.Replica) bool { return len(rs) == 1 && rs[0].FailedStarts >= 3 })
	scale(t, f, "good", 1)
	r := await(t, f, "good", "ready", all(1, weir.Ready))[0]
	for range 2 {
		http.Get(r.Addr + "/die")
		await(t, f, "good", "failed", func(rs []weir.Replica) bool {
			if rs[0].FailedStarts != 0 {
				t.Fatalf("%+v", rs)
			}
			return rs[0].State != weir.Ready
		})
		r = await(t, f, "good", "ready again", all(1, weir.Ready))[0]
	}
}
