package peers

import (
	"math"
	"time"

	"weir"
	"weir/scale"
)

// Load is one gateway's report to the others, twice a second.
type Load struct {
	// Demand on each deployment at this gateway alone: totals since its start,
	// levels as of now.
	Demand map[string]scale.Observation `json:"demand"`
	// Seen is the version of each deployment's replicas it sends requests to.
	Seen  map[string]int64 `json:"seen"`
	Leads bool             `json:"leads,omitempty"` // this gateway is the leader
	// Wanted are the numbers of replicas last decided. Only the leader has any.
	Wanted map[string]int `json:"wanted,omitempty"`
	// Bounds are those of the deployments that get fewer replicas than their demand
	// asks for. Only the leader has any.
	Bounds map[string]Bound `json:"bounds,omitempty"`
}

// Bound is why a deployment gets fewer replicas than its demand asks for.
type Bound struct {
	// Why its place gives no more, a word, and the place's text; "": the place could,
	// and the deployment's own limit is reached.
	Why   string       `json:"why,omitempty"`
	Text  string       `json:"text,omitempty"`
	Again weir.Instant `json:"again,omitempty"` // when the place is asked again; 0: unknown
}

// totals are the sums for one deployment. They only grow within a term,
// whichever gateways start and stop: each gateway adds its own growth, so a new
// gateway is no burst and a stopped one no loss.
type totals struct {
	sum  counts
	last map[string]counts // by gateway
}

// counts are the fields of an Observation that are totals.
type counts struct {
	arrived, prompt, output, completed, prefill, decode, attained, missed, outOfReach, gaps, gapTime uint64
}

func countsOf(o *scale.Observation) counts {
	return counts{o.Arrived, o.ArrivedPrompt, o.ArrivedOutput, o.Completed, o.DonePrompt, o.DoneOutput, o.Attained, o.Missed, o.OutOfReach, o.Gaps, uint64(o.GapTime)}
}

func (c counts) into(o *scale.Observation) {
	o.Arrived, o.ArrivedPrompt, o.ArrivedOutput, o.Completed = c.arrived, c.prompt, c.output, c.completed
	o.DonePrompt, o.DoneOutput, o.Attained, o.Missed = c.prefill, c.decode, c.attained, c.missed
	o.OutOfReach, o.Gaps, o.GapTime = c.outOfReach, c.gaps, time.Duration(c.gapTime)
}

// grow adds the growth since the last report. A counter that fell has restarted
// from zero.
func (c *counts) grow(was, now counts) {
	for _, f := range []struct {
		sum      *uint64
		was, now uint64
	}{
		{&c.arrived, was.arrived, now.arrived}, {&c.prompt, was.prompt, now.prompt}, {&c.output, was.output, now.output},
		{&c.completed, was.completed, now.completed}, {&c.prefill, was.prefill, now.prefill}, {&c.decode, was.decode, now.decode},
		{&c.attained, was.attained, now.attained}, {&c.missed, was.missed, now.missed},
		{&c.outOfReach, was.outOfReach, now.outOfReach}, {&c.gaps, was.gaps, now.gaps}, {&c.gapTime, was.gapTime, now.gapTime},
	} {
		if f.now > f.was {
			*f.sum += f.now - f.was
		}
	}
}

// report is a gateway's last report and its age.
type report struct {
	instance string
	age      time.Duration
	load     Load
}

// add sums the reports on a deployment. Engine metrics come from this gateway's
// own observation alone, since all gateways scrape the same engines. A silent
// gateway that is not forgotten yet makes the sum too old to act on. Beside others no
// request is out of reach: a gateway does not see what they have in flight, and takes
// a replica for idle that works for them.
func (t *totals) add(deployment string, self string, own scale.Observation, others []report) scale.Observation {
	was := t.last
	t.last = make(map[string]counts, len(others)+1)
	count := func(instance string, o *scale.Observation) {
		now := countsOf(o)
		if before, known := was[instance]; known {
			t.sum.grow(before, now)
		}
		t.last[instance] = now
	}
	sum := own
	sum.PerReplica = make(map[string]scale.Load, len(own.PerReplica))
	share(sum.PerReplica, own.PerReplica)
	beyond := t.sum.outOfReach
	count(self, &own)
	for i := range others {
		other := &others[i]
		if other.age > silentAfter {
			sum.SignalAge = math.MaxInt64
		}
		sum.SignalAge = max(sum.SignalAge, other.age)
		o, ok := other.load.Demand[deployment]
		if !ok {
			continue // not in its configuration (yet, or any more)
		}
		count(other.instance, &o)
		sum.Waiting += o.Waiting
		sum.WaitingWork += o.WaitingWork
		sum.HeadAge = max(sum.HeadAge, o.HeadAge)
		sum.LastActive = max(sum.LastActive, o.LastActive)
		sum.InFlight += o.InFlight
		sum.InFlightWork += o.InFlightWork
		share(sum.PerReplica, o.PerReplica)
	}
	if len(others) > 0 {
		t.sum.outOfReach = beyond
	}
	t.sum.into(&sum)
	return sum
}

// share adds the load of each replica; the order does not matter to a sum.
func share(sum, of map[string]scale.Load) {
	for id, l := range of {
		s := sum[id]
		sum[id] = scale.Load{InFlight: s.InFlight + l.InFlight, Work: s.Work + l.Work}
	}
}
