package peers

import (
	"math"
	"time"

	"weir/scale"
)

// Load is what a gateway tells the others of itself, twice a second.
type Load struct {
	// Demand on each deployment, of this gateway alone: totals since it came
	// up, levels of now.
	Demand map[string]scale.Observation `json:"demand"`
	// Seen is the version of each deployment's replicas it sends requests to.
	Seen map[string]int64 `json:"seen"`
}

// totals of one deployment. They only grow within a term, whoever comes and
// goes: of each gateway what it has grown by is added, so that one that begins
// is no burst and one that ends no loss.
type totals struct {
	sum  counts
	last map[string]counts // by gateway
}

// counts are the fields of an Observation that are totals.
type counts struct {
	arrived, prompt, output, completed, prefill, decode, attained, missed uint64
}

func countsOf(o *scale.Observation) counts {
	return counts{o.Arrived, o.ArrivedPrompt, o.ArrivedOutput, o.Completed, o.DonePrompt, o.DoneOutput, o.Attained, o.Missed}
}

func (c counts) into(o *scale.Observation) {
	o.Arrived, o.ArrivedPrompt, o.ArrivedOutput, o.Completed = c.arrived, c.prompt, c.output, c.completed
	o.DonePrompt, o.DoneOutput, o.Attained, o.Missed = c.prefill, c.decode, c.attained, c.missed
}

// grow adds what there is more of now than there was. What has shrunk began
// anew.
func (c *counts) grow(was, now counts) {
	for _, f := range []struct {
		sum      *uint64
		was, now uint64
	}{
		{&c.arrived, was.arrived, now.arrived}, {&c.prompt, was.prompt, now.prompt}, {&c.output, was.output, now.output},
		{&c.completed, was.completed, now.completed}, {&c.prefill, was.prefill, now.prefill}, {&c.decode, was.decode, now.decode},
		{&c.attained, was.attained, now.attained}, {&c.missed, was.missed, now.missed},
	} {
		if f.now > f.was {
			*f.sum += f.now - f.was
		}
	}
}

// told is what one gateway said, and how long ago.
type told struct {
	instance string
	age      time.Duration
	load     Load
}

// add sums what the gateways say of a deployment. Of this one comes what the
// engines say as well: all ask the same ones. A gateway that has fallen silent
// and is not forgotten yet makes the sum too old to act on.
func (t *totals) add(deployment string, self string, own scale.Observation, others []told) scale.Observation {
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
	count(self, &own)
	for i := range others {
		other := &others[i]
		if other.age > silentAfter {
			sum.SignalAge = math.MaxInt64
		}
		sum.SignalAge = max(sum.SignalAge, other.age)
		o, ok := other.load.Demand[deployment]
		if !ok {
			continue // its configuration does not have it, yet or any more
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
	t.sum.into(&sum)
	return sum
}

// share adds what each replica holds; the order does not matter to a sum.
func share(sum, of map[string]scale.Load) {
	for id, l := range of {
		s := sum[id]
		sum[id] = scale.Load{InFlight: s.InFlight + l.InFlight, Work: s.Work + l.Work}
	}
}
