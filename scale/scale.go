// Package scale decides how many replicas a deployment should have. Decide is
// a pure function from policy, state and observation to a decision with its
// signed reasons and the next state. It knows no clock and no place; control
// and sim call it with what they have seen.
package scale

import (
	"time"

	"weir"
)

// Observation is what is known of one deployment at one moment. Totals are
// pushed by the gateway and only grow; levels are of now. Nothing here is an
// average per replica.
type Observation struct {
	Now weir.Instant

	// Replicas, in order of age. Failed ones may be listed; they count for nothing.
	Replicas []weir.Replica

	// Demand. SignalAge is how old these figures are; stale figures hold.
	SignalAge     time.Duration
	Arrived       uint64 // requests, total
	ArrivedPrompt uint64 // tokens, total
	ArrivedOutput uint64 // tokens expected, total
	Completed     uint64 // requests, total
	DonePrompt    uint64 // tokens of prefill done, total
	DoneOutput    uint64 // tokens of decode done, total
	Waiting       int    // requests queued at the gateway
	WaitingWork   int    // their tokens
	HeadAge       time.Duration
	InFlight      int             // requests at replicas
	InFlightWork  int             // their tokens still to do
	Attained      uint64          // requests that met the SLO, total
	Missed        uint64          // requests that did not, total
	PerReplica    map[string]Load // by replica ID, for choosing victims

	// What the engines say, where they say it. Negative: not known.
	GPUUtilisation float64 // 0..1, mean over ready replicas
	KVUse          float64 // 0..1, highest over ready replicas
	EngineWaiting  int     // requests queued inside engines, total; -1 unknown

	Quota int // most replicas the place can have now; negative: not known
}

// Load is what one replica holds.
type Load struct {
	InFlight int
	Work     int
}

// Rule names one step in the chain from demand to decision. The names are the
// metric label, the journal field and the word in the log.
type Rule string

// Reason is one signed step: rule moved the number from From to To.
type Reason struct {
	Rule Rule   `json:"rule"`
	From int    `json:"from"`
	To   int    `json:"to"`
	Note string `json:"note,omitempty"` // the figures behind it, for people
}

// Decision is how many replicas there should be and why.
type Decision struct {
	Wanted  int      // what demand asks for, before bounds
	Want    int      // what to ask the place for
	Victims []string // whom to drain first when shrinking, in order
	Reasons []Reason // From of the first is the present count, To of the last is Want
}
