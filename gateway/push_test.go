package gateway

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"weir"
)

// A growing queue is reported at once, for every deployment of its model and no other.
// Growth within the gap is reported together, and a shrinking queue is not reported. No
// lock is held meanwhile, so the callee may query the gateway.
func TestAQueueThatGrowsIsTold(t *testing.T) {
	c := coming()
	d := c.Models[0].Deployments[0]
	d.Name = "d1"
	c.Models[0].Deployments = append(c.Models[0].Deployments, d)
	other := config("").Models[0]
	other.Name, other.Queue, other.Deployments[0].Name, other.Deployments[0].Elastic = "other", c.Models[0].Queue, "d2", true
	c.Models = append(c.Models, other)
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var told []string
		var g *Gateway
		g, err := New(Options{Dialects: protocols, Config: c, Grew: func(deployment string) {
			mu.Lock()
			told = append(told, deployment)
			mu.Unlock()
			if d, err := g.Demand(deployment); err != nil || d.Model.Waiting == 0 {
				t.Errorf("%+v %v", d, err)
			}
		}})
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		b := &bubble{Gateway: g, t: t}
		b.record = func(weir.Record) {}
		done := make(chan struct{})
		go func() { g.tellGrowth(ctx); close(done) }()
		asking, leave := context.WithCancel(t.Context())
		ask := func() {
			go b.await(asking)
			synctest.Wait()
		}
		f := func(want ...string) {
			t.Helper()
			synctest.Wait()
			mu.Lock()
			defer mu.Unlock()
			if !slices.Equal(told, want) {
				t.Errorf("told %q, want %q", told, want)
			}
			told = nil
		}
		f()
		ask()
		f("d0", "d1")
		for range 50 {
			ask()
		}
		f()
		time.Sleep(growthGap)
		f("d0", "d1")
		go b.ask(asking, strings.Replace(chatBody, `"m"`, `"other"`, 1))
		time.Sleep(growthGap)
		f("d2")
		leave()
		time.Sleep(time.Second)
		f()
		stop()
		<-done
	})
}

// await makes a request wait until its caller leaves.
func (b *bubble) await(ctx context.Context) {
	b.records = append(b.records, weir.Record{})
	b.ask(ctx, chatBody)
}

func TestOneReplicasRequestsInFlightAreKnown(t *testing.T) {
	held, free := make(chan struct{}), make(chan struct{})
	s := newBackend(t, func(w http.ResponseWriter, r *http.Request) {
		held <- struct{}{}
		<-free
		answering(w, r)
	})
	r := start(t, config(s.URL))
	f := func(deployment, replica string, want int) {
		t.Helper()
		if n := r.InFlight(deployment, replica); n != want {
			t.Errorf("%s %s: %d, want %d", deployment, replica, n, want)
		}
	}
	f("d0", "0", 0)
	f("d0", "1", -1)
	f("d1", "0", -1)
	done := make(chan struct{})
	for range 2 {
		go func() { r.post(chatPath, chatBody); done <- struct{}{} }()
		<-held
	}
	f("d0", "0", 2)
	close(free)
	<-done
	<-done
	r.settled()
	f("d0", "0", 0)
}
