// Package scale decides how many replicas a deployment should have. Decide is a
// pure function from policy, state and observation to a decision, with its
// signed reasons, and the next state. It knows no clock and no place; control
// and sim call it with their observations.
//
// A decision is a chain. The signals give the need of the demand. Forecast,
// backlog and calendar may raise it. The holds oppose scale-in. The bounds come
// last. Every step that moves the number is a Reason: the chain reads from the
// present number of replicas to the wanted one. Each rule is one small function
// of its own.
//
// Package baseline below holds other autoscalers behind the same interface, for
// comparison with Decide.
package scale

import (
	"fmt"
	"strings"
	"time"

	"weir"
)

// Observation is the known state of one deployment at one time. The gateway
// pushes totals, which only grow; levels are of now. No value is an average per
// replica.
type Observation struct {
	Now weir.Instant `json:"now"`

	// Replicas, in order of age. Failed ones may be listed; they are not
	// counted. Decide reads ID, Units, State, Since, Asked and ReadyAt. A
	// replica of several units behind one address counts as that many, in every
	// number of this package.
	Replicas []weir.Replica `json:"replicas"`

	// Demand. SignalAge is the age of these figures; stale figures hold the
	// number.
	SignalAge     time.Duration   `json:"signal_age"`
	Arrived       uint64          `json:"arrived"`        // requests, total
	ArrivedPrompt uint64          `json:"arrived_prompt"` // tokens, total
	ArrivedOutput uint64          `json:"arrived_output"` // tokens expected, total
	Completed     uint64          `json:"completed"`      // requests, total
	DonePrompt    uint64          `json:"done_prompt"`    // tokens of prefill done, total
	DoneOutput    uint64          `json:"done_output"`    // tokens of decode done, total
	Waiting       int             `json:"waiting"`        // requests queued at the gateway
	WaitingWork   int             `json:"waiting_work"`   // their tokens
	HeadAge       time.Duration   `json:"head_age"`
	InFlight      int             `json:"in_flight"`              // requests at replicas
	InFlightWork  int             `json:"in_flight_work"`         // their outstanding tokens
	Attained      uint64          `json:"attained"`               // requests that met the SLO, total
	Missed        uint64          `json:"missed"`                 // requests that did not, total
	OutOfReach    uint64          `json:"out_of_reach,omitempty"` // of Missed: an idle replica is too slow for them, total
	Gaps          uint64          `json:"gaps,omitempty"`         // between an answer's tokens, of ended answers, total
	GapTime       time.Duration   `json:"gap_time,omitempty"`     // their sum, total
	PerReplica    map[string]Load `json:"per_replica,omitempty"`  // by replica ID, for choosing victims

	// LastActive is when a request last arrived or ended. 0: unknown; then the
	// step that sees a total grow or a request in flight is used instead.
	LastActive weir.Instant `json:"last_active,omitempty"`

	// Reports of the engines. Negative: unknown.
	GPUUtilisation float64 `json:"gpu_utilisation"` // 0..1, mean over ready replicas
	KVUse          float64 `json:"kv_use"`          // 0..1, highest over ready replicas
	EngineWaiting  int     `json:"engine_waiting"`  // requests queued inside engines, total

	Quota      int    `json:"quota"`                // most replicas the place allows now; negative: unknown
	QuotaText  string `json:"quota_text,omitempty"` // what sets Quota, in the place's words
	NoCapacity bool   `json:"no_capacity"`          // the place reported a stock-out since the last observation

	// UTCOffset is the offset of local time from UTC now, in the zone of
	// Schedules. As an input it lets a replay do without time zone data.
	UTCOffset time.Duration `json:"utc_offset"`
}

// Load is one replica's load.
type Load struct {
	InFlight int `json:"in_flight"`
	Work     int `json:"work"`
}

// Rule names one step in the chain from demand to decision. The names are the
// metric label, the journal field and the word in the log.
type Rule string

// The rules, in the order of the chain.
const (
	RuleHold        Rule = "hold"        // no signal yet
	RuleStale       Rule = "stale"       // signals too old to act on
	RuleRequests    Rule = "requests"    // requests per second against the target per replica
	RuleConcurrency Rule = "concurrency" // requests in flight and queued against the target per replica
	RuleQueue       Rule = "queue"       // requests queued against the target per replica
	RuleGPU         Rule = "gpu"         // GPU utilisation, sustained
	RuleCapacity    Rule = "capacity"    // token work against the learned or given capacity
	RuleSlots       Rule = "slots"       // requests in flight against the replicas' admissions
	RuleDecode      Rule = "decode"      // tokens come more slowly than the SLO allows
	RuleForecast    Rule = "forecast"    // demand expected when a replica requested now is ready
	RuleBacklog     Rule = "backlog"     // the present replicas cannot serve the queue in time
	RuleSchedule    Rule = "schedule"    // the calendar
	RuleRestart     Rule = "restart"     // the scaler has just started and has no history
	RuleWindow      Rule = "window"      // more was needed within the scale-in window
	RuleBreakEven   Rule = "break-even"  // starting again would cost more than idling
	RuleTooFew      Rule = "too-few"     // that number was too few for this load
	RuleRising      Rule = "rising"      // more work arrives than before
	RuleProjection  Rule = "projection"  // the remaining replicas would be too busy
	RuleZero        Rule = "zero"        // not idle long enough for zero replicas
	RuleLate        Rule = "late"        // starting for much longer than usual: replaced
	RuleMin         Rule = "min"
	RuleBudget      Rule = "budget"
	RuleMax         Rule = "max"
	RuleQuota       Rule = "quota"
	RuleStockOut    Rule = "stock-out" // the place recently had no capacity for more
)

// Reason is one signed step: rule moved the number from From to To.
type Reason struct {
	Rule Rule   `json:"rule"`
	From int    `json:"from"`
	To   int    `json:"to"`
	Note string `json:"note,omitempty"` // the figures behind it, for people
}

// Reasons is a chain: each From is the To of the one before.
type Reasons []Reason

// String words the chain: "requests 1→4 (17.0/s of 4.0/s each), max 4→3".
func (rs Reasons) String() string {
	parts := make([]string, 0, len(rs))
	for _, r := range rs {
		part := fmt.Sprintf("%s %d→%d", r.Rule, r.From, r.To)
		if r.Note != "" {
			part += " (" + r.Note + ")"
		}
		parts = append(parts, part)
	}
	return strings.Join(parts, ", ")
}

// Decision is how many replicas there should be and why.
type Decision struct {
	Have    int      `json:"have"`              // replicas starting or ready
	Wanted  int      `json:"wanted"`            // requested by demand, before bounds
	Want    int      `json:"want"`              // the number to request from the place
	Victims []string `json:"victims,omitempty"` // replicas to drain first when shrinking, in order; never one of more units than are to go
	Reasons Reasons  `json:"reasons"`           // From of the first is Have, To of the last is Want
}

// Decider is a policy as a function: a Policy's Decider, or a baseline's. Its
// State is its own, and begins as the zero State.
type Decider func(State, Observation) (Decision, State)

// Decider returns Decide with p filled in.
func (p Policy) Decider() Decider {
	p = p.withDefaults()
	return func(s State, o Observation) (Decision, State) { return decide(p, s, o) }
}

// Decide says how many replicas there should be. It is pure: the same policy,
// state and observation give the same decision, and s is not changed. p must
// be valid; see Policy.Validate.
func Decide(p Policy, s State, o Observation) (Decision, State) {
	return decide(p.withDefaults(), s, o)
}
