// Package weir is the vocabulary every other package speaks: models,
// deployments, replicas, requests, usage, money and time, as plain values.
//
// It holds no behaviour beyond formatting and arithmetic, imports the standard
// library only, and may be imported by everyone. What a word means is said
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

// Instant is a point in time in nanoseconds since the Unix epoch; in a
// simulation, since any epoch its owner picked. Pure packages are told the
// Instant, they never ask a clock. The zero Instant means "not set".
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

// Money is an amount in millionths of a US dollar. Integer, so that sums do
// not depend on their order.
type Money int64

// Dollar is one US dollar.
const Dollar Money = 1_000_000

// String formats as dollars, to the cent and as far beyond as there is something: "$2.50", "$0.000125".
func (m Money) String() string {
	sign := ""
	if m < 0 {
		sign, m = "-", -m
	}
	text := fmt.Sprintf("%s$%d.%06d", sign, m/Dollar, m%Dollar)
	for range 4 { // cents stay
		text = strings.TrimSuffix(text, "0")
	}
	return text
}

// MarshalJSON writes dollars as a number, exact to a millionth: 2.5. Names in JSON
// say so: cost_dollars.
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
	Interactive Class = iota // somebody is watching
	Batch                    // may wait; soaks what is idle
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
	OpInfer                 // tensors or rows in and out, no tokens: a model that is no language model
)

var opNames = [...]string{"chat", "completions", "embeddings", "responses", "messages", "infer"}

// Ops are all operations, in their order.
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
	Cached     int64 // of Prompt, those the upstream had in cache
	Completion int64 // tokens produced, reasoning included

	Written     int64 // of Prompt, those the upstream wrote to its cache, to be kept as long as it keeps them unasked
	WrittenHour int64 // of Prompt, those it wrote there to be kept an hour
	Reasoning   int64 // of Completion, those nobody sees
	AudioPrompt int64 // of Prompt, those of sound; not of Cached
	AudioAnswer int64 // of Completion, those of sound; not of Reasoning

	Tier Tier // it was served as

	// Estimated: some of it was counted or completed by Weir, since the upstream
	// reported none, or what cannot be.
	Estimated bool
}

// Tier is the service tier that a provider served a request as, which has a
// price of its own.
type Tier uint8

const (
	StandardTier Tier = iota // also where nothing is said
	PriorityTier
	FlexTier
	OtherTier // one that Weir knows no price for
)

var tierNames = [...]string{"standard", "priority", "flex", "other"}

func (t Tier) String() string { return name(tierNames[:], int(t)) }

// ReplicaState is where a replica stands in its life.
type ReplicaState uint8

const (
	Starting ReplicaState = iota // asked for, not answering yet
	Ready                        // takes requests
	Draining                     // finishes what it has, takes nothing new
	Failed                       // died or never came up; the place restarts or replaces it
)

var replicaStateNames = [...]string{"starting", "ready", "draining", "failed"}

func (s ReplicaState) String() string { return name(replicaStateNames[:], int(s)) }

// CountReady is how many of the replicas take requests.
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
	Addr       string // base URL requests are sent to; empty until known
	// Units is how many servers, instances or steps of capacity are behind Addr; see
	// Size. Units that are on their way are a replica of their own, Starting; when they
	// are ready, Units is higher, and Asked and ReadyAt are theirs.
	Units   int
	State   ReplicaState
	Since   Instant // when it entered State
	Asked   Instant // when it was asked for: its cold start counts from here
	ReadyAt Instant // when Ready: when it became so; when Starting: expected, 0 if unknown
	Detail  string  // why it Failed or what it waits for, for people
	// FailedStarts is how often in a row it has ended, or run out of time, before
	// it was ready; 0 once it is.
	FailedStarts int
}

// Size is how many units the replica is, at least 1: a replica that does not say is
// one server, and an endpoint, a Kubernetes Service or a provisioned deployment may
// be many behind one address.
func (r *Replica) Size() int { return max(r.Units, 1) }

// SLO is what a model promises its callers. Zero fields promise nothing.
type SLO struct {
	TTFT time.Duration // time to first token, from arrival at the gateway
	TPOT time.Duration // mean time per output token after the first
}

// Outcome is how a request ended. Every request ends as exactly one of them.
type Outcome uint8

const (
	Completed Outcome = iota // answered to its true end
	Refused                  // turned away before any upstream worked on it: limits, queue, bad input
	Failure                  // accepted and then not answered to its true end, by any side's fault
)

var outcomeNames = [...]string{"completed", "refused", "failed"}

func (o Outcome) String() string { return name(outcomeNames[:], int(o)) }

// Fault says whose fault it was that a request did not complete.
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

// Record is what is known of one request when it has ended: the access log
// line, and the one input of metrics, meter and ledger. It never holds a prompt
// or an answer.
type Record struct {
	RequestID  string
	Client     string // address of the caller, without port; behind trusted proxies what they say it is
	Tenant     string // "" when the key was not known
	Key        string // name of the key, never the key
	Model      string // as asked for, "" when unknown to the configuration
	Deployment string // that served it, or was last tried; "" if none
	Replica    string
	Op         Op
	Class      Class
	Stream     bool

	Arrived  Instant
	Ended    Instant
	Queued   time.Duration // waiting for a verdict, all attempts together
	TTFT     time.Duration // arrival to first token (first body byte when not streamed); 0 if none came
	TPOT     time.Duration // mean gap after the first token; 0 below two tokens or when not streamed
	Own      time.Duration // Weir's own added time: neither queue nor upstream nor caller
	Attempts int           // upstream attempts made
	Outcome  Outcome
	Fault    Fault
	Code     string // machine-readable error code, "" when completed
	Status   int    // HTTP status sent; 499 when the client had gone
	Usage    Usage
	Cost     Money
	Price    string // the prices Cost was made of, and where they are from; "" without any

	Reason        string // why this deployment: one of a few words, such as room, waited, spill_quota; "" if it was sent to none
	Trail         string // its attempts and the deployments skipped, each with the reason, in order: "a=quota, b=spill_quota"
	Known         int64  // prompt tokens its replica was believed to remember, where requests meet by prefix
	SpillFailures int    // attempts that Azure itself could not spill to a standard deployment

	Extra Money // of Cost, what it cost more than at the deployment it would have preferred
}

// CopyKind is why Weir sent a copy of a request.
type CopyKind uint8

const (
	HedgeCopy  CopyKind = iota // the first token was late: a second chance
	MirrorCopy                 // a shadow deployment gets the requests of others
)

var copyKindNames = [...]string{"hedge", "mirror"}

func (k CopyKind) String() string { return name(copyKindNames[:], int(k)) }

// Copy is an upstream request that Weir sent on its own account and no tenant
// is billed for: the losing attempt of a hedge, or a mirror's copy. It never
// holds a prompt or an answer.
type Copy struct {
	Kind       CopyKind
	Result     string // one of a few words: won, lost, failed of a hedge; answered, failed, dropped of a mirror
	RequestID  string
	Model      string
	Deployment string // it was sent to
	Replica    string

	Sent, Ended Instant
	Status      int           // HTTP status; 0: none came
	TTFT        time.Duration // from Sent
	TPOT        time.Duration
	Usage       Usage
	Cost        Money

	Beside *Record // of the request, with MirrorCopy that was not dropped
}

func name(names []string, i int) string {
	if i < len(names) {
		return names[i]
	}
	return fmt.Sprintf("unknown(%d)", i)
}
