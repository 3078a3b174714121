package main

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"syscall"
	"testing"
	"time"

	"weir/meter"
)

// Three gateways, one database: one scales for the demand at all of them, and
// all send to the replicas it starts. When it is killed or frozen, another goes
// on with the running replicas. Two never write.
func TestOneOfSeveralGatewaysScalesAndOutlivesKillAndPause(t *testing.T) {
	c := newCluster(t, "a", "b", "c")
	first, token := c.leads(0)
	for _, p := range c.peers {
		c.eventually("a replica is ready at "+p.name, func() bool { return len(c.ready(p)) == 1 })
	}
	c.serves(c.peers...)

	// Load at a gateway that does not scale makes the leader scale.
	second := c.others(first)[0]
	loaded, calm := context.WithCancel(t.Context())
	var callers sync.WaitGroup
	for range 12 {
		callers.Go(func() {
			for loaded.Err() == nil {
				_, _ = second.ask(loaded, 400) // cut off when there is enough load
			}
		})
	}
	for _, p := range c.peers {
		c.eventually("three replicas are ready at "+p.name, func() bool { return len(c.ready(p)) == 3 })
	}
	calm()
	callers.Wait()
	running := fmt.Sprint(c.ready(first))

	first.kill(t)
	killed := time.Now()
	rest := c.others(first)
	c.serves(rest...)
	leader, next := c.leads(token)
	t.Logf("with a lease of 2s another gateway leads %s after the kill", time.Since(killed).Round(10*time.Millisecond))
	c.eventually("the next leader goes on with what ran", func() bool { return fmt.Sprint(c.ready(leader)) == running })
	c.serves(rest...)
	c.decides(next)

	if err := leader.process.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	last := c.others(first, leader)[0]
	in, now := c.leads(next)
	if in != last {
		t.Fatalf("%s leads while %s is frozen, and %s could be", in.name, leader.name, last.name)
	}
	c.serves(last)
	if err := leader.process.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	// Only the leader can start one more, and it does.
	c.decides(now)
	c.configure(4, 4)
	for _, p := range []*peer{last, leader} {
		if resp, err := http.Post(p.oper+"/admin/reload", "", nil); err != nil || resp.StatusCode != http.StatusOK {
			t.Fatal(resp, err)
		}
	}
	for _, p := range []*peer{last, leader} {
		c.eventually("a fourth replica beside the same three at "+p.name, func() bool {
			ids := c.ready(p)
			return len(ids) == 4 && fmt.Sprint(ids[:3]) == running
		})
	}
	c.serves(last, leader)
	c.oneWriter()
	c.usageAddsUp()
}

// A database that freezes, dies and comes back: callers are served all the time
// by the existing replicas. There is no leader meanwhile, and the usage of that
// time is in the ledger afterwards.
func TestCallersAreServedWhileTheDatabaseIsFrozenOrGone(t *testing.T) {
	c := newCluster(t, "a", "b")
	_, token := c.leads(0)
	for _, p := range c.peers {
		c.eventually("a replica is ready at "+p.name, func() bool { return len(c.ready(p)) == 1 })
	}
	running := fmt.Sprint(c.ready(c.peers[0]))
	asked := 0
	outage := func() {
		for range 5 {
			c.serves(c.peers...)
			asked += len(c.peers)
		}
		for _, p := range c.peers {
			c.eventually(p.name+" says that the database does not answer", func() bool {
				var views []struct{}
				return !c.read(p, "/admin/gateways", &views)
			})
			c.eventually(p.name+" does not lead any more", func() bool { return c.says(p, 0) })
		}
		c.serves(c.peers...)
		asked += len(c.peers)
	}
	goOn := c.server.Pause()
	outage()
	goOn()
	_, token = c.leads(token)
	c.server.Kill()
	outage()
	c.server.Restart()
	leader, _ := c.leads(token - 1) // the former leader may go on with its term
	c.eventually("the replicas are those that ran", func() bool { return fmt.Sprint(c.ready(leader)) == running })
	c.serves(c.peers...)
	asked += len(c.peers)
	c.eventually("all is in the ledger", func() bool {
		rows, err := c.db.Usage(t.Context(), meter.Query{Step: meter.Whole, AllTenants: true, AllKeys: true, AllDeployments: true})
		return err == nil && len(rows) == 1 && rows[0].Completed == int64(asked)
	})
	c.oneWriter()
}
