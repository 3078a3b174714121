package dispatch

import (
	"fmt"
	"math"
	"testing"

	"weir"
)

// BenchmarkArriveDone is one request that finds room at once: its two calls
// under the model's lock. TestARequestThatFindsRoomCostsNoMemory asserts its
// allocations, at the floor of 64 replicas of 4 deployments.
func BenchmarkArriveDone(b *testing.B) {
	for _, replicas := range []int{1, 16, 64, 250, 1000} {
		b.Run(fmt.Sprintf("replicas=%d", replicas), func(b *testing.B) {
			c := fleetOf(4, replicas, 0)
			id := warm(c, 4*replicas) // some load on each
			b.ReportAllocs()
			for b.Loop() {
				id++
				c.Arrive(epoch, Request{ID: id, Tenant: "t", Prompt: 1000, Output: 200})
				c.FirstToken(epoch, id-uint64(2*replicas))
				c.Done(epoch, id-uint64(2*replicas), OK, weir.Usage{Completion: 200})
			}
		})
	}
}

// BenchmarkQueue is one request that ends and one that arrives, with that many
// waiting from a hundred tenants.
func BenchmarkQueue(b *testing.B) {
	for _, waiting := range []int{10, 1000, 10_000, 100_000} {
		b.Run(fmt.Sprintf("waiting=%d", waiting), func(b *testing.B) {
			c := fleetOf(4, 64, 4)
			tenants := make([]string, 100)
			for i := range tenants {
				tenants[i] = fmt.Sprint("tenant-", i)
			}
			var busy []uint64
			id := uint64(0)
			arrive := func() {
				id++
				for _, v := range c.Arrive(epoch, Request{ID: id, Tenant: tenants[id*7919%100], Prompt: int(id * 31 % 3000), Output: 200}) {
					busy = append(busy, v.ID)
				}
			}
			for range 256 + waiting {
				arrive()
			}
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				k := i * 7919 % len(busy)
				done := busy[k]
				busy[k] = busy[len(busy)-1]
				busy = busy[:len(busy)-1]
				for _, v := range c.Done(epoch, done, OK, weir.Usage{}) {
					busy = append(busy, v.ID)
				}
				arrive()
			}
		})
	}
}

// fleetOf makes a Core of that many deployments in two tiers, with that many
// replicas in total and slots each; 0: 64 slots.
func fleetOf(deployments, replicas, slots int) *Core {
	if slots == 0 {
		slots = 64
	}
	o := Options{Queue: Queue{MaxWork: math.MaxInt32, MaxRequests: math.MaxInt32}}
	for i := range deployments {
		o.Deployments = append(o.Deployments, Deployment{Name: fmt.Sprint("d", i), Tier: i / 2, Weight: 1 + i, MaxRequests: slots})
	}
	c := New(o, 1)
	for i, d := range o.Deployments {
		var ids []string
		for j := i; j < replicas; j += deployments {
			ids = append(ids, fmt.Sprint("r", j))
		}
		c.Replicas(epoch, d.Name, ready(ids...))
	}
	return c
}

// warm makes n requests arrive and returns the last one's ID.
func warm(c *Core, n int) uint64 {
	for id := uint64(1); id <= uint64(n); id++ {
		c.Arrive(epoch, Request{ID: id, Tenant: "t", Prompt: int(id * 37 % 2000), Output: 200})
	}
	return uint64(n)
}

func TestARequestThatFindsRoomCostsNoMemory(t *testing.T) {
	c := fleetOf(4, 64, 0)
	id := warm(c, 256)
	if n := testing.AllocsPerRun(2000, func() {
		id++
		c.Arrive(epoch, Request{ID: id, Tenant: "t", Prompt: 1000, Output: 200})
		c.FirstToken(epoch, id)
		c.Done(epoch, id, OK, weir.Usage{Completion: 200})
	}); n > 0 {
		t.Errorf("%v allocations", n)
	}
}
