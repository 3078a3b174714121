package dispatch

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"weir"
)

// world drives a Core with events from a chooser, and keeps its own books.
// Faults are violations of the laws.
type world struct {
	choose func(n int) int // 0..n-1

	core     *Core
	now      weir.Instant
	o        Options
	lastID   uint64
	attempts int // most that any configuration allowed
	waiting  map[uint64]bool
	granted  map[uint64]where
	copies   map[uint64]uint64 // copies by number: of which request
	copyID   uint64
	ended    struct{ refused, done, cancelled uint64 }
	log      strings.Builder
	faults   []string
}

// firstCopy is the first number of a copy, beyond those of requests.
const firstCopy = 1 << 32

type where struct{ deployment, replica string }

func newWorld(choose func(int) int) *world {
	w := &world{choose: choose, now: weir.Instant(time.Hour), waiting: map[uint64]bool{}, granted: map[uint64]where{}, copies: map[uint64]uint64{}, copyID: firstCopy}
	w.o = w.options()
	w.core = New(w.o, 7)
	for _, d := range w.o.Deployments {
		w.replicas(d.Name)
	}
	return w
}

var worldNames = []string{"a", "b", "c"}

func (w *world) options() Options {
	o := Options{
		Attempts: 1 + w.choose(4),
		Queue: Queue{MaxWork: 500 * (1 + w.choose(20)), MaxRequests: 1 + w.choose(30),
			MaxWait: time.Duration(1+w.choose(20)) * time.Second, MaxWaitCold: time.Duration(1+w.choose(60)) * time.Second,
			BatchWait: time.Duration(1+w.choose(60)) * time.Second},
		Shares:      map[string]int{"t0": 1 + w.choose(3)},
		Health:      Health{Failures: 1 + w.choose(3), Base: time.Second, Max: 8 * time.Second},
		PrefixBlock: 50 * w.choose(3),
		Hedge:       Hedge{Share: float64(w.choose(3)) / 2},
	}
	w.attempts = max(w.attempts, o.Attempts)
	for _, name := range worldNames[:1+w.choose(len(worldNames))] {
		o.Deployments = append(o.Deployments, Deployment{
			Name: name, Tier: w.choose(2), Weight: w.choose(4), MaxRequests: w.choose(3) * w.choose(5),
			MaxWork: 300 * w.choose(5), MaxPrefill: 100 * w.choose(4), Elastic: w.choose(2) == 0,
			Paid: w.choose(2) == 0, Quota: w.quota(), Lacks: Needs(w.choose(4) * w.choose(2)), Context: 1000 * w.choose(3), CacheTokens: 200 * w.choose(4),
		})
	}
	return o
}

// withQuota is o with another quota of one deployment.
func (o Options) withQuota(name string, q Quota) Options {
	o.Deployments = slices.Clone(o.Deployments)
	for i := range o.Deployments {
		if o.Deployments[i].Name == name {
			o.Deployments[i].Quota = q
		}
	}
	return o
}

func (w *world) quota() Quota {
	q := Quota{Output: 1000 * w.choose(5), Cached: 100 * w.choose(3), Burst: time.Duration(w.choose(5)) * time.Second, Headroom: 30 * w.choose(3)}
	switch w.choose(4) {
	case 0:
		q.Drain = 1000 * (1 + w.choose(20))
	case 1:
		q.TokensPerMinute, q.RequestsPerMinute = 1000*w.choose(10), 30*w.choose(10)
	}
	return q
}

// step does one event and checks the laws.
func (w *world) step() {
	w.now = w.now.Add(time.Duration(w.choose(8)) * 250 * time.Millisecond)
	for n := w.core.Next(); n != 0 && n <= w.now; n = w.core.Next() {
		w.take(0, w.core.Wake(n))
		if next := w.core.Next(); next != 0 && next <= n {
			w.fault("after Wake(%d) it wants to be woken at %d", n, next)
			break
		}
	}
	switch k := w.choose(24); {
	case k >= 20:
		w.copy(k)
	case k < 7:
		w.arrive()
	case k < 11:
		w.finish()
	case k < 13:
		w.retry()
	case k < 15:
		w.cancel()
	case k < 16:
		if id := w.pick(w.grantedIDs()); id != 0 {
			w.core.FirstToken(w.now, id)
		}
	case k < 18:
		w.replicas(worldNames[w.choose(len(worldNames))])
	case k < 19 && w.choose(4) == 0:
		w.core.Lacks(w.now, worldNames[w.choose(3)], Needs(w.choose(4)), uint64(w.choose(3)))
	case k < 19 && w.choose(3) == 0:
		w.core.Limits(w.now, worldNames[w.choose(3)], 1000*w.choose(5), 30*w.choose(5))
	case k < 19 && w.choose(3) == 0:
		name, q := worldNames[w.choose(3)], w.quota()
		w.o = w.o.withQuota(name, q)
		w.take(0, w.core.Capacity(w.now, name, q))
	case k < 19:
		w.core.PushBack(w.now, worldNames[w.choose(3)], []string{"", "r0", "r1"}[w.choose(3)], w.now.Add(time.Duration(w.choose(6))*time.Second))
	default:
		w.o = w.options()
		w.take(0, w.core.Configure(w.now, w.o))
	}
	if n := w.core.Next(); n != 0 && n <= w.now {
		w.take(0, w.core.Wake(w.now))
	}
	w.laws()
}

func (w *world) arrive() {
	w.lastID++
	r := Request{ID: w.lastID, Tenant: fmt.Sprintf("t%d", w.choose(4)), Class: weir.Class(w.choose(2)),
		Prompt: w.choose(8) * w.choose(80), Output: w.choose(100), Streams: w.choose(2) == 0}
	r.Key, r.Needs = uint64(w.choose(3)), Needs(w.choose(4)*w.choose(2))
	if w.choose(4) == 0 {
		r.Deadline = w.now.Add(time.Duration(w.choose(20)) * time.Second)
	}
	if w.choose(2) == 0 {
		r.SpillAt = w.now.Add(time.Duration(w.choose(40)) * 250 * time.Millisecond)
	}
	if w.choose(3) == 0 {
		r.Affinity = uint64(w.choose(3))
	}
	for range w.choose(5) {
		r.Prefix = append(r.Prefix, mix(uint64(len(r.Prefix)+10*w.choose(2))))
	}
	if w.choose(3) == 0 {
		r.Sticky = uint64(1 + w.choose(5))
	}
	if w.choose(3) == 0 {
		r.MaxOutput = w.choose(200)
	}
	if w.choose(5) == 0 {
		r.Pin = Pin{Deployment: worldNames[w.choose(3)], Replica: fmt.Sprintf("r%d", w.choose(3))}
	}
	w.waiting[r.ID] = true
	w.take(r.ID, w.core.Arrive(w.now, r))
}

func (w *world) finish() {
	id := w.pick(w.grantedIDs())
	if id == 0 {
		return
	}
	delete(w.granted, id)
	how := Result(w.choose(int(Incapable) + 1))
	if how == Abandoned {
		w.ended.cancelled++
	} else {
		w.ended.done++
	}
	w.take(0, w.core.Done(w.now, id, how, weir.Usage{Prompt: int64(w.choose(200)), Cached: int64(w.choose(100)), Completion: int64(w.choose(100))}))
}

func (w *world) retry() {
	id := w.pick(w.grantedIDs())
	if id == 0 {
		return
	}
	delete(w.granted, id)
	w.waiting[id] = true
	w.take(id, w.core.Retry(w.now, id, []Result{Unhealthy, Throttled, TooLong, Unreachable, Unavailable, Incapable}[w.choose(6)]))
}

func (w *world) cancel() {
	ids := append(w.grantedIDs(), w.waitingIDs()...)
	id := w.pick(ids)
	if id == 0 {
		return
	}
	delete(w.granted, id)
	delete(w.waiting, id)
	w.ended.cancelled++
	w.take(0, w.core.Cancel(w.now, id))
}

func (w *world) replicas(deployment string) {
	var rs []weir.Replica
	for i := range w.choose(5) {
		state := weir.Ready
		if w.choose(3) == 0 {
			state = weir.ReplicaState(w.choose(4))
		}
		rs = append(rs, weir.Replica{ID: fmt.Sprintf("r%d", i), State: state, Units: w.choose(5) * w.choose(2)})
	}
	w.take(0, w.core.Replicas(w.now, deployment, rs))
}

// take books verdicts.
func (w *world) take(own uint64, vs []Verdict) {
	w.checkQuotas(vs)
	for _, v := range vs {
		fmt.Fprintf(&w.log, "%d %+v\n", w.now, v)
		if !w.waiting[v.ID] {
			w.fault("a verdict for %d, which does not wait: %+v", v.ID, v)
			continue
		}
		delete(w.waiting, v.ID)
		if v.Kind == Refuse {
			w.ended.refused++
			if v.Reason == "" || v.RetryAfter < 0 || v.RetryAfter > maxRetryAfter {
				w.fault("a refusal that does not say why or when: %+v", v)
			}
			continue
		}
		w.granted[v.ID] = where{v.Deployment, v.Replica}
		w.checkGrant(v)
	}
}

// checkGrant checks one grant against the limits.
func (w *world) checkGrant(v Verdict) {
	q := w.core.calls[v.ID]
	if q == nil || q.on == nil {
		w.fault("%d was granted, and the core does not hold it so", v.ID)
		return
	}
	r := q.on
	switch d := r.d; {
	case q.tooLongFor(d):
		w.fault("%d was sent to %s, whose context of %d is too short", v.ID, d.Name, d.Context)
	case q.pinned() && !q.Pin.holds(r):
		w.fault("%d was sent to %s/%s, and is kept at %s/%s", v.ID, d.Name, r.id, q.Pin.Deployment, q.Pin.Replica)
	case d.Weight <= 0 && !q.pinned() || d.retired:
		w.fault("%d was sent to %s, which takes nothing new", v.ID, d.Name)
	case r.state != weir.Ready || r.gone:
		w.fault("%d was sent to %s/%s, which is not ready", v.ID, d.Name, r.id)
	case d.MaxRequests > 0 && r.requests > d.MaxRequests*r.units:
		w.fault("%s/%s has %d requests, allowed are %d", d.Name, r.id, r.requests, d.MaxRequests)
	case d.MaxWork > 0 && r.work > d.MaxWork*r.units && r.requests > r.units:
		w.fault("%s/%s has %d tokens, allowed are %d", d.Name, r.id, r.work, d.MaxWork)
	case r.throttled > w.core.now || d.throttled > w.core.now:
		w.fault("%d was sent to %s/%s, which is throttled", v.ID, d.Name, r.id)
	case r.open && r.until > w.core.now:
		w.fault("%d was sent to %s/%s, which is open", v.ID, d.Name, r.id)
	case q.attempts > w.attempts:
		w.fault("%d has had %d attempts, no configuration allowed more than %d", v.ID, q.attempts, w.attempts)
	case q.hasTried(r) && w.core.avoids(q) && !q.pinned():
		w.fault("%d was sent back to %s/%s, where it has failed, with others up", v.ID, d.Name, r.id)
	}
}

// checkQuotas checks grants against the quotas as they were before each.
func (w *world) checkQuotas(vs []Verdict) {
	type entry struct {
		booked           time.Duration // of the bucket
		tokens, requests int64
	}
	after := map[*quota]entry{} // of this grant and those after it
	for i := range vs {
		v := vs[len(vs)-1-i]
		q := w.core.calls[v.ID]
		if v.Kind != Grant || q == nil || q.on == nil || q.on.d.quota == nil {
			continue
		}
		u, over := q.on.d.quota, func(w *window, n int64) bool { return w.limit > 0 && w.sum-n >= w.limit }
		e := after[u]
		if u.Drain > 0 {
			e.booked += spread(q.booked, u.Drain)
		}
		e = entry{e.booked, e.tokens + int64(q.Prompt) + int64(q.mayAnswer()), e.requests + 1}
		after[u] = e
		if u.Drain > 0 && u.empty.Sub(w.core.now)-e.booked > u.burst || over(&u.tokens, e.tokens) || over(&u.second, e.requests) || over(&u.tenth, e.requests) {
			w.fault("%d was sent to %s, whose quota was used up: %+v", v.ID, q.on.d.Name, u)
		}
	}
}

func (w *world) fault(format string, args ...any) {
	w.faults = append(w.faults, fmt.Sprintf(format, args...))
}

func (w *world) pick(ids []uint64) uint64 {
	if len(ids) == 0 {
		return 0
	}
	return ids[w.choose(len(ids))]
}

func (w *world) grantedIDs() []uint64 {
	var ids []uint64
	for id := uint64(1); id <= w.lastID; id++ {
		if _, ok := w.granted[id]; ok {
			ids = append(ids, id)
		}
	}
	return ids
}

func (w *world) waitingIDs() []uint64 {
	var ids []uint64
	for id := uint64(1); id <= w.lastID; id++ {
		if w.waiting[id] {
			ids = append(ids, id)
		}
	}
	return ids
}

// copy makes or ends copies.
func (w *world) copy(k int) {
	w.copyID++
	switch k {
	case 20:
		id := w.pick(w.grantedIDs())
		if v, ok := w.core.Hedge(w.now, id, w.copyID); ok {
			w.copies[w.copyID] = id
			w.checkGrant(v)
			if q, h := w.core.calls[id], w.core.calls[w.copyID]; q.on == h.on || h.on.d.Tier > q.on.d.Tier || q.first || q.attempts > w.attempts || w.core.waiting.count > 0 {
				w.fault("%d was hedged at %s/%s beside %s/%s", id, v.Deployment, v.Replica, q.on.d.Name, q.on.id)
			}
		}
	case 21:
		if v, ok := w.core.Mirror(w.now, worldNames[w.choose(3)], Request{ID: w.copyID, Prompt: w.choose(300), Output: w.choose(100)}); ok {
			w.copies[w.copyID] = 0
			if r := w.core.calls[v.ID].on; r.d.MaxRequests > 0 && r.requests > r.d.MaxRequests*r.units {
				w.fault("a mirror beyond the limit of %s/%s", v.Deployment, v.Replica)
			}
		}
	default:
		id := w.pick(w.copyIDs())
		if id == 0 {
			return
		}
		if of := w.copies[id]; k == 22 && of != 0 && w.core.calls[of] != nil && w.core.calls[of].on != nil {
			on, beside := w.core.calls[of].on, w.core.calls[id].on
			w.core.Swap(w.now, of, id)
			if w.core.calls[of].on != beside || w.core.calls[id].on != on {
				w.fault("%d and its copy %d did not change places", of, id)
			}
		}
		w.endCopy(id)
	}
}

func (w *world) endCopy(id uint64) {
	delete(w.copies, id)
	w.take(0, w.core.Done(w.now, id, Result(w.choose(int(Incapable)+1)), weir.Usage{Prompt: int64(w.choose(100)), Completion: int64(w.choose(100))}))
}

func (w *world) copyIDs() []uint64 {
	return slices.Sorted(maps.Keys(w.copies))
}

// drain ends everything.
func (w *world) drain() {
	for _, id := range w.copyIDs() {
		w.endCopy(id)
	}
	for len(w.granted)+len(w.waiting) > 0 && len(w.faults) == 0 {
		before := len(w.granted) + len(w.waiting)
		if ids := w.grantedIDs(); len(ids) > 0 {
			delete(w.granted, ids[0])
			w.ended.done++
			w.take(0, w.core.Done(w.now, ids[0], OK, weir.Usage{}))
		} else if ids := w.waitingIDs(); len(ids) > 0 {
			delete(w.waiting, ids[0])
			w.ended.cancelled++
			w.take(0, w.core.Cancel(w.now, ids[0]))
		}
		w.laws()
		if len(w.granted)+len(w.waiting) >= before {
			w.fault("%d left and none ended", before)
		}
	}
	c := w.core
	if len(c.pauses) != 0 || len(c.calls) != 0 || len(c.limits) != 0 || c.held != nil || len(c.leaving) != 0 {
		w.fault("with nothing left: %d calls, %d limits, held %v, %d deployments leaving", len(c.calls), len(c.limits), c.held, len(c.leaving))
	}
	for _, d := range c.Demand(w.now).Deployments {
		if d.InFlight != 0 || d.InFlightWork != 0 {
			w.fault("with nothing left, %s has %d requests and %d tokens", d.Name, d.InFlight, d.InFlightWork)
		}
	}
}
