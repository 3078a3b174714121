// Package weir is the vocabulary of all other packages: models, deployments,
// replicas, requests, usage, money and time, as plain values.
//
// It holds no behaviour beyond formatting and arithmetic and imports the
// standard library only. Every package may import it. Each word is defined
// once, here.
package weir

import (
	"fmt"
	"iter"
	"math"
	"math/big"
	"strings"
	"time"
)

// Instant is a point in time in nanoseconds since the Unix epoch or, in a
// simulation, since an epoch the simulation picks. Pure packages take the
// Instant as an argument and never ask a clock. The zero Instant means "not
// set".
type Instant int64

// At converts a wall-clock time. It drops the monotonic reading: shells that
// need monotonic Instants take one start time and add time.Since(start).
func At(t time.Time) Instant { return Instant(t.UnixNano()) }

// Add returns the Instant d later.
func (i Instant) Add(d time.Duration) Instant { return i + Instant(d) }

// Sub returns how long after j the Instant i is.
func (i Instant) Sub(j Instant) time.Duration { return time.Duration(i - j) }

// Time returns the wall-clock time in UTC.
func (i Instant) Time() time.Time { return time.Unix(0, int64(i)).UTC() }

// Money is an amount in millionths of a US dollar. It is an integer: sums do
// not depend on their order.
type Money int64

// Dollar is one US dollar.
const Dollar Money = 1_000_000

// String formats as dollars with at least two decimals and no trailing zeros
// beyond them: "$2.50", "$0.000125".
func (m Money) String() string {
	sign := ""
	if m < 0 {
		sign, m = "-", -m
	}
	text := fmt.Sprintf("%s$%d.%06d", sign, m/Dollar, m%Dollar)
	for range 4 { // keep the cents
		text = strings.TrimSuffix(text, "0")
	}
	return text
}

// MarshalJSON writes dollars as a number, exact to a millionth: 2.5. Names in
// JSON say the unit: cost_dollars.
func (m Money) MarshalJSON() ([]byte, error) {
	text := strings.Replace(m.String(), "$", "", 1)
	return []byte(strings.TrimSuffix(strings.TrimRight(text, "0"), ".")), nil
}

// UnmarshalJSON reads dollars.
func (m *Money) UnmarshalJSON(text []byte) error {
	if string(text) == "null" {
		return nil
	}
	r, ok := new(big.Rat).SetString(string(text))
	if !ok {
		return fmt.Errorf("%s is no amount of dollars", text)
	}
	r.Mul(r, big.NewRat(int64(Dollar), 1))
	if r.IsInt() && r.Num().IsInt64() {
		*m = Money(r.Num().Int64())
		return nil
	}
	f, _ := r.Float64()
	if f >= math.MaxInt64 || f <= math.MinInt64 {
		return fmt.Errorf("%s is more dollars than can be counted", text)
	}
	*m = Money(math.Round(f))
	return nil
}

// Class says how long a request may wait.
type Class uint8

const (
	Interactive Class = iota // a person waits for the answer
	Batch                    // may wait; uses idle capacity
)

var classNames = [...]string{"interactive", "batch"}

func (c Class) String() string { return name(classNames[:], int(c)) }

// Op is what a caller asks a model to do. Its String is a bounded metric label.
type Op uint8

const (
	OpChat        Op = iota // /v1/chat/completions
	OpCompletions           // /v1/completions
	OpEmbeddings            // /v1/embeddings
	OpResponses             // /v1/responses
	OpMessages              // Anthropic /v1/messages
	OpInfer                 // tensors or rows in and out, no tokens: not a language model
)

var opNames = [...]string{"chat", "completions", "embeddings", "responses", "messages", "infer"}

// Ops iterates over all operations in order.
func Ops() iter.Seq[Op] {
	return func(yield func(Op) bool) {
		for op := range Op(len(opNames)) {
			if !yield(op) {
				return
			}
		}
	}
}

func (o Op) String() string { return name(opNames[:], int(o)) }

// Usage counts the tokens of one request.
type Usage struct {
	Prompt     int64 // tokens in the prompt, cached ones included
	Cached     int64 // of Prompt: read from the upstream's cache
	Completion int64 // tokens produced, reasoning included

	Written     int64 // of Prompt: written to the upstream's cache with its default lifetime
	WrittenHour int64 // of Prompt: written to that cache for an hour
	Reasoning   int64 // of Completion: not shown to the caller
	AudioPrompt int64 // of Prompt: audio; not part of Cached
	AudioAnswer int64 // of Completion: audio; not part of Reasoning

	Tier Tier // the service tier it was served in

	// Estimated: Weir counted some of it, because the upstream reported none or
	// an impossible count.
	Estimated bool
}

// Tier is the service tier in which a provider served a request. Each tier has
// its own price.
type Tier uint8

const (
	StandardTier Tier = iota // also when the provider names none
	PriorityTier
	FlexTier
	OtherTier // a tier without a known price
)

var tierNames = [...]string{"standard", "priority", "flex", "other"}

func (t Tier) String() string { return name(tierNames[:], int(t)) }

// ReplicaState is the stage of a replica's life.
type ReplicaState uint8

const (
	Starting ReplicaState = iota // requested, not answering yet
	Ready                        // takes requests
	Draining                     // finishes its requests, takes no new ones
	Failed                       // died or never came up; the place restarts or replaces it
)

var replicaStateNames = [...]string{"starting", "ready", "draining", "failed"}

func (s ReplicaState) String() string { return name(replicaStateNames[:], int(s)) }

// CountReady returns how many of the replicas take requests.
func CountReady(rs []Replica) (n int) {
	for i := range rs {
		if rs[i].State == Ready {
			n++
		}
	}
	return n
}

// Replica is one running instance of a deployment.
type Replica struct {
	ID         string // unique within its deployment
	Deployment string
	Addr       string // base URL for requests; empty until known
	// Units is the number of servers, instances or steps of capacity behind
	// Addr; see Size. New units are a separate replica in state Starting until
	// they are ready. Then Units rises, and Asked and ReadyAt are those of the
	// new units.
	Units   int
	State   ReplicaState
	Since   Instant // when it entered State
	Asked   Instant // when it was requested: its cold start counts from here
	ReadyAt Instant // when Ready: since when; when Starting: expected, 0 if unknown
	Detail  string  // why it Failed or what it waits for, as text for people
	Why     string  // the same in a word that stays the same: fleet.Why…; empty where the place has none
	// FailedStarts counts the starts in a row that ended or timed out before
	// the replica was ready; 0 once it is ready.
	FailedStarts int
}

// Size returns the number of units, at least 1: Units 0 means one server. An
// endpoint, a Kubernetes Service or a provisioned deployment may have many
// units behind one address.
func (r *Replica) Size() int { return max(r.Units, 1) }

// SLO is a model's service level objective. Zero fields set no objective.
type SLO struct {
	TTFT time.Duration // time to first token, from arrival at the gateway
	TPOT time.Duration // mean time per output token after the first
}

// Outcome is how a request ended. Every request has exactly one.
type Outcome uint8

const (
	Completed Outcome = iota // answered to its true end
	Refused                  // rejected before any upstream worked on it: limits, queue, bad input
	Failure                  // accepted but not answered to its true end, for any cause
)

var outcomeNames = [...]string{"completed", "refused", "failed"}

func (o Outcome) String() string { return name(outcomeNames[:], int(o)) }

// Fault names the party at fault when a request did not complete.
type Fault uint8

const (
	NoFault       Fault = iota
	CallerFault         // bad request, unknown model or key, client went away
	PolicyFault         // a limit, budget or queue bound of Weir's configuration
	UpstreamFault       // the inference server or its provider
	GatewayFault        // Weir itself
)

var faultNames = [...]string{"none", "caller", "policy", "upstream", "gateway"}

func (f Fault) String() string { return name(faultNames[:], int(f)) }

// Record describes one ended request. It is the access log line and the only
// input of metrics, meter and ledger. It never holds a prompt or an answer.
type Record struct {
	RequestID  string
	Client     string // address of the caller without port; behind trusted proxies, the address they report
	Tenant     string // "" when the key is unknown
	Key        string // name of the key, never the key
	Model      string // as requested; "" when not configured
	Deployment string // that served it, or was tried last; "" if none
	Replica    string
	Op         Op
	Class      Class
	Stream     bool

	Arrived  Instant
	Ended    Instant
	Queued   time.Duration // time spent waiting for a verdict, over all attempts
	TTFT     time.Duration // arrival to first token (first body byte when not streamed); 0 if none came
	TPOT     time.Duration // mean gap after the first token; 0 below two tokens or when not streamed
	Own      time.Duration // time added by Weir itself: without queue, upstream and caller
	Attempts int           // upstream attempts made
	Outcome  Outcome
	Fault    Fault
	Code     string // machine-readable error code, "" when completed
	Status   int    // HTTP status sent; 499 when the client had disconnected
	Usage    Usage
	Cost     Money
	Price    string // the prices behind Cost and their source; "" without any

	Reason        string // why this deployment: one of a few words, such as room, waited, spill_quota; "" if it was sent to none
	Trail         string // its attempts and the deployments passed over, in order, each with the reason: "a=quota, b=spill_quota"
	Known         int64  // prompt tokens its replica was believed to have cached, with prefix affinity
	SpillFailures int    // attempts that Azure could not spill to a standard deployment

	Extra Money // of Cost: the extra cost over the preferred deployment

	Cache       string // how it met stored answers: hit, meaning, coalesced, partial, miss, bypass; "" if its model stores none
	CacheReason string // why it was a bypass: one of a few words
	Saved       Money  // what a hit or coalesced answer cost when the model made it
	SavedTokens int64  // prompt and answer of that

	Cheaper string // how it met a smaller model: moved, first, accepted, cut, refused, schema, unsure, failed, late; "" if it was not tried on one
	Asked   string // with moved and first: the model that the caller asked for, where Model is the smaller one
}

// CopyKind is why Weir sent a copy of a request.
type CopyKind uint8

const (
	HedgeCopy  CopyKind = iota // the first token was late
	MirrorCopy                 // a shadow deployment gets a copy of the traffic
)

var copyKindNames = [...]string{"hedge", "mirror"}

func (k CopyKind) String() string { return name(copyKindNames[:], int(k)) }

// Copy is an upstream request that Weir sent on its own account: the losing
// attempt of a hedge, or a mirror's copy. It is billed to no tenant. It never
// holds a prompt or an answer.
type Copy struct {
	Kind       CopyKind
	Result     string // one of a few words: won, lost, failed for a hedge; answered, failed, dropped for a mirror
	RequestID  string
	Model      string
	Deployment string // the target
	Replica    string

	Sent, Ended Instant
	Status      int           // HTTP status; 0: no response
	TTFT        time.Duration // from Sent
	TPOT        time.Duration
	Usage       Usage
	Cost        Money

	Beside *Record // the original request; only with a MirrorCopy that was not dropped
}

func name(names []string, i int) string {
	if i < len(names) {
		return names[i]
	}
	return fmt.Sprintf("unknown(%d)", i)
}
