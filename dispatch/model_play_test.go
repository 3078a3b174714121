package dispatch

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"weir"
)

// duel plays the same traffic to a Core and to its model.
type duel struct {
	t       *rapid.T
	o       Options
	log     []string
	tenants []string
	batch   bool // with such traffic too
	core    *Core
	model   *model
	now     weir.Instant
	last    uint64
	waiting []uint64
	granted []uint64
}

// TestCoreDecidesAsItsModel draws the life of a model's queue, half a minute of
// it, and compares every verdict. Unless the Core asks for a wake, time alone
// returns no verdict.
func TestCoreDecidesAsItsModel(t *testing.T) {
	for i := range 10 {
		t.Run(fmt.Sprint(i), func(t *testing.T) { rapid.Check(t, duelOnce) })
	}
}

func duelOnce(t *rapid.T) {
	o := duelOptions(t)
	d := &duel{t: t, o: o, tenants: []string{"t0", "t1", "t2"}[:rapid.IntRange(1, 3).Draw(t, "tenants")], batch: rapid.Bool().Draw(t, "batch"),
		now: epoch, core: New(o, 5), model: newModel(o, 5, epoch)}
	for _, dep := range d.model.deployments {
		d.replicas(dep)
	}
	for range rapid.IntRange(20, 150).Draw(t, "events") {
		d.pass(time.Duration(rapid.SampledFrom([]int{0, 0, 50, 200, 700}).Draw(t, "pause")) * time.Millisecond)
		d.event()
	}
}

func duelOptions(t *rapid.T) Options {
	draw := func(what string, of ...int) int { return rapid.SampledFrom(of).Draw(t, what) }
	seconds := func(what string, of ...int) time.Duration { return time.Duration(draw(what, of...)) * time.Second }
	o := Options{
		Attempts: draw("attempts", 1, 2, 3, 5),
		Queue: Queue{MaxWork: draw("max work", 300, 1000, 5000), MaxRequests: draw("max requests", 2, 5, 30),
			MaxWait: seconds("wait", 1, 3, 20), MaxWaitCold: seconds("cold", 1, 5, 20), BatchWait: seconds("batch wait", 2, 10, 20)},
		Shares: map[string]int{"t0": draw("share", 1, 2, 5)},
		Health: Health{Failures: draw("failures", 1, 2, 3), Base: time.Second, Max: 8 * time.Second},
	}
	for i := range draw("deployments", 1, 2, 3) {
		o.Deployments = append(o.Deployments, Deployment{
			Name: worldNames[i], Tier: draw("tier", 0, 0, 1, 2), Weight: draw("weight", 1, 2, 3), MaxRequests: draw("slots", 0, 1, 1, 2),
			MaxWork: draw("work", 0, 0, 100, 250), Elastic: draw("elastic", 0, 1) == 1, Paid: draw("paid", 0, 1) == 1, Quota: duelQuota(t),
		})
	}
	return o
}

func duelQuota(t *rapid.T) Quota {
	q := Quota{Headroom: rapid.SampledFrom([]int{0, 50}).Draw(t, "headroom"), Burst: time.Second}
	switch rapid.IntRange(0, 5).Draw(t, "quota") {
	case 0:
		q.Drain = rapid.SampledFrom([]int{1000, 10_000, 60_000}).Draw(t, "drain")
	case 1:
		q.TokensPerMinute = rapid.SampledFrom([]int{500, 3000}).Draw(t, "tokens")
	case 2:
		q.RequestsPerMinute = rapid.SampledFrom([]int{30, 120}).Draw(t, "requests")
	}
	return q
}

// pass advances time: both are woken when the Core asked for it.
func (d *duel) pass(by time.Duration) {
	d.now = d.now.Add(by)
	for n := d.core.Next(); n != 0 && n <= d.now; n = d.core.Next() {
		d.same(fmt.Sprintf("woken at %v", n.Sub(epoch)), d.core.Wake(n), d.model.wake(n))
	}
	// The reserve of tenants over their share becomes visible at the next
	// event.
	shared, vs := len(d.model.tenants) > 1 || d.batch, d.core.Wake(d.now)
	d.same("woken for nothing", vs, d.model.wake(d.now))
	if len(vs) > 0 && !shared {
		d.t.Fatalf("verdicts came at %v, and the core did not ask to be woken: %+v\n%s", d.now.Sub(epoch), vs, strings.Join(d.log, "\n"))
	}
}

func (d *duel) event() {
	switch k := rapid.IntRange(0, 19).Draw(d.t, "event"); {
	case k < 8:
		d.arrive()
	case k < 11:
		d.end()
	case k < 13:
		if id := d.pick(d.granted); id != 0 {
			d.core.FirstToken(d.now, id)
			d.model.firstToken(d.now, id)
			d.pass(0)
		}
	case k < 16:
		d.retry()
	case k < 17:
		d.cancel()
	case k < 18:
		d.replicas(d.deployment())
	case k < 19:
		m := d.deployment()
		replica := rapid.SampledFrom([]string{"", "r0", "r1"}).Draw(d.t, "of")
		until := d.now.Add(time.Duration(rapid.IntRange(0, 4).Draw(d.t, "stay away")) * time.Second)
		d.core.PushBack(d.now, m.Name, replica, until)
		d.model.pushBack(d.now, m, replica, until)
		d.pass(0)
	default:
		m, q := d.deployment(), duelQuota(d.t)
		d.same(fmt.Sprintf("%s lets through %+v", m.Name, q), d.core.Capacity(d.now, m.Name, q), d.model.capacity(d.now, m, q))
	}
}

func (d *duel) deployment() *modelDeployment {
	return rapid.SampledFrom(d.model.deployments).Draw(d.t, "deployment")
}

func (d *duel) arrive() {
	d.last++
	r := Request{ID: d.last, Tenant: rapid.SampledFrom(d.tenants).Draw(d.t, "tenant"),
		Prompt: rapid.SampledFrom([]int{0, 20, 60, 150, 400}).Draw(d.t, "prompt"), Output: rapid.SampledFrom([]int{0, 10, 50}).Draw(d.t, "output")}
	if d.batch {
		r.Class = weir.Class(rapid.IntRange(0, 1).Draw(d.t, "class"))
	}
	if rapid.IntRange(0, 3).Draw(d.t, "hurried") == 0 {
		r.Deadline = d.now.Add(time.Duration(rapid.IntRange(0, 5000).Draw(d.t, "deadline")) * time.Millisecond)
	}
	if rapid.Bool().Draw(d.t, "patient") {
		r.SpillAt = d.now.Add(time.Duration(rapid.IntRange(0, 5000).Draw(d.t, "patience")) * time.Millisecond)
	}
	d.waiting = append(d.waiting, r.ID)
	d.same(fmt.Sprintf("%d arrives: %s %v %d+%d deadline %v patience %v", r.ID, r.Tenant, r.Class, r.Prompt, r.Output, r.Deadline.Sub(epoch), r.SpillAt.Sub(epoch)), d.core.Arrive(d.now, r), d.model.arrive(d.now, r))
}

func (d *duel) end() {
	id := d.pick(d.granted)
	if id == 0 {
		return
	}
	how := rapid.SampledFrom([]Result{OK, OK, Unhealthy, Unreachable, Rejected, Abandoned}).Draw(d.t, "end")
	used := weir.Usage{Prompt: int64(rapid.SampledFrom([]int{0, 100}).Draw(d.t, "used"))}
	d.drop(id)
	d.same(fmt.Sprintf("%d ends with %d", id, how), d.core.Done(d.now, id, how, used), d.model.done(d.now, id, how, used))
}

func (d *duel) retry() {
	id := d.pick(d.granted)
	if id == 0 || d.model.calls[id].first {
		return
	}
	why := rapid.SampledFrom([]Result{Unhealthy, Throttled, Unreachable, Unavailable}).Draw(d.t, "why")
	d.drop(id)
	d.waiting = append(d.waiting, id)
	d.same(fmt.Sprintf("%d failed with %d", id, why), d.core.Retry(d.now, id, why), d.model.retry(d.now, id, why))
}

func (d *duel) cancel() {
	if id := d.pick(slices.Concat(d.waiting, d.granted)); id != 0 {
		d.drop(id)
		d.same(fmt.Sprintf("%d is taken back", id), d.core.Cancel(d.now, id), d.model.cancel(d.now, id))
	}
}

func (d *duel) replicas(m *modelDeployment) {
	var rs []weir.Replica
	list := ""
	for i := range rapid.IntRange(0, 3).Draw(d.t, "replicas") {
		state := rapid.SampledFrom([]weir.ReplicaState{weir.Ready, weir.Ready, weir.Ready, weir.Starting, weir.Draining}).Draw(d.t, "state")
		rs = append(rs, weir.Replica{ID: fmt.Sprint("r", i), State: state, Units: rapid.SampledFrom([]int{0, 0, 2, 3}).Draw(d.t, "units")})
		list += fmt.Sprintf(" %s*%d=%v", rs[i].ID, rs[i].Units, state)
	}
	d.same(fmt.Sprintf("%s has %s", m.Name, list), d.core.Replicas(d.now, m.Name, rs), d.model.setReplicas(d.now, m, rs))
}

func (d *duel) pick(ids []uint64) uint64 {
	if len(ids) == 0 {
		return 0
	}
	return rapid.SampledFrom(ids).Draw(d.t, "request")
}

func (d *duel) drop(id uint64) {
	is := func(o uint64) bool { return o == id }
	d.waiting, d.granted = slices.DeleteFunc(d.waiting, is), slices.DeleteFunc(d.granted, is)
}

// same compares the verdicts of both, and books them.
func (d *duel) same(what string, core, model []Verdict) {
	told := func(vs []Verdict) (lines []string) {
		for _, v := range vs {
			verb := "granted"
			if v.Kind == Refuse {
				verb = "refused"
			}
			lines = append(lines, fmt.Sprintf("%d %s %s/%s: %s after %v", v.ID, verb, v.Deployment, v.Replica, v.Reason, v.Queued))
		}
		return lines
	}
	a, b := told(core), told(model)
	if what != "woken for nothing" || len(a) > 0 {
		d.log = append(d.log, fmt.Sprintf("%v %s: %v", d.now.Sub(epoch), what, a))
	}
	if !slices.Equal(a, b) {
		d.t.Fatalf("%+v\n%s\nthe core  %q\nthe model %q", d.o, strings.Join(d.log, "\n"), a, b)
	}
	for _, v := range core {
		d.drop(v.ID)
		if v.Kind == Grant {
			d.granted = append(d.granted, v.ID)
		}
	}
}
