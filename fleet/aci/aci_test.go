package aci_test

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"weir"
	"weir/emulate/arm"
	"weir/fleet"
	"weir/fleet/aci"
)

// A Weir that stops in the middle of creations leaves them to the next one, which makes
// no other, and ends those that it finds draining.
func TestARestartFindsItsOwnGroupsAndMakesNoneTwice(t *testing.T) {
	c := start(t, arm.Options{})
	first := c.open(worker())
	first.scale(2)
	c.until("both are asked for", func() bool { return len(c.there()) == 2 })
	first.stop()
	second := c.open(worker())
	second.scale(2)
	c.until("2 ready", func() bool { return second.in(weir.Ready) == 2 })
	if n := c.Actions()[writeAction]; n != 2 {
		t.Errorf("%d writes, want the first two alone", n)
	}
	goes := second.status()[0].ID
	second.hold(goes, true)
	if err := second.Scale(t.Context(), "m/worker", 1, []string{goes}); err != nil {
		t.Fatal(err)
	}
	c.until("its tag says that it drains", func() bool { return *c.there()[named(goes)]["weir-draining"] != "no" })
	second.stop()
	third := c.open(worker())
	if third.in(weir.Draining)+third.in(weir.Ready) != len(third.status()) || third.in(weir.Ready) > 1 {
		t.Errorf("after a restart: %+v", third.status())
	}
	third.scale(1)
	c.until("the draining one is gone", func() bool { return len(c.there()) == 1 && third.in(weir.Ready) == 1 })
	if c.there()[named(goes)] != nil {
		t.Error("another one went in the place of the one that drained")
	}
}

// Groups without Weir's tags, with those of another owner or of another deployment stay
// as they are, also where their names are those of Weir's slots.
func TestOthersGroupsAreNotTouched(t *testing.T) {
	c := start(t, arm.Options{})
	p := c.open(worker())
	p.scale(1)
	c.until("1 ready", func() bool { return p.in(weir.Ready) == 1 })
	slot := named(p.status()[0].ID)
	p.scale(0)
	c.until("none there", func() bool { return len(c.there()) == 0 })
	tags := func(owner, deployment string) map[string]string {
		return map[string]string{"weir-owner": owner, "weir-deployment": deployment, "weir-asked": "2026-11-30T12:00:00.000Z"}
	}
	c.make(slot, nil)
	c.make("staging", tags("staging", "m/worker"))
	c.make("elsewhere", tags("weir", "m/other"))
	before := slices.Sorted(maps.Keys(c.there()))
	p.scale(2)
	c.until("2 ready beside them", func() bool { return p.in(weir.Ready) == 2 && len(c.there()) == 5 })
	p.scale(0)
	c.until("its own are gone", func() bool { return len(c.there()) == 3 })
	if after := slices.Sorted(maps.Keys(c.there())); !slices.Equal(before, after) {
		t.Errorf("%v became %v", before, after)
	}
	found, err := aci.Examine(t.Context(), aci.Options{Account: c.account, Deployments: []aci.Deployment{worker()}})
	if err != nil || len(found) != 1 || !found[0].Doubt || !strings.HasPrefix(found[0].Trim(), `owner "weir" has groups of no deployment of the file, which cost money: elsewhere;`) {
		t.Errorf("%+v, %v", found, err)
	}
}

func TestAShortageHasItsWord(t *testing.T) {
	c := start(t, arm.Options{Quota: map[string]int{"StandardCores": 4}})
	p := c.open(worker()) // 2 cores each
	short := func(n int, why string) func() bool {
		return func() bool {
			var s *fleet.Shortage
			return errors.As(p.Scale(t.Context(), p.name, n, nil), &s) && errors.Is(s, fleet.ErrNoCapacity) && s.Why == why
		}
	}
	c.until("quota", short(3, fleet.WhyQuota))
	c.until("2 of 3", func() bool { return p.in(weir.Ready) == 2 })
	c.until("the quota is its bound", func() bool {
		_ = p.Scale(t.Context(), p.name, 3, nil)
		most, why, _ := p.Bound(p.name)
		return most == 2 && why == fleet.WhyQuota && p.Again(p.name).After(time.Now().Add(-time.Second))
	})
	p.scale(1)
	c.until("1 left", func() bool { return len(c.there()) == 1 })
	if err := c.Inject(arm.Fault{Kind: "stockout", Location: "swedencentral"}); err != nil {
		t.Fatal(err)
	}
	c.until("stock", short(2, fleet.WhyStock))
	if err := c.Inject(); err != nil {
		t.Fatal(err)
	}
	c.until("it comes when there is stock", func() bool {
		_ = p.Scale(t.Context(), p.name, 2, nil)
		return p.in(weir.Ready) == 2
	})
	if most := p.Room(p.name); most != 4 {
		t.Errorf("room for %d, want its own limit again", most)
	}
}

// A start that hangs is given up, deleted at Azure, and a new group comes.
func TestAStartThatHangsIsGivenUpAndReplaced(t *testing.T) {
	c := start(t, arm.Options{})
	if err := c.Inject(arm.Fault{Kind: "hang", Method: "PUT"}); err != nil {
		t.Fatal(err)
	}
	d := worker()
	d.StartTimeout = 250 * time.Millisecond
	p := c.open(d)
	p.scale(1)
	var late weir.Replica
	c.until("it has failed", func() bool {
		for _, r := range p.status() {
			if r.State == weir.Failed {
				late = r
			}
		}
		return late.ID != ""
	})
	if late.Why != fleet.WhySlowStart || !strings.Contains(late.Detail, "not ready after start_timeout, which is 250ms (Azure: Creating;") || late.FailedStarts == 0 {
		t.Errorf("%+v", late)
	}
	if err := c.Inject(); err != nil {
		t.Fatal(err)
	}
	c.until("another is ready, and nothing else is there", func() bool { return p.in(weir.Ready) == 1 && len(p.status()) == 1 && len(c.there()) == 1 })
	if id := p.status()[0].ID; id == late.ID {
		t.Error("it came back under the same name")
	}
}

// A container that ends by itself is a failed replica with the end of its log, in which
// no secret is, and another comes in its place.
func TestAGroupThatEndsByItselfIsReplaced(t *testing.T) {
	c := start(t, arm.Options{})
	d := worker()
	d.Environment = []aci.Variable{{Name: "EMULATE_RUN", Value: "5m"}, {Name: "EMULATE_EXIT", Value: "3"}} // 300 ms
	d.Secrets = []aci.Variable{{Name: "KEY", Value: "started"}}                                            // a word of the emulator's log
	p := c.open(d)
	p.scale(1)
	var ended weir.Replica
	c.until("it has ended", func() bool {
		for _, r := range p.status() {
			if r.State == weir.Failed {
				ended = r
			}
		}
		return ended.ID != ""
	})
	const want = "its container ended with exit code 3 (Error); the end of its log: emulated container of "
	if ended.Why != fleet.WhyEnded || !strings.HasPrefix(ended.Detail, want) || strings.Contains(ended.Detail, "started") || !strings.Contains(ended.Detail, "[hidden]") {
		t.Errorf("%+v", ended)
	}
	c.until("another is ready", func() bool { return p.in(weir.Ready) == 1 && p.status()[0].ID != ended.ID })
}

// A gateway that does not lead sees the groups, and writes nothing; it sees too which
// of them the leader drains.
func TestOneThatDoesNotLeadOnlyLooks(t *testing.T) {
	c := start(t, arm.Options{})
	leader := c.open(worker())
	leader.scale(2)
	c.until("2 ready", func() bool { return leader.in(weir.Ready) == 2 })
	var leads atomic.Bool
	other := c.openAs(leads.Load, worker())
	before := c.Actions()[writeAction]
	if err := other.Scale(t.Context(), other.name, 4, nil); !errors.Is(err, fleet.ErrNotLeading) {
		t.Errorf("it scaled: %v", err)
	}
	for _, r := range leader.status() {
		leader.hold(r.ID, true)
	}
	leader.scale(1)
	c.until("it sees the one that drains", func() bool { return other.in(weir.Draining) == 1 && other.in(weir.Ready) == 1 })
	leader.scale(2)
	c.until("and that it is back", func() bool { return other.in(weir.Ready) == 2 })
	if n := c.Actions()[writeAction] - before; n != 2 {
		t.Errorf("%d writes, want the leader's two tags", n)
	}
}

// A new template replaces the groups one by one, and there are never fewer that serve.
func TestANewTemplateReplacesGroupsOneByOne(t *testing.T) {
	c := start(t, arm.Options{})
	d := worker()
	p := c.open(d)
	p.scale(2)
	c.until("2 ready", func() bool { return p.in(weir.Ready) == 2 })
	old := p.status()
	d.Image = "registry.example/worker:2"
	if err := p.Configure([]aci.Deployment{d}); err != nil {
		t.Fatal(err)
	}
	c.until("2 new ones", func() bool {
		rs := p.status()
		if n := p.in(weir.Ready); n < 2 {
			t.Fatalf("%d serve: %+v", n, rs)
		}
		if len(rs) > 4 {
			t.Fatalf("more than one for one: %+v", rs)
		}
		return len(rs) == 2 && !slices.ContainsFunc(rs, func(r weir.Replica) bool { return r.ID == old[0].ID || r.ID == old[1].ID })
	})
}

// Groups of a deployment that is removed from the file go, and those of one that comes
// back at once are kept.
func TestGroupsOfARemovedDeploymentGo(t *testing.T) {
	c := start(t, arm.Options{})
	p := c.open(worker())
	p.scale(2)
	c.until("2 ready", func() bool { return p.in(weir.Ready) == 2 })
	held := p.status()[0].ID
	p.hold(held, true)
	if err := p.Configure(nil); err != nil {
		t.Fatal(err)
	}
	if _, err := p.Status(t.Context(), p.name); !errors.Is(err, fleet.ErrUnknown) {
		t.Errorf("it is still known: %v", err)
	}
	c.until("the idle one is gone", func() bool { return len(c.there()) == 1 })
	if err := p.Configure([]aci.Deployment{worker()}); err != nil {
		t.Fatal(err)
	}
	p.scale(1)
	c.until("the busy one serves again", func() bool { return p.in(weir.Ready) == 1 && p.status()[0].ID == held })
	if err := p.Configure(nil); err != nil {
		t.Fatal(err)
	}
	p.hold(held, false)
	c.until("all are gone", func() bool { return len(c.there()) == 0 })
}
