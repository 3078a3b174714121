// Package engine says how one replica of a continuous-batching inference
// server behaves in time: which requests wait, which are in the batch, how long each forward
// step takes, when each request gets its first and its last token, when KV
// memory runs out and which request is preempted for it.
//
// A Replica is passive state. Its owner tells it the time and hands it
// requests; it hands back events. It knows no HTTP, no other replica and no
// clock, so that the simulator (thousands of replica-days in seconds) and the
// emulator (one replica in real time) run the same code. Between two events it
// does no work: a stretch of plain decode steps is summed in closed form.
//
// The scheduling rules are those of vLLM's V1 scheduler: first come, first
// served; decoding sequences first; what is left of the step's token budget
// goes to prefill in chunks; KV blocks are taken as tokens come; when none is
// left, the latest admitted sequence loses its blocks, goes back to the head
// of the queue and later computes its tokens again. With Spec.Async each step
// is scheduled when the one before it begins: what arrives or ends meanwhile
// counts a step later, and the host's work is hidden behind the GPU's. With
// Spec.PrefillFirst prompts are computed in steps of their own, while all that
// decodes stands still.
package engine

import (
	"errors"
	"fmt"
	"time"

	"weir"
)

// Spec is what a Replica is: its speed and its room.
type Spec struct {
	Speed          Speed
	MaxSeqs        int           // most sequences in one batch (max_num_seqs); 0: 256
	MaxBatchTokens int           // most tokens in one step (max_num_batched_tokens); 0: 2048; at least MaxSeqs
	KVTokens       int           // tokens the KV cache holds; rounded down to whole blocks
	BlockTokens    int           // tokens per KV block; 0: 16
	MaxLen         int           // longest prompt plus answer; 0: what the KV cache holds
	Load           time.Duration // from Start until it can serve
	PrefixCache    bool          // keep the blocks of finished prompts for requests that share them
	Async          bool          // schedule each step while the one before it runs, as vLLM does since 0.14
	PrefixTokens   int           // tokens one Request.Prefix id stands for; 0: BlockTokens; a multiple of it
	PrefillFirst   bool          // decode only in steps in which nothing can be prefilled, as SGLang does
	SeqHost        time.Duration // of each step, for each sequence in it, while the GPU waits for the host
}

// withDefaults fills what is zero. It panics on a Spec that cannot be meant:
// these are programming errors, configuration is checked before it gets here.
func (s Spec) withDefaults() Spec {
	if s.MaxSeqs == 0 {
		s.MaxSeqs = 256
	}
	if s.MaxBatchTokens == 0 {
		s.MaxBatchTokens = 2048
	}
	s.MaxBatchTokens = max(s.MaxBatchTokens, s.MaxSeqs)
	if s.BlockTokens == 0 {
		s.BlockTokens = 16
	}
	if s.PrefixTokens == 0 {
		s.PrefixTokens = s.BlockTokens
	}
	if s.MaxSeqs < 0 || s.BlockTokens < 0 || s.SeqHost < 0 || s.KVTokens < s.BlockTokens || s.PrefixTokens%s.BlockTokens != 0 || s.Speed == nil {
		panic(fmt.Sprintf("engine: invalid Spec: %+v", s))
	}
	return s
}

// Request is what the engine needs to know of a request. Output is how many
// tokens it will produce: the engine uses it for nothing but to know when the
// request finishes. An Output of 0 is a request without decoding (an
// embedding): it finishes with its prefill and has no first token.
type Request struct {
	ID     uint64 // unique among those the Replica holds
	Prompt int    // tokens, at least 1
	Output int    // tokens, at least 0
	// Prefix names the leading whole blocks of the prompt (of
	// Spec.PrefixTokens tokens each): equal leading ids mean equal tokens.
	Prefix []uint64
}

// EventKind says what happened to a request.
type EventKind uint8

const (
	FirstToken EventKind = iota // its first output token was produced
	Finished                    // its last output token was produced; the Replica has forgotten it
	Preempted                   // it lost its KV blocks and waits again, at the head of the queue
)

var eventKindNames = [...]string{"first token", "finished", "preempted"}

func (k EventKind) String() string {
	if int(k) < len(eventKindNames) {
		return eventKindNames[k]
	}
	return fmt.Sprintf("unknown(%d)", k)
}

// Event is something its owner can see happening to a request.
type Event struct {
	ID     uint64
	Kind   EventKind
	At     weir.Instant
	Cached int // with FirstToken: prompt tokens that were found in the prefix cache
}

// Load is what a Replica holds, and totals since it was made.
type Load struct {
	Running, Waiting int // sequences in the batch, and waiting for it
	KVUsedTokens     int // in blocks that are in use
	KVTokens         int // in all blocks
	WaitingTokens    int // tokens of prefill the waiting ones still need
	Preemptions      uint64
	PromptTokens     uint64        // prefilled, recomputation included, prefix hits not
	CachedTokens     uint64        // prompt tokens found in the prefix cache
	OutputTokens     uint64        // produced
	Steps            uint64        // forward steps finished
	GPUBusy          time.Duration // in forward steps, finished ones
}

// Faults of Arrive.
var (
	// ErrTooLong: the request can never fit this replica.
	ErrTooLong = errors.New("request too long")
	// ErrDraining: the replica takes nothing new.
	ErrDraining = errors.New("replica is draining")
	// ErrDuplicate: the replica holds a request of that ID.
	ErrDuplicate = errors.New("duplicate request id")
)
