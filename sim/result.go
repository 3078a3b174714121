package sim

import (
	"context"
	"time"

	"weir"
	"weir/control"
	"weir/dispatch"
	"weir/scale"
)

// Result is the result of a run. JSON names give the unit: _ns is nanoseconds,
// _share is from 0 to 1; a name without a unit counts requests, or what it
// names.
type Result struct {
	Start  time.Time     `json:"start"`
	Seed   uint64        `json:"seed"`
	Length time.Duration `json:"length_ns"` // end of the cost count
	SLO    SLO           `json:"slo"`

	// Every arrival is in exactly one of the four.
	Arrived   uint64 `json:"arrived"`
	Completed uint64 `json:"completed"`
	Refused   uint64 `json:"refused"`
	Failed    uint64 `json:"failed"`
	Waiting   uint64 `json:"waiting"` // not ended at the end of the grace

	Batch     Waited    `json:"batch"` // the batch part of them
	Refusals  []Refusal `json:"refusals,omitempty"`
	Misses    []Miss    `json:"misses"`    // causes of the misses, without batch; together all misses
	Impatient uint64    `json:"impatient"` // of Failed: the caller gave up
	Cut       uint64    `json:"cut"`       // of Failed: the replica died after the first token
	TooLong   uint64    `json:"too_long"`  // of Failed: fits no replica

	// Of requests other than batch.
	Attainment   float64       `json:"attained_share"`
	OutOfReach   uint64        `json:"out_of_reach"`             // misses that no number of own replicas avoids
	Reachable    float64       `json:"attained_reachable_share"` // attainment of the other requests
	WorstWindow  float64       `json:"worst_5m_share"`           // worst 5 minutes with at least 50 arrivals
	WorstHour    float64       `json:"worst_hour_share"`         // worst hour, in steps of 5 minutes
	Violated     time.Duration `json:"violated_ns"`              // 5-minute windows below 99 %
	TTFT         Quantiles     `json:"ttft"`
	TPOT         Quantiles     `json:"tpot"` // of answers of at least two tokens
	EndToEnd     Quantiles     `json:"end_to_end"`
	GoodTokens   uint64        `json:"good_tokens"`   // output tokens of attained requests
	Changes      int           `json:"changes"`       // of the wanted number of replicas
	Reversals    int           `json:"reversals"`     // changes of direction within 10 minutes
	NodesLost    int           `json:"nodes_lost"`    // by faults
	Cost         weir.Money    `json:"cost_dollars"`  // of all deployments
	GPU          GPUTime       `json:"gpu"`           // of all own replicas
	Deployments  []Outcome     `json:"deployments"`   // in the order of the Config
	Timeline     []Point       `json:"timeline"`      // one every Sample
	Decisions    []Change      `json:"decisions"`     // those that changed the wanted number of replicas
	DecisionsCut uint64        `json:"decisions_cut"` // number of decisions beyond the bound on Decisions

	// Log is the SHA-256, in hex, of all events in order: the same Config gives
	// the same.
	Log string `json:"log"`
}

// GPUTime is the use of GPUs: Allocated = ColdStart + Busy + Idle.
type GPUTime struct {
	Allocated time.Duration `json:"allocated_ns"`  // from the request for a replica until its release, drain included
	ColdStart time.Duration `json:"cold_start_ns"` // until ready
	Busy      time.Duration `json:"busy_ns"`       // in forward steps
	Idle      time.Duration `json:"idle_ns"`       // ready or draining, with nothing to do
}

// Waited is the result of batch requests.
type Waited struct {
	Arrived   uint64 `json:"arrived"`
	Completed uint64 `json:"completed"`
	Attained  uint64 `json:"attained"` // done in time
}

// Refusal is a reason and its count.
type Refusal struct {
	Reason dispatch.Reason `json:"reason"`
	Count  uint64          `json:"count"`
}

// Outcome is one deployment's part of a Result.
type Outcome struct {
	Name      string     `json:"name"`
	Granted   uint64     `json:"granted"` // attempts
	Completed uint64     `json:"completed"`
	Failed    uint64     `json:"failed"`        // attempts
	Throttled uint64     `json:"throttled"`     // attempts answered 429
	Prompt    uint64     `json:"prompt_tokens"` // tokens of Completed
	Output    uint64     `json:"output_tokens"`
	Cost      weir.Money `json:"cost_dollars"`

	GPU          GPUTime       `json:"gpu"`
	AtMax        time.Duration `json:"at_max_ns"`      // with as many replicas wanted as the policy allows
	Asked        int           `json:"asked_replicas"` // replicas requested during the trace
	FailedStarts int           `json:"failed_starts"`  // and replicas that died
	TakenBack    int           `json:"taken_back"`     // draining replicas that returned to work
	Preemptions  uint64        `json:"preemptions"`
	CachedPrompt uint64        `json:"cached_prompt_tokens"` // prompt tokens found in prefix caches
}

// Point is one point of the timeline: levels at its time, and requests that
// ended since the previous point.
type Point struct {
	At          time.Duration `json:"at_ns"`
	Arrived     uint64        `json:"arrived"` // total
	Ended       uint64        `json:"ended"`
	Attainment  float64       `json:"attained_share"`
	TTFT        Quantiles     `json:"ttft"`
	TPOT        Quantiles     `json:"tpot"`
	Waiting     int           `json:"waiting"`
	WaitingWork int           `json:"waiting_tokens"`
	Cost        weir.Money    `json:"cost_dollars"` // total
	Deployments []Level       `json:"deployments"`
}

// Level is one deployment at one time.
type Level struct {
	Want     int `json:"want_replicas"`
	Ready    int `json:"ready_replicas"`
	Starting int `json:"starting_replicas"`
	Draining int `json:"draining_replicas"`
	InFlight int `json:"in_flight"`
}

// Change is a decision that changed the wanted number of replicas.
type Change struct {
	At         time.Duration  `json:"at_ns"`
	Deployment string         `json:"deployment"`
	Decision   scale.Decision `json:"decision"`
	Err        string         `json:"err,omitempty"` // the place's error
}

// maxDecisions bounds Result.Decisions.
const maxDecisions = 20_000

func (r *Result) decision(at time.Duration, e control.Event) {
	if len(r.Decisions) == maxDecisions {
		r.DecisionsCut++
		return
	}
	c := Change{At: at, Deployment: e.Deployment, Decision: e.Decision}
	if e.Err != nil {
		c.Err = e.Err.Error()
	}
	r.Decisions = append(r.Decisions, c)
}

func (r *Result) refusal(why dispatch.Reason) {
	for i := range r.Refusals {
		if r.Refusals[i].Reason == why {
			r.Refusals[i].Count++
			return
		}
	}
	r.Refusals = append(r.Refusals, Refusal{why, 1})
}

// sample adds a point to the timeline.
func (w *world) sample() {
	w.fleet.Advance(w.now)
	j := &w.judge
	d := w.core.Demand(w.now)
	point := Point{
		At: w.since(), Arrived: w.result.Arrived, Ended: j.recent.total, Attainment: j.recent.of(),
		TTFT: j.recentTTFT.quantiles(), TPOT: j.recentTPOT.quantiles(),
		Waiting: d.Waiting, WaitingWork: d.WaitingWork,
	}
	for i, p := range w.parts {
		l := Level{InFlight: d.Deployments[i].InFlight}
		if p.own != nil {
			l.Want = p.own.want
			rs, err := w.fleet.Status(context.Background(), p.Name)
			if err != nil {
				panic(err) // the fleet was made with it
			}
			for _, r := range rs {
				switch r.State {
				case weir.Ready:
					l.Ready += r.Size()
				case weir.Starting:
					l.Starting += r.Size()
				case weir.Draining:
					l.Draining += r.Size()
				}
			}
		}
		point.Cost += w.outcome(p).Cost
		point.Deployments = append(point.Deployments, l)
	}
	w.result.Timeline = append(w.result.Timeline, point)
	j.recent = share{}
	j.recentTTFT.reset()
	j.recentTPOT.reset()
	if w.c.Progress != nil {
		w.c.Progress(w.since())
	}
}
