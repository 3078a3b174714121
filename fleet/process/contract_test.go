package process

import (
	"context"
	"sync"
	"syscall"
	"testing"
	"time"

	"weir/fleet/fleettest"
)

func TestContract(t *testing.T) {
	fleettest.Run(t, func(t *testing.T) fleettest.Harness {
		d := server("m")
		d.GPUs = 1
		o := options(t.TempDir(), d)
		o.GPUs = []string{"0", "1", "2", "3"}
		var mu sync.Mutex
		held := map[string]bool{}
		o.Busy = func(_, replica string) int {
			mu.Lock()
			defer mu.Unlock()
			if held[replica] {
				return 1
			}
			return 0
		}
		f, _ := run(t, o)
		return fleettest.Harness{
			Actuator: f, Deployment: "m", Capacity: len(o.GPUs),
			Settle: func(done func() bool) bool {
				for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
					if done() {
						return true
					}
				}
				return false
			},
			Hold: func(replica string, busy bool) {
				mu.Lock()
				defer mu.Unlock()
				held[replica] = busy
			},
			Fail: func(replica string) { crash(t, f, replica) },
		}
	})
}

// crash kills a replica's process from outside.
func crash(t *testing.T, f *Fleet, replica string) {
	t.Helper()
	until(t, replica+" has a process", func() bool {
		f.mu.Lock()
		defer f.mu.Unlock()
		for _, r := range f.replicas {
			if r.view.ID == replica && r.proc != nil {
				return syscall.Kill(r.proc.pid, syscall.SIGKILL) == nil
			}
		}
		return false
	})
}

func TestANameIsNeverGivenTwice(t *testing.T) {
	dir := t.TempDir()
	seen := map[string]bool{}
	add := func(f *Fleet) {
		t.Helper()
		if err := f.Scale(context.Background(), "m", 3, nil); err != nil {
			t.Fatal(err)
		}
		for _, r := range status(t, f, "m") {
			if seen[r.ID] {
				t.Errorf("%s was the name of an earlier replica", r.ID)
			}
			seen[r.ID] = true
		}
	}
	for range 3 { // crashed: it wrote no last number
		f, err := New(options(dir, server("m", "SICK=1")))
		if err != nil {
			t.Fatal(err)
		}
		add(f)
		f.lock.Close()
	}
	for range 2 {
		f, stop := run(t, options(dir, server("m", "SICK=1")))
		add(f)
		stop()
	}
}
