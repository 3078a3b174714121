package dispatch

import (
	"testing"
	"time"

	"weir"
)

// pinCore has two deployments of two replicas each; each replica takes one
// request at a time.
func pinCore() (*Core, Options) {
	o := Options{Queue: Queue{MaxWork: 1 << 20, MaxRequests: 10, MaxWait: 10 * time.Second}, Health: Health{Failures: 1, Base: time.Second, Max: time.Minute}}
	for _, name := range []string{"a", "b"} {
		o.Deployments = append(o.Deployments, Deployment{Name: name, Weight: 1, MaxRequests: 1})
	}
	c := New(o, 1)
	for _, d := range o.Deployments {
		c.Replicas(epoch, d.Name, ready("0", "1"))
	}
	return c, o
}

func TestAPinnedRequestGoesWhereItMustAndNowhereElse(t *testing.T) {
	c, _ := pinCore()
	pin := Pin{Deployment: "b", Replica: "1"}
	for id := uint64(1); id <= 20; id++ {
		v := c.Arrive(epoch, Request{ID: id, Tenant: "t", Output: 1, Pin: pin})
		if len(v) != 1 || v[0].Kind != Grant || v[0].Deployment != "b" || v[0].Replica != "1" {
			t.Fatalf("request %d: %+v", id, v)
		}
		c.Done(epoch, id, OK, weir.Usage{})
	}
}

func TestAPinnedRequestWaitsForItsReplicaAndStopsNobody(t *testing.T) {
	c, _ := pinCore()
	pin := Pin{Deployment: "b", Replica: "1"}
	c.Arrive(epoch, Request{ID: 1, Tenant: "t", Output: 1, Pin: pin})
	if v := c.Arrive(epoch, Request{ID: 2, Tenant: "t", Output: 1, Pin: pin}); len(v) != 0 {
		t.Fatalf("it did not wait: %+v", v)
	}
	for id := uint64(3); id <= 5; id++ { // three other replicas are free
		if v := c.Arrive(epoch, Request{ID: id, Tenant: "t", Output: 1}); len(v) != 1 || v[0].Kind != Grant {
			t.Fatalf("request %d: %+v", id, v)
		}
	}
	if v := c.Done(epoch, 3, OK, weir.Usage{}); len(v) != 0 {
		t.Fatalf("what came free elsewhere was given: %+v", v)
	}
	v := c.Done(epoch, 1, OK, weir.Usage{})
	if len(v) != 1 || v[0].ID != 2 || v[0].Deployment != "b" || v[0].Replica != "1" {
		t.Fatalf("have %+v", v)
	}
}

func TestAPinnedRequestIsRefusedWhenItsReplicaIsNotToBeHad(t *testing.T) {
	c, _ := pinCore()
	refused := func(id uint64, pin Pin, why Reason) {
		t.Helper()
		v := c.Arrive(epoch, Request{ID: id, Tenant: "t", Output: 1, Pin: pin})
		if len(v) != 1 || v[0].Kind != Refuse || v[0].Reason != why {
			t.Errorf("have %+v, want %s", v, why)
		}
	}
	refused(1, Pin{Deployment: "c", Replica: "0"}, NoReplica)
	refused(2, Pin{Deployment: "b", Replica: "7"}, NoReplica)
	c.PushBack(epoch, "b", "0", epoch.Add(time.Minute))
	refused(3, Pin{Deployment: "b", Replica: "0"}, AllThrottled)
}

func TestAPinnedRequestMayGoToAnotherDeploymentAtTheSameAddress(t *testing.T) {
	c, o := pinCore()
	same := func(deployment string) {
		rs := ready("0")
		rs[0].Addr = "http://resource"
		c.Replicas(epoch, deployment, rs)
	}
	for _, d := range o.Deployments {
		same(d.Name)
	}
	pin := Pin{Deployment: "a", Replica: "0", Addr: "http://resource"}
	for id, want := range []string{"a", "b"} {
		if v := c.Arrive(epoch, Request{ID: uint64(id + 1), Tenant: "t", Output: 1, Pin: pin}); len(v) != 1 || v[0].Deployment != want {
			t.Errorf("have %+v, want %s", v, want)
		}
	}
}
