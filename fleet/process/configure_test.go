package process

import (
	"errors"
	"strconv"
	"strings"
	"testing"

	"weir"
	"weir/fleet"
)

func configure(t *testing.T, f *Fleet, ds ...Deployment) {
	t.Helper()
	if err := f.Configure(ds); err != nil {
		t.Fatal(err)
	}
}

func TestAChangedTemplateReplacesOneByOneAndNeverServesFewer(t *testing.T) {
	f, _ := run(t, options(t.TempDir(), server("m")))
	scale(t, f, "m", 2)
	old := await(t, f, "m", "ready", all(2, weir.Ready))
	configure(t, f, server("m", "VERSION=2"))
	scale(t, f, "m", 2) // as a scaler would ask meanwhile: no more and no fewer
	await(t, f, "m", "both replaced", func(rs []weir.Replica) bool {
		serving := 0
		for _, r := range rs {
			if r.State == weir.Ready {
				serving++
			}
		}
		if serving < 2 {
			t.Fatalf("only %d of 2 serve: %+v", serving, rs)
		}
		return all(2, weir.Ready)(rs) && rs[0].ID != old[0].ID && rs[0].ID != old[1].ID && rs[1].ID != old[1].ID
	})
}

func TestABadNewTemplateLeavesTheOldReplicasServing(t *testing.T) {
	f, _ := run(t, options(t.TempDir(), server("m")))
	scale(t, f, "m", 1)
	old := await(t, f, "m", "ready", all(1, weir.Ready))[0]
	configure(t, f, server("m", "CRASH=1"))
	await(t, f, "m", "the new one fails", func(rs []weir.Replica) bool {
		return len(rs) == 2 && rs[1].State == weir.Failed && strings.Contains(rs[1].Detail, "out of memory")
	})
	if r := status(t, f, "m")[0]; r.ID != old.ID || r.State != weir.Ready {
		t.Fatalf("the old replica is %+v", r)
	}
	configure(t, f, server("m", "VERSION=3")) // fixed
	await(t, f, "m", "the old one replaced", func(rs []weir.Replica) bool {
		return all(1, weir.Ready)(rs) && rs[0].ID != old.ID
	})
}

func TestOtherChangesKeepTheReplicas(t *testing.T) {
	f, _ := run(t, options(t.TempDir(), server("m")))
	scale(t, f, "m", 1)
	old := await(t, f, "m", "ready", all(1, weir.Ready))[0]
	d := server("m")
	d.MaxReplicas = 1
	configure(t, f, d, server("another"))
	if rs := status(t, f, "m"); len(rs) != 1 || rs[0].ID != old.ID {
		t.Fatalf("have %+v", rs)
	}
	if err := f.Scale(t.Context(), "m", 2, nil); !errors.Is(err, fleet.ErrNoCapacity) {
		t.Errorf("a second replica of at most one: %v", err)
	}
	scale(t, f, "another", 1)
	await(t, f, "another", "ready", all(1, weir.Ready))
}

func TestARemovedDeploymentIsDrained(t *testing.T) {
	f, _ := run(t, options(t.TempDir(), server("m"), server("stays")))
	scale(t, f, "m", 2)
	await(t, f, "m", "ready", all(2, weir.Ready))
	configure(t, f, server("stays"))
	if _, err := f.Status(t.Context(), "m"); !errors.Is(err, fleet.ErrUnknown) {
		t.Errorf("Status: %v, want ErrUnknown", err)
	}
	until(t, "its replicas are gone", func() bool {
		f.mu.Lock()
		defer f.mu.Unlock()
		return len(f.replicas) == 0
	})
}

func TestOneGPUIsHandedOverToTheNewTemplate(t *testing.T) {
	d := server("m")
	d.GPUs = 1
	o := options(t.TempDir(), d)
	o.GPUs = []string{"0"}
	f, _ := run(t, o)
	scale(t, f, "m", 1)
	old := await(t, f, "m", "ready", all(1, weir.Ready))[0]
	next := server("m", "VERSION=2")
	next.GPUs = 1
	configure(t, f, next)
	await(t, f, "m", "replaced", func(rs []weir.Replica) bool { return all(1, weir.Ready)(rs) && rs[0].ID != old.ID })
}

func TestABadConfigurationChangesNothing(t *testing.T) {
	f, _ := run(t, options(t.TempDir(), server("m")))
	if err := f.Configure([]Deployment{{Name: "bad"}}); err == nil {
		t.Fatal("a deployment without a command was taken")
	}
	scale(t, f, "m", 1)
	await(t, f, "m", "ready", all(1, weir.Ready))
}

// With as many replicas as GPUs, a new template is rolled out one by one: all
// but one go on serving.
func TestWithoutAFreeGPUReplicasAreHandedOverOneByOne(t *testing.T) {
	f := onGPUs(t, 3)
	old := await(t, f, "m", "ready", all(3, weir.Ready))
	next := server("m", "VERSION=2")
	next.GPUs = 1
	configure(t, f, next)
	await(t, f, "m", "all replaced", func(rs []weir.Replica) bool {
		if n := serving(rs); n < 2 {
			t.Fatalf("only %d of 3 serve: %+v", n, rs)
		}
		return all(3, weir.Ready)(rs) && rs[0].ID > old[2].ID
	})
}

// A template that does not start costs one replica on a full machine, and the
// fixed one is rolled out from there.
func TestABadTemplateOnAFullMachineCostsOneReplica(t *testing.T) {
	f := onGPUs(t, 3)
	old := await(t, f, "m", "ready", all(3, weir.Ready))
	for _, bad := range []string{"CRASH=1", "CRASH=2"} {
		next := server("m", bad)
		next.GPUs = 1
		configure(t, f, next)
		await(t, f, "m", "the new one fails", func(rs []weir.Replica) bool {
			return len(rs) == 3 && rs[2].State == weir.Failed && rs[2].FailedStarts > 2 && serving(rs) == 2
		})
	}
	for _, r := range status(t, f, "m")[:2] {
		if r.ID > old[2].ID || !strings.Contains(r.Detail, "keeps its old command") {
			t.Errorf("%+v", r)
		}
	}
	next := server("m", "VERSION=2")
	next.GPUs = 1
	configure(t, f, next)
	await(t, f, "m", "all replaced", func(rs []weir.Replica) bool {
		if n := serving(rs); n < 2 {
			t.Fatalf("only %d of 3 serve: %+v", n, rs)
		}
		return all(3, weir.Ready)(rs) && rs[0].ID > old[2].ID
	})
}

func serving(rs []weir.Replica) (n int) {
	for _, r := range rs {
		if r.State == weir.Ready {
			n++
		}
	}
	return n
}

// onGPUs runs n replicas of "m" on n GPUs, one each.
func onGPUs(t *testing.T, n int) *Fleet {
	d := server("m")
	d.GPUs = 1
	o := options(t.TempDir(), d)
	for i := range n {
		o.GPUs = append(o.GPUs, strconv.Itoa(i))
	}
	f, _ := run(t, o)
	scale(t, f, "m", n)
	return f
}
