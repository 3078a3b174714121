package process

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"weir"
)

// another runs a Weir with two replicas in its own process, waits until it has
// recorded both as running, and kills it without warning.
func another(t *testing.T, dir string, keep bool) (replicas []int) {
	t.Helper()
	return anotherWithDaughters(t, dir, keep, "")
}

// anotherWithDaughters waits, with a prefix, until each replica has also
// started a process of its own.
func anotherWithDaughters(t *testing.T, dir string, keep bool, prefix string) (replicas []int) {
	t.Helper()
	c := exec.Command(os.Args[0], dir)
	c.Env = append(os.Environ(), part+"=weir", "DAUGHTER="+prefix)
	if keep {
		c.Env = append(c.Env, "KEEP=1")
	}
	var out strings.Builder
	c.Stdout, c.Stderr = &out, &out
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	until(t, "two replicas run", func() bool {
		replicas = pids(t, dir)
		return len(replicas) == 2 && (prefix == "" || len(daughters(t, prefix)) == 2)
	})
	for _, pid := range replicas {
		if !alive(pid) {
			t.Fatalf("replica %d does not run: %s", pid, out.String())
		}
	}
	if err := c.Process.Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	_ = c.Wait() // killed, as meant
	t.Cleanup(func() {
		for _, pid := range replicas {
			if alive(pid) {
				t.Errorf("replica %d outlived the test", pid)
				signalGroup(pid, syscall.SIGKILL)
			}
		}
	})
	return replicas
}

func TestReplicasDieWithAKilledWeir(t *testing.T) {
	for _, pid := range another(t, t.TempDir(), false) {
		until(t, "replica ended", func() bool { return !alive(pid) })
	}
}

// The kernel ends the replicas of a killed Weir, but not the processes they
// started.
func TestWhatReplicasOfAKilledWeirStartedIsEndedByTheNext(t *testing.T) {
	dir := t.TempDir()
	prefix := filepath.Join(t.TempDir(), "daughter-")
	for _, pid := range anotherWithDaughters(t, dir, false, prefix) {
		until(t, "replica ended", func() bool { return !alive(pid) })
	}
	hers := daughters(t, prefix)
	run(t, options(dir, server("m")))
	for _, pid := range hers {
		until(t, "its descendant ended", func() bool { return !alive(pid) })
	}
}

func TestReplicasOfAKilledWeirAreAdopted(t *testing.T) {
	dir := t.TempDir()
	before := another(t, dir, true)
	o := options(dir, server("m"))
	o.Keep = true
	f, stop := run(t, o)
	if rs := status(t, f, "m"); len(rs) != 2 {
		t.Fatalf("%d replicas known before Run looked at them: want 2, or a controller would start more", len(rs))
	}
	rs := await(t, f, "m", "ready", all(2, weir.Ready))
	if have := get(t, rs[0].Addr+"/env"); !strings.Contains(have, rs[0].ID) {
		t.Errorf("%s answers %q", rs[0].Addr, have)
	}
	if now := pids(t, dir); !slices.Equal(now, before) {
		t.Errorf("processes %v, want those of the killed weir, %v", now, before)
	}
	// A clean stop leaves them too; the next Weir starts a third, with its own
	// name, and ends them on request.
	stop()
	for _, pid := range before {
		if !alive(pid) {
			t.Errorf("replica %d ended with a weir that keeps its replicas", pid)
		}
	}
	f, _ = run(t, o)
	scale(t, f, "m", 3)
	rs = await(t, f, "m", "three ready", all(3, weir.Ready))
	if rs[2].ID == rs[0].ID || rs[2].ID == rs[1].ID {
		t.Errorf("the new replica took the name of another: %v", rs)
	}
	scale(t, f, "m", 0)
	await(t, f, "m", "gone", all(0, 0))
}

func TestAnAdoptedReplicaThatDiesIsRestarted(t *testing.T) {
	dir := t.TempDir()
	before := another(t, dir, true)
	o := options(dir, server("m"))
	o.Keep = true
	f, _ := run(t, o)
	await(t, f, "m", "ready", all(2, weir.Ready))
	signalGroup(before[0], syscall.SIGKILL)
	await(t, f, "m", "a new process in its place", func(rs []weir.Replica) bool {
		now := pids(t, dir)
		return all(2, weir.Ready)(rs) && len(now) == 2 && !slices.Contains(now, before[0])
	})
	scale(t, f, "m", 0)
	await(t, f, "m", "gone", all(0, 0))
}

func TestReplicasOfAKilledWeirThatDoNotMatchAreEnded(t *testing.T) {
	for name, change := range map[string]func(*Options){
		"other template": func(o *Options) { o.Deployments[0].Env = append(o.Deployments[0].Env, "NEW=1") },
		"not configured": func(o *Options) { o.Deployments[0].Name = "other" },
		"not to be kept": func(o *Options) { o.Keep = false },
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			before := another(t, dir, true)
			o := options(dir, server("m"))
			o.Keep = true
			change(&o)
			f, _ := run(t, o)
			if rs := status(t, f, o.Deployments[0].Name); len(rs) != 0 {
				t.Errorf("adopted %+v", rs)
			}
			for _, pid := range before {
				until(t, "leftover ended", func() bool { return !alive(pid) })
			}
			until(t, "records gone", func() bool { return len(pids(t, dir)) == 0 })
		})
	}
}

// A pid is only a number: another process may have it now.
func TestAProcessWithARecordedPidButAnotherStartIsLeftAlone(t *testing.T) {
	dir := t.TempDir()
	c := exec.Command(os.Args[0])
	c.Env = append(os.Environ(), part+"=child")
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = c.Process.Kill()
		_ = c.Wait()
	}()
	d := server("m")
	if err := d.fill(0); err != nil {
		t.Fatal(err)
	}
	rec := record{ID: "m-7", Deployment: "m", Hash: d.hash(), PID: c.Process.Pid, Birth: "1@another", Port: 20000, Keep: true}
	b, err := json.Marshal(rec)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, rec.ID+recordEnd)
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	o := options(dir, d)
	o.Keep = true
	f, _ := run(t, o)
	until(t, "record dropped", func() bool { _, err := os.Stat(path); return os.IsNotExist(err) })
	if rs := status(t, f, "m"); len(rs) != 0 {
		t.Errorf("adopted a stranger: %+v", rs)
	}
	if !alive(c.Process.Pid) {
		t.Error("ended a stranger")
	}
}

func TestAReplicaKilledWeirWasJustStartingIsFoundByItsMark(t *testing.T) {
	dir := t.TempDir()
	f, err := New(options(dir, server("m")))
	if err != nil {
		t.Fatal(err)
	}
	c := exec.Command(os.Args[0])
	c.Env = append(os.Environ(), part+"=child", markVar+"="+f.mark("m-1"))
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	// Start returns in the middle of exec: a moment later the environment is there.
	until(t, "the mark in the environment", func() bool {
		env, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", c.Process.Pid))
		return err == nil && strings.Contains(string(env), f.mark("m-1"))
	})
	if err := f.save(record{ID: "m-1", Deployment: "m", Port: 20000, Keep: true}); err != nil {
		t.Fatal(err)
	}
	f.lock.Close()
	run(t, options(dir, server("m")))
	if err := c.Wait(); err == nil {
		t.Error("ended by itself: want it killed")
	}
}

func TestAStateFolderHasOneUser(t *testing.T) {
	dir := t.TempDir()
	_, stop := run(t, options(dir, server("m")))
	if _, err := New(options(dir, server("m"))); err == nil || !strings.Contains(err.Error(), "in use by another weir") {
		t.Fatalf("second fleet on one folder: %v", err)
	}
	stop()
	run(t, options(dir, server("m")))
}

func TestAStateFileThatIsNotOursIsLeftAlone(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "odd"+recordEnd)
	if err := os.WriteFile(path, []byte("{half"), 0o600); err != nil {
		t.Fatal(err)
	}
	f, _ := run(t, options(dir, server("m")))
	scale(t, f, "m", 1)
	await(t, f, "m", "ready", all(1, weir.Ready))
	if b, err := os.ReadFile(path); err != nil || string(b) != "{half" {
		t.Errorf("%q %v", b, err)
	}
}

func TestADamagedSequenceIsAnErrorAndNotARestartAtOne(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "sequence"), []byte("?"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := New(options(dir, server("m"))); err == nil || !strings.Contains(err.Error(), "write a number above") {
		t.Errorf("%v", err)
	}
}
