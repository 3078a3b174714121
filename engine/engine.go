// Package engine models the timing of one replica of a continuous-batching
// inference server: which requests wait, which are in the batch, how long each
// forward step takes, when each request gets its first and last token, when KV
// memory runs out and which request is then preempted.
//
// A Replica is passive state. Its owner passes the time and requests and gets
// events. It knows no HTTP, no other replica and no clock: the simulator
// (thousands of replica-days in seconds) and the emulator (one replica in real
// time) run the same code. Between two events it does no work: plain decode
// steps are summed in closed form.
//
// The scheduling rules are those of vLLM's V1 scheduler. Order is first come,
// first served. Decoding sequences come first; the rest of the step's token
// budget goes to prefill in chunks. KV blocks are taken as tokens come. When
// none is left, the latest admitted sequence loses its blocks, returns to the
// head of the queue and later computes its tokens again. With Spec.Async each
// step is scheduled when the previous one begins: arrivals and ends during that
// step count a step later, and the host's work overlaps with the GPU's. With
// Spec.PrefillFirst prompts are computed in steps of their own, and decoding
// pauses meanwhile.
package engine

import (
	"errors"
	"fmt"
	"time"

	"weir"
)

// Spec defines a Replica: its speed and its room.
type Spec struct {
	Speed          Speed
	MaxSeqs        int           // most sequences in one batch (max_num_seqs); 0: 256
	MaxBatchTokens int           // most tokens in one step (max_num_batched_tokens); 0: 2048; at least MaxSeqs
	KVTokens       int           // tokens the KV cache holds; rounded down to whole blocks
	BlockTokens    int           // tokens per KV block; 0: 16
	MaxLen         int           // longest prompt plus answer; 0: limited by the KV cache only
	Load           time.Duration // from Start until it can serve
	PrefixCache    bool          // keep the blocks of finished prompts for requests with the same prefix
	Async          bool          // schedule each step while the previous one runs, as vLLM does since 0.14
	PrefixTokens   int           // tokens per Request.Prefix id; 0: BlockTokens; a multiple of it
	PrefillFirst   bool          // decode only in steps without any possible prefill, as SGLang does
	SeqHost        time.Duration // host time per step and sequence, during which the GPU waits
	About          []string      // for a reader of predictions: their measured error, and what is inferred; of no effect
}

// withDefaults fills in zero fields. It panics on an impossible Spec, which is
// a programming error: configuration is checked earlier.
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

// Request is what the engine must know about a request. Output is how many
// tokens it will produce; the engine uses it only to know when the request
// finishes. An Output of 0 is a request without decoding (an embedding): it
// finishes with its prefill and has no first token.
type Request struct {
	ID     uint64 // unique among those the Replica holds
	Prompt int    // tokens, at least 1
	Output int    // tokens, at least 0
	// Prefix names the leading whole blocks of the prompt (of
	// Spec.PrefixTokens tokens each): equal leading ids mean equal tokens.
	Prefix []uint64
}

// EventKind is the kind of an Event.
type EventKind uint8

const (
	FirstToken EventKind = iota // its first output token was produced
	Finished                    // its last output token was produced; the Replica has forgotten it
	Preempted                   // it lost its KV blocks and waits at the head of the queue
)

var eventKindNames = [...]string{"first token", "finished", "preempted"}

func (k EventKind) String() string {
	if int(k) < len(eventKindNames) {
		return eventKindNames[k]
	}
	return fmt.Sprintf("unknown(%d)", k)
}

// Event is a visible change of a request.
type Event struct {
	ID     uint64
	Kind   EventKind
	At     weir.Instant
	Cached int // with FirstToken: prompt tokens found in the prefix cache
}

// Load is a Replica's present content, and totals since it was made.
type Load struct {
	Running, Waiting int // sequences in the batch; sequences waiting
	KVUsedTokens     int // in used blocks
	KVTokens         int // in all blocks
	WaitingTokens    int // prefill tokens of the waiting sequences
	Preemptions      uint64
	PromptTokens     uint64        // prefilled, including recomputation, excluding prefix hits
	CachedTokens     uint64        // prompt tokens found in the prefix cache
	OutputTokens     uint64        // produced
	Steps            uint64        // forward steps finished
	GPUBusy          time.Duration // in finished forward steps
}

// Errors of Arrive.
var (
	// ErrTooLong: the request can never fit this replica.
	ErrTooLong = errors.New("request too long")
	// ErrDraining: the replica takes no new requests.
	ErrDraining = errors.New("replica is draining")
	// ErrDuplicate: the replica already holds a request with that ID.
	ErrDuplicate = errors.New("duplicate request id")
)
