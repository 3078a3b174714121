package dispatch

import (
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"weir"
	"weir/internal/seed"
)

// laws checks what must hold after every event.
func (w *world) laws() {
	w.lawConservation()
	w.lawBooks()
	w.lawClaims()
	w.lawNobodyWaitsForNothing()
	w.lawStructure()
}

// Every request that arrived is in exactly one place.
func (w *world) lawConservation() {
	d := w.core.Demand(w.now)
	inFlight := uint64(len(w.granted))
	if sum := d.Refused + d.Completed + d.Failed + d.Cancelled + uint64(d.Waiting) + inFlight; sum != d.Arrived {
		w.fault("arrived %d, accounted for %d: %+v", d.Arrived, sum, d)
	}
	if d.Arrived != w.lastID || d.Refused != w.ended.refused || d.Cancelled != w.ended.cancelled ||
		d.Completed+d.Failed != w.ended.done || d.Waiting != len(w.waiting) {
		w.fault("the core counts %+v, the world %d arrived, %+v, %d waiting", d, w.lastID, w.ended, len(w.waiting))
	}
}

// The books of replicas and queue equal the sums of their content.
func (w *world) lawBooks() {
	c := w.core
	requests, work, prefill := map[*replica]int{}, map[*replica]int{}, map[*replica]int{}
	waiting, waitingWork, retried := 0, 0, 0
	for _, q := range c.calls {
		if q.on != nil {
			requests[q.on]++
			work[q.on] += q.work
			prefill[q.on] += q.prefill
			if q.known < 0 || q.prefill < 0 || !q.first && q.known+q.prefill != q.Prompt {
				w.fault("%d has a prompt of %d, of which %d are known and %d to compute", q.ID, q.Prompt, q.known, q.prefill)
			}
			continue
		}
		waiting++
		waitingWork += q.work
		if q.flow == nil {
			retried++
		}
	}
	if waiting != c.waiting.count || waiting != len(c.limits) || waitingWork != c.waitingWork() {
		w.fault("%d requests of %d tokens wait; the core says %d, %d limits, %d tokens", waiting, waitingWork, c.waiting.count, len(c.limits), c.waitingWork())
	}
	for _, d := range slices.Concat(c.deployments, c.leaving) {
		sum, sumWork := 0, 0
		for _, r := range d.replicas {
			if r.requests != requests[r] || r.work != work[r] || r.prefill != prefill[r] {
				w.fault("%s/%s says %d/%d/%d, has %d/%d/%d", d.Name, r.id, r.requests, r.work, r.prefill, requests[r], work[r], prefill[r])
			}
			if len(r.memory.at) > max(d.names(), 0) {
				w.fault("%s/%s remembers %d names, allowed are %d", d.Name, r.id, len(r.memory.at), d.names())
			}
			if r.gone && r.requests == 0 {
				w.fault("%s/%s has vanished and is remembered", d.Name, r.id)
			}
			sum, sumWork = sum+r.requests, sumWork+r.work
		}
		if d.requests != sum || d.work != sumWork {
			w.fault("%s says %d/%d, has %d/%d", d.Name, d.requests, d.work, sum, sumWork)
		}
	}
	fresh := c.lanes[0].fresh + c.lanes[1].fresh
	if fresh+retried != waiting {
		w.fault("%d fresh and %d retried make %d waiting", fresh, retried, waiting)
	}
}

// The in-flight work of tenants, and the due prompts of replicas, are those of
// their requests.
func (w *world) lawClaims() {
	c := w.core
	work, requests, due := map[*claim]int{}, map[*claim]int{}, map[*replica]int{}
	for _, q := range c.calls {
		requests[q.claim]++
		if q.on != nil {
			work[q.claim] += q.work
			due[q.on] += q.due
		}
		if q.on == nil && q.due != 0 || q.due != 0 && q.due != q.prefill {
			w.fault("%d has %d tokens due of %d", q.ID, q.due, q.prefill)
		}
	}
	sum, weights, count := 0, 0, 0
	for k := c.claims.oldest; k != nil; k = k.newer {
		if k.work != work[k] || k.requests != requests[k] || c.claims.by[k.tenant] != k || k.weight != c.share(k.tenant) {
			w.fault("%s claims %d tokens of %d requests, it has %d of %d", k.tenant, k.work, k.requests, work[k], requests[k])
		}
		sum, weights, count = sum+k.work, weights+k.weight, count+1
		delete(work, k)
		delete(requests, k)
	}
	if sum != c.claims.work || weights != c.claims.weights || count != len(c.claims.by) || len(work)+len(requests) != 0 {
		w.fault("claims come to %d tokens and weights to %d; the core says %+v; %d are lost", sum, weights, c.claims, len(requests))
	}
	for _, d := range slices.Concat(c.deployments, c.leaving) {
		for _, r := range d.replicas {
			if r.due != due[r] {
				w.fault("%s/%s has %d tokens due, it says %d", d.Name, r.id, due[r], r.due)
			}
		}
	}
}

// No request waits while a replica it may go to has room for it, except for one
// replica held for one request, and for the reserve of tenants over their
// share. Of a tenant's own, only the first in line counts.
func (w *world) lawNobodyWaitsForNothing() {
	c := w.core
	for _, q := range c.calls {
		if q.on != nil || q.pause.at > c.now || q.flow != nil && q.flow.first != q {
			continue
		}
		// Tenants over their share leave room to others, who get it at the next
		// event.
		stance := c.stanceOf(q)
		if stance == over {
			continue
		}
		avoid := c.avoids(q)
		for _, d := range c.deployments {
			if !c.lets(d, q.Class) || q.patient && !c.prefers(d) || c.unfit(q, d) {
				continue
			}
			for _, r := range d.replicas {
				if stance == under && (d.leaves() || !r.lets(q)) {
					continue
				}
				if q.pinned() && !q.Pin.holds(r) {
					continue
				}
				if hasRoom(c.now, d, r, q) && !(avoid && q.hasTried(r)) && (!r.held || c.held == q) {
					w.fault("%d waits at %d, though %s/%s has room for %d tokens (%d/%d)", q.ID, w.now, d.Name, r.id, q.work, r.requests, r.work)
				}
			}
		}
	}
	if q := c.held; q != nil && (q.on != nil || c.calls[q.ID] != q || !q.reserved.held) {
		w.fault("a replica is kept free for %d, which does not wait for it", q.ID)
	}
	for _, q := range c.calls {
		if q.on == nil && q.patient && c.patience(q) <= c.now {
			w.fault("%d waits patiently at %d, and its patience ended at %d", q.ID, w.now, c.patience(q))
		}
	}
	for _, p := range c.pauses {
		if p.at <= c.now || p.q.on != nil || c.calls[p.q.ID] != p.q {
			w.fault("%d pauses until %d, it is %d", p.q.ID, p.at, c.now)
		}
	}
	for _, l := range c.limits {
		if l.at <= c.now {
			w.fault("%d waits beyond its limit", l.q.ID)
		}
	}
}

// prefers says whether d is in one of the tiers that requests wait for.
func (c *Core) prefers(d *deployment) bool {
	for _, t := range c.tiers[:c.preferred] {
		if slices.Contains(t, d) {
			return true
		}
	}
	return false
}

// hasRoom says from plain facts whether r may take q now.
func hasRoom(now weir.Instant, d *deployment, r *replica, q *call) bool {
	switch {
	case d.Weight <= 0 || d.throttled > now || r.throttled > now || r.gone || r.state != weir.Ready:
		return false
	case r.open && (r.until > now || r.tester != 0):
		return false
	case d.MaxRequests > 0 && r.requests >= d.MaxRequests*r.units:
		return false
	}
	return d.MaxWork == 0 || r.requests < r.units || r.work+q.work <= d.MaxWork*r.units
}

// Heaps and trees are in order.
func (w *world) lawStructure() {
	c := w.core
	checkHeap(w, "limits", c.limits)
	checkHeap(w, "timers", c.timers)
	checkHeap(w, "pauses", c.pauses)
	for _, d := range c.deployments {
		checkHeap(w, "load of "+d.Name, d.load)
		for _, r := range d.replicas {
			if in := r.inRotation(c.now); in != d.load.has(r) {
				w.fault("%s/%s: in rotation %v, in the heap %v", d.Name, r.id, in, !in)
			}
		}
	}
	for i := range c.lanes {
		l := &c.lanes[i]
		checkHeap(w, "backlogs", l.fat)
		var last *flow
		n := 0
		var walk func(f *flow)
		walk = func(f *flow) {
			if f == nil {
				return
			}
			least := f.least
			f.update()
			walk(f.left)
			if last != nil && !last.precedes(f) || f.least != least || f.first == nil || f.need != f.first.work {
				w.fault("the tree of flows is out of order at %s", f.tenant)
			}
			last = f
			n++
			walk(f.right)
		}
		walk(l.root)
		if n != len(l.fat) {
			w.fault("%d flows in the tree, %d in the heap", n, len(l.fat))
		}
	}
}

func checkHeap[T item[T]](w *world, name string, h heap[T]) {
	for i, x := range h {
		if *x.heapIndex() != i+1 || i > 0 && x.before(h[(i-1)/2]) {
			w.fault("heap %s is out of order at %d", name, i)
		}
	}
}

func TestLawsHoldWhateverHappens(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		if w := play(rapid.SliceOfN(rapid.Byte(), 30, 1500).Draw(t, "events")); len(w.faults) > 0 {
			t.Fatalf("%v\n%s", w.faults, w.log.String())
		}
	})
}

// TestLawsHoldInLongLives checks the same over thousands of events, with long
// queues and changing deployments. The fuzz target shrinks a failure.
func TestLawsHoldInLongLives(t *testing.T) {
	drawn := seed.Of(t)
	for life := range uint64(40) {
		rng := rand.New(rand.NewPCG(drawn, life))
		data := make([]byte, 6000)
		for i := range data {
			data[i] = byte(rng.Uint32())
		}
		if w := play(data); len(w.faults) > 0 {
			t.Fatalf("life %d: %v", life, w.faults)
		}
	}
}

// FuzzEvents is the same with events read from bytes.
func FuzzEvents(f *testing.F) {
	f.Add([]byte("the first bytes are options, the others events"))
	f.Add([]byte{0, 9, 9, 9, 9, 9, 1, 1, 2, 0, 3, 2, 2, 1, 3, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7, 7, 0, 1, 20, 30, 40, 1, 8, 1})
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) > 2000 {
			return
		}
		if w := play(data); len(w.faults) > 0 {
			t.Fatalf("%v\n%s", w.faults, w.log.String())
		}
	})
}

// play chooses the events by bytes, and then ends everything.
func play(data []byte) *world {
	w := newWorld(chooser(&data))
	for len(data) > 0 && len(w.faults) == 0 {
		w.step()
	}
	w.drain()
	return w
}

// chooser reads choices from bytes, 0 where there are none left.
func chooser(data *[]byte) func(n int) int {
	return func(n int) int {
		if len(*data) == 0 {
			return 0
		}
		b := (*data)[0]
		*data = (*data)[1:]
		return int(b) % n
	}
}

// Capacity of one deployment equals Configure of all.
func TestCapacityIsConfigureWithThatQuota(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		before := rapid.SliceOfN(rapid.Byte(), 100, 600).Draw(t, "before")
		after := rapid.SliceOfN(rapid.Byte(), 100, 600).Draw(t, "after")
		lives := [2]*world{}
		for i := range lives {
			data := slices.Clone(before)
			w := newWorld(chooser(&data))
			for len(data) > 0 && len(w.faults) == 0 {
				w.step()
			}
			data = slices.Clone(after)
			name, q := worldNames[w.choose(2)], w.quota()
			w.take(0, w.core.Configure(w.now, w.o)) // which forgets learned lacks
			w.o = w.o.withQuota(name, q)
			if i == 0 {
				w.take(0, w.core.Capacity(w.now, name, q))
			} else {
				w.take(0, w.core.Configure(w.now, w.o))
			}
			for len(data) > 0 && len(w.faults) == 0 {
				w.step()
			}
			lives[i] = w
		}
		if a, b := lives[0].log.String(), lives[1].log.String(); a != b || len(lives[0].faults) > 0 {
			t.Fatalf("%v: with Capacity\n%s\nwith Configure\n%s", lives[0].faults, a, b)
		}
	})
}

func TestSameSeedSameEventsSameVerdicts(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		data := rapid.SliceOfN(rapid.Byte(), 50, 1500).Draw(t, "events")
		if a, b := play(slices.Clone(data)), play(data); a.log.String() != b.log.String() {
			t.Fatalf("once\n%s\nand again\n%s", a.log.String(), b.log.String())
		}
	})
}
