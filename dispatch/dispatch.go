// Package dispatch decides where and when each request of one model goes. It is
// admission queue and router in one passive core, and owns the queue and every
// slot. It knows no clock, no HTTP, no goroutine and no lock: gateway and
// simulator drive the same code. Its owner serialises calls and passes the
// time.
//
// The contract of a Core: events go in, verdicts come out. Each request gets
// one verdict per Arrive or Retry, unless it is cancelled first. Any event may
// also return verdicts of other requests; the owner delivers each to its
// request. If an event without return values makes verdicts due, Next says
// "now".
//
// Events of a request:
//
//   - Arrive: it is granted a replica at once, queued, or refused with the reason. A full
//     queue refuses others in its place where that is fair.
//   - FirstToken: its prompt is computed. That work is no longer outstanding, and the
//     replica has shown that it is healthy.
//   - Retry: its attempt failed unseen by the caller. It gets another verdict: first
//     another replica, then the same one after a pause, and a refusal when its attempts
//     are used up.
//   - Done: it, or a copy of it, has ended. Its slot and work are freed, the quota's
//     booking is corrected, and health learns from the result.
//   - Cancel: its caller has disconnected. It gets no verdict any more.
//   - Hedge, Mirror, Swap: a copy is granted beside it if that hurts no other request.
//     After Swap the copy has the request's place.
//
// Events of the backends:
//
//   - Replicas: the full list of a deployment's replicas. New ones take requests; removed
//     ones finish theirs.
//   - Short: a deployment's place cannot give it a replica now, or can again.
//   - PushBack: a replica or a deployment takes nothing before a time.
//   - Lacks: a deployment does not support what a request needed.
//   - Capacity: a provider's quota has changed. Limits: the provider reported a lower one.
//     Spilled: it served a request outside its quota. Booked and BookRemote: the bookings
//     of this gateway and of others.
//   - Configure: new options. Waiting and running requests continue.
//
// Time: Wake does all that is due, and Next says when that is. Demand and Warm
// report state and change nothing.
//
// How it decides, in reading order of the files:
//
//   - core.go: one turn: time moves on, waiting calls are looked at, verdicts come out.
//   - events.go: the events of a request. provider.go, replicas.go, configure.go: the
//     events of the backends.
//   - grant.go: a request that finds room is granted at once, tier after tier.
//   - deployment.go: inside a tier, smooth weighted round robin between deployments;
//     inside a deployment, the replica with the least work.
//   - replica.go, health.go, blame.go: which replicas are in rotation: health learned from
//     real requests, throttle clocks.
//   - units.go: replicas with several servers behind one address.
//   - queue.go, vain.go: which requests wait and how long, which make way when the queue is
//     full, and which are refused because waiting is in vain.
//   - serve.go: which are served when room appears.
//   - lane.go, flow.go: weighted fairness between tenants, by work.
//   - claims.go, share.go: protects a tenant's first tokens from another tenant's burst.
//   - quota.go, window.go: the provider's quota, known before a request is sent.
//   - spill.go, passed.go: whether to wait for a preferred tier or go to the next.
//   - split.go: callers that stick to one deployment of a tier.
//   - needs.go: what a deployment supports, declared or learned.
//   - backoff.go: when a request may retry a replica that failed it.
//   - copy.go, tail.go: copies of requests.
//   - affinity.go, prefix.go: requests with a common prefix share a replica where that pays.
//   - shortage.go: deployments whose replicas cannot come.
//   - refuse.go: refusals and their Retry-After.
package dispatch

import (
	"time"

	"weir"
)

// Options configure the Core of one model. The zero value of a limit means
// "no such limit" unless its comment gives a default.
type Options struct {
	Model       string
	Deployments []Deployment
	Queue       Queue
	Shares      map[string]int // fair-share weight per tenant; a tenant not named has 1
	Attempts    int            // upstream attempts per request, including the first; 0: 3
	Health      Health
	PrefixBlock int // tokens per name in Request.Prefix; 0: Prefix is ignored
	Hedge       Hedge
}

// Deployment is one way to serve the model.
type Deployment struct {
	Name   string // unique; a deployment keeps its state over Configure by its name
	Tier   int    // lower is preferred; the next tier takes requests this one has no room for
	Weight int    // weight inside its tier; 0: takes no new requests (kept for those in flight)

	// Limits apply to one unit of a replica and are multiplied by its units
	// (weir.Replica.Units). See units.go.
	MaxRequests int // in flight per unit
	MaxWork     int // tokens of work in flight per unit; an idle unit takes a larger request

	// MaxPrefill bounds the prompt tokens due (first token pending) at a unit
	// while a tenant over its share sends it more; 0: no bound. An idle unit
	// takes a longer prompt. It is meant for replicas of one engine each: about
	// the tokens of one engine step. See share.go.
	MaxPrefill int

	// Elastic: replicas can be started on demand. A request may then wait for a
	// cold start instead of being refused when no replica is ready.
	Elastic bool

	// Paid: one more request costs nothing here (provisioned, own). Patient
	// requests wait for the leading tiers with such a deployment, then spill to
	// the tiers after them. The first tier is always waited for.
	Paid bool

	Quota Quota // what its provider allows

	// CacheTokens is the size of each unit's prefix cache, in tokens; 0: no
	// cache is assumed. With it, requests go to a replica that has their prefix
	// cached, unless more waits there than the cache saves: see knowing.
	CacheTokens int

	// Lacks is what it does not support. A request that needs any of it goes to
	// another deployment.
	Lacks Needs

	// Context is the maximum of prompt and answer together, in tokens; 0:
	// unknown. A request that ends as TooLong may go to deployments with a
	// longer context.
	Context int
}

// Queue bounds the waiting requests. When it is full, an interactive request
// takes the place of batch. A request of a tenant with less waiting than its
// share takes the place of one of the tenant with the most. Requests that wait
// for a retry were admitted before and are never refused for a full queue;
// their number is bounded by the requests that were in flight.
type Queue struct {
	MaxWork     int           // tokens of work waiting; 0: 2,000,000; an empty queue takes a larger request
	MaxRequests int           // requests waiting; 0: 10,000
	MaxWait     time.Duration // interactive: from Arrive, Retry or the end of a cold start to verdict; 0: 30 s
	MaxWaitCold time.Duration // the same while no replica is ready but one may come; 0: 10 min
	BatchWait   time.Duration // batch: from arrival to verdict; 0: 1 h
}

// Health is a circuit breaker for each replica, driven by real requests: their
// failures open it, and then one real request at a time tests it (half-open).
// No health probes are sent.
type Health struct {
	Failures int           // consecutive failures that open a replica; 0: 3
	Base     time.Duration // how long it stays open the first time; 0: 1 s; doubles each time
	Max      time.Duration // 0: 30 s
}

// Request is what the Core must know about a request.
type Request struct {
	ID       uint64 // unique among those the Core holds
	Tenant   string
	Key      uint64 // of the caller, to attribute failures; 0: unknown, counts as a caller of its own
	Needs    Needs  // capabilities a deployment must have
	Class    weir.Class
	Prompt   int          // tokens of prefill expected
	Output   int          // tokens of decode expected
	Streams  bool         // FirstToken will be called for it
	Deadline weir.Instant // latest verdict; 0: set by Queue; never later than Queue allows

	// Affinity groups requests that benefit from the same replica, such as
	// those of a conversation; 0: none. See nearest.
	Affinity uint64

	// Prefix names the whole blocks at the start of the prompt. Each name
	// stands for its block and all blocks before it: equal leading names mean
	// equal tokens. A block has Options.PrefixBlock tokens. The Core reads
	// Prefix until the request ends. Where a deployment has CacheTokens, Prefix
	// decides instead of Affinity.
	Prefix []uint64

	// Sticky groups requests that go to the same deployment of a tier, such as
	// those of a caller; 0: none. See chooseSticky.
	Sticky uint64

	// Pin is the only permitted destination; zero: any.
	Pin Pin

	// MaxOutput is the request's own limit on its answer. A provider books that
	// much, however short the answer is likely to be; 0: no limit given.
	MaxOutput int
	// SpillAt is the time until which an interactive request should wait for a
	// preferred tier rather than go to the next. It waits only if the preferred
	// tier is throttled or its quota used up, and room is expected by then.
	// Batch waits for a tier with a quota until its wait ends. 0: it spills at
	// once.
	SpillAt weir.Instant
}

// Kind of a Verdict.
type Kind uint8

const (
	Grant  Kind = iota // send it to Deployment/Replica at Addr now
	Refuse             // answer it with an error now
)

// Reason explains a verdict. It is metric label, error code and log word alike.
type Reason string

// Verdict is the Core's answer to one request. Each request gets one per Arrive
// or Retry, unless it is cancelled first.
type Verdict struct {
	ID         uint64
	Kind       Kind
	Deployment string
	Replica    string
	Addr       string // base URL of the replica
	Reason     Reason
	Queued     time.Duration // from Arrive or Retry to now
	Known      int           // with Grant: prompt tokens the replica is believed to have cached
	RetryAfter time.Duration // with Refuse: estimate of the time until there is room
	Ahead      int           // with Refuse for a full or slow queue: requests ahead of a newcomer
	HedgeAfter time.Duration // with Grant: when to call Hedge if no token has come; 0: never
	Detail     string        // with StartFails, ColdTimeout and NoCapacity: the place's message about the replica
	Passed     []Passed      // with Spill and Refuse: the deployments passed over, with reasons; at most MaxPassed
}

// Passed says why a deployment was passed over: Full, QuotaUsed,
// ContextShort, Unsupported, AllThrottled, AllUnhealthy, NoReplica or
// NoCapacity.
type Passed struct {
	Deployment string
	Reason     Reason
}

// MaxPassed bounds the deployments listed in Verdict.Passed.
const MaxPassed = 4

// Result is how one attempt at a replica ended.
type Result uint8

const (
	OK          Result = iota // answered to its true end
	Unhealthy                 // 5xx, timeout, stall, cut connection: a suspicion against the replica, see blame.go
	Throttled                 // 429/503 with a time to come back: see PushBack; does not count against health
	Rejected                  // the caller's own error (4xx); does not count against health
	Abandoned                 // the caller disconnected
	TooLong                   // exceeds that deployment's context; one with a longer context may serve it
	Unreachable               // no connection: the replica's fault
	Unavailable               // the replica reports itself out of service (503); never the request's fault
	Incapable                 // that deployment does not support what the request needs, see Lacks; another may
)

// Demand is the input of scaling: totals since the Core was made (never
// averages per replica) and current levels. Totals only grow.
//
// Each request counts exactly once: Arrived = Refused + Completed + Failed +
// Cancelled + Waiting + those in flight. Granted counts attempts: a retried
// request is in it more than once, and may still be refused.
type Demand struct {
	Arrived, Granted, Refused, Completed, Failed, Cancelled uint64

	ArrivedPrompt, ArrivedOutput uint64       // expected tokens of all arrivals
	LastArrived                  weir.Instant // time of the last arrival; 0: none

	Waiting     int           // requests in the queue
	WaitingWork int           // their tokens
	HeadAge     time.Duration // age of the oldest waiting request
	Deployments []DeploymentDemand
}

// DeploymentDemand is one deployment's part of Demand, in the order of
// Options.Deployments. Deployments that are no longer configured are not
// listed, though requests may still be in flight on them.
type DeploymentDemand struct {
	Name         string
	InFlight     int          // requests granted and not done
	InFlightWork int          // their outstanding tokens
	Granted      uint64       // total
	Completed    uint64       // total, Result OK
	DonePrompt   uint64       // tokens of prefill done, total
	DoneOutput   uint64       // tokens of decode done, total
	LastEnded    weir.Instant // when a request last ended on it; 0: never
	QuotaUse     float64      // estimated use of its quota, 1 when full; 0 without one
	PerReplica   []ReplicaLoad
}

// ReplicaLoad is one replica's load in flight.
type ReplicaLoad struct {
	ID       string
	InFlight int
	Work     int
}
