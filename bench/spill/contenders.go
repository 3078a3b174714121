package main

import (
	"container/heap"
	"math"
	"slices"
	"time"

	"weir"
	"weir/dispatch"
	"weir/meter"
)

// result is what a policy made of a demand.
type result struct {
	served  float64         // normalised tokens served by the provisioned deployment
	spilled float64         // and by pay-as-you-go
	cost    weir.Money      // of what spilled
	waits   []time.Duration // from arrival to the request being sent where it was served
	missed  int             // first tokens later than promised
	refused int             // 429s the gateway was sent
	seen    int             // requests its callers saw refused
}

// gpt-4o, Global Standard, per million tokens.
var rates = meter.Rates{Prompt: 2_500_000, Cached: 1_250_000, Completion: 10_000_000}

func (x *result) serve(r *request, now time.Duration, paid bool) {
	wait := now - r.at
	x.waits = append(x.waits, wait)
	if wait+firstToken(r) > slo.TTFT {
		x.missed++
	}
	if paid {
		x.served += r.tokens()
		return
	}
	x.spilled += r.tokens()
	x.cost += rates.Cost(weir.Usage{Prompt: int64(r.prompt), Completion: int64(r.output)})
}

// event is something that happens to a request.
type event struct {
	at   time.Duration
	n    int // order of what happens at once
	id   int
	kind byte // 'f' first token, 'd' done
	paid bool
}

type events []event

func (e events) Len() int { return len(e) }
func (e events) Less(i, j int) bool {
	return e[i].at < e[j].at || e[i].at == e[j].at && e[i].n < e[j].n
}
func (e events) Swap(i, j int) { e[i], e[j] = e[j], e[i] }
func (e *events) Push(x any)   { *e = append(*e, x.(event)) }
func (e *events) Pop() any {
	last := (*e)[len(*e)-1]
	*e = (*e)[:len(*e)-1]
	return last
}

// contenders are the policies compared.
var contenders = []struct {
	name string
	play func(demand, provisioned) result
}{
	{"**Weir**", playWeir},
	{"spill on every 429", plain(func(time.Duration) time.Duration { return 0 })},
	{"circuit open for Retry-After in whole seconds", plain(func(d time.Duration) time.Duration {
		return time.Duration(math.Ceil(d.Seconds())) * time.Second
	})},
	{"cool down 5 s on 429", plain(func(time.Duration) time.Duration { return 5 * time.Second })},
}

// plain is a policy that asks the provisioned deployment until it says 429,
// then spills, and leaves it alone for as long as away says.
func plain(away func(time.Duration) time.Duration) func(demand, provisioned) result {
	return func(d demand, p provisioned) result {
		var x result
		var open time.Duration
		var pending events
		for i := range d.requests {
			r := &d.requests[i]
			for len(pending) > 0 && pending[0].at <= r.at {
				e := heap.Pop(&pending).(event)
				p.done(e.at, &d.requests[e.id])
			}
			if r.at < open {
				x.serve(r, r.at, false)
				continue
			}
			wait, ok := p.ask(r.at, r)
			x.serve(r, r.at, ok)
			if ok {
				heap.Push(&pending, event{at: r.at + whole(r), n: i, id: i})
			} else {
				open = r.at + away(wait)
			}
		}
		x.refused = p.refused
		return x
	}
}

// believed is what Weir is configured to trust the bucket with; its default.
const believed = time.Minute

// others are buckets other than the one of the main tables.
var others = []struct {
	name   string
	burst  time.Duration
	others float64
}{
	{"the bucket holds 1 s", time.Second, 0},
	{"the bucket holds 1 min", time.Minute, 0},
	{"another client uses a fifth of it", usual, 0.2},
}

// player drives a core.
type player struct {
	d       demand
	p       provisioned
	core    *dispatch.Core
	learned meter.Learned
	pending events
	number  int
	x       result
}

// epoch is where virtual time begins: an Instant of zero means "not set".
const epoch = weir.Instant(time.Hour)

const (
	ptu  = "ptu"
	payg = "payg"
)

func playWeir(d demand, p provisioned) result {
	m := player{d: d, p: p, core: dispatch.New(dispatch.Options{
		Model: "gpt-4o",
		Deployments: []dispatch.Deployment{
			{Name: ptu, Weight: 1, Paid: true, Quota: dispatch.Quota{Drain: int(p.drain * 60), Output: 1000 * outputWeight, Burst: believed}},
			{Name: payg + "-1", Tier: 1, Weight: 1}, {Name: payg + "-2", Tier: 1, Weight: 1},
		},
	}, 1)}
	for _, name := range []string{ptu, payg + "-1", payg + "-2"} {
		m.core.Replicas(epoch, name, []weir.Replica{{ID: "0", State: weir.Ready}})
	}
	for next := 0; next < len(d.requests) || len(m.pending) > 0; {
		at := time.Duration(math.MaxInt64)
		if next < len(d.requests) {
			at = d.requests[next].at
		}
		happens := len(m.pending) > 0 && m.pending[0].at <= at
		if happens {
			at = m.pending[0].at
		}
		if wake := m.core.Next(); wake != 0 && wake.Sub(epoch) < at {
			m.take(wake, m.core.Wake(wake))
			continue
		}
		if happens {
			m.happen(heap.Pop(&m.pending).(event))
			continue
		}
		m.arrive(next)
		next++
	}
	m.x.refused = m.p.refused
	return m.x
}

func (m *player) arrive(i int) {
	r := &m.d.requests[i]
	now := epoch.Add(r.at)
	most := firstToken(&request{prompt: r.guess}) * 11 / 10 // as learned from those before
	m.take(now, m.core.Arrive(now, dispatch.Request{ID: uint64(i), Tenant: "t", Prompt: r.guess, Output: m.learned.Expect("t", "m", r.max), MaxOutput: r.max,
		SpillAt: now.Add(slo.TTFT - most)}))
}

// take sends granted requests to where they were granted.
func (m *player) take(now weir.Instant, vs []dispatch.Verdict) {
	for _, v := range slices.Clone(vs) {
		at, r := now.Sub(epoch), &m.d.requests[v.ID]
		if v.Kind == dispatch.Refuse {
			m.x.seen++
			continue
		}
		if v.Deployment == ptu {
			if wait, ok := m.p.ask(at, r); !ok {
				m.core.PushBack(now, ptu, "0", now.Add(wait))
				m.take(now, m.core.Retry(now, v.ID, dispatch.Throttled))
				continue
			}
		}
		m.x.serve(r, at, v.Deployment == ptu)
		m.schedule(event{at: at + firstToken(r), id: int(v.ID), kind: 'f', paid: v.Deployment == ptu})
	}
}

func (m *player) schedule(e event) {
	m.number++
	e.n = m.number
	heap.Push(&m.pending, e)
}

func (m *player) happen(e event) {
	now, r := epoch.Add(e.at), &m.d.requests[e.id]
	if e.kind == 'f' {
		m.core.FirstToken(now, uint64(e.id))
		e.at, e.kind = e.at+whole(r)-firstToken(r), 'd'
		m.schedule(e)
		return
	}
	if e.paid {
		m.p.done(e.at, r)
	}
	m.learned.Saw("t", "m", r.output)
	m.take(now, m.core.Done(now, uint64(e.id), dispatch.OK, weir.Usage{Prompt: int64(r.prompt), Completion: int64(r.output)}))
}
