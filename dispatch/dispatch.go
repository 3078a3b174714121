// Package dispatch decides where each request of one model goes and when:
// admission queue and router as one passive core. It owns the queue and every slot;
// it knows no clock, no HTTP, no goroutine and no lock, so that the gateway and the
// simulator drive the same code. Its owner serialises calls and tells it the time.
//
// The contract of a Core: events go in, verdicts come out. Each request gets one
// verdict per Arrive or Retry, unless it is cancelled first; any event may bring the
// verdicts of other requests too, and its owner hands each to the one it is for.
// Events that return no verdicts make Next say "now" where they made some due.
//
// Of a request:
//
//   - Arrive: it is granted a replica at once, refused with the reason, or queued; a
//     queue that is full refuses others for it where that is fair.
//   - FirstToken: its prompt is computed; that work is no longer outstanding, and the
//     replica has shown that it is well.
//   - Retry: its attempt failed unseen by the caller. It gets another verdict: another
//     replica first, the same after a pause, a refusal when its attempts are used up.
//   - Done: it, or a copy of it, has ended; slot, work and what the quota was booked
//     with too much are given back, and health learns from how it ended.
//   - Cancel: its caller has gone. It gets no verdict any more.
//   - Hedge, Mirror, Swap: a copy is granted beside it if that hurts no other request;
//     after Swap the copy stands where the request stood.
//
// Of what serves them:
//
//   - Replicas: the full list of a deployment's replicas. New ones take requests,
//     those that are gone end what they have.
//   - PushBack: a replica or a deployment wants nothing before a time.
//   - Lacks: a deployment does not do what a request needed.
//   - Capacity: a provider lets through another quota from now on. Limits: it said of
//     a lower one. Spilled: it served a request outside of its quota. Booked and
//     BookRemote: what this gateway, and others, have booked of it.
//   - Configure: other options. What waits and what runs goes on.
//
// Of time: Wake does what has become due, and Next says when that is. Demand and Warm
// say what there is and change nothing.
//
// How it decides, in the order of the files to read:
//
//   - core.go: one turn: time moves on, what waits is looked at, verdicts come out.
//   - events.go: what happens to a request. provider.go, replicas.go, configure.go:
//     what happens to those that serve it.
//   - grant.go: a request that finds room is granted at once, tier after tier.
//   - deployment.go: inside a tier, smooth weighted round robin between
//     deployments; inside a deployment, the replica with the least work.
//   - replica.go, health.go, blame.go: which replicas may be sent requests at all:
//     health learned from real requests, throttle clocks.
//   - units.go: replicas that are several servers behind one address.
//   - queue.go, vain.go: which requests wait and for how long, which make way when
//     the queue is full, and which are refused since waiting is in vain.
//   - serve.go: which are served when room appears.
//   - lane.go, flow.go: weighted fairness between tenants, by work.
//   - claims.go, share.go: one tenant's burst and another's first tokens.
//   - quota.go, window.go: what a provider lets through, known before it is asked.
//   - spill.go, passed.go: whether to wait for a preferred tier or to go to the next.
//   - split.go: callers that stick to one deployment of a tier.
//   - needs.go: what a deployment can do, declared or learned.
//   - backoff.go: when a replica is asked again by a request it has failed.
//   - copy.go, tail.go: copies of requests.
//   - affinity.go, prefix.go: requests with a common prefix meet where that pays.
//   - refuse.go: when to come back.
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
	Attempts    int            // upstream attempts per request, first one included; 0: 3
	Health      Health
	PrefixBlock int // tokens that one name of Request.Prefix stands for; 0: Prefix is not looked at
	Hedge       Hedge
}

// Deployment is one way to serve the model.
type Deployment struct {
	Name   string // unique; the same name keeps its state over Configure
	Tier   int    // lower is preferred; the next tier takes what this one has no room for
	Weight int    // share inside its tier; 0: takes nothing new (kept for requests in flight)

	// Limits are of one unit of a replica: one that is several servers behind one
	// address (weir.Replica.Units) has them as many times. See units.go.
	MaxRequests int // in flight per unit
	MaxWork     int // tokens of work in flight per unit; an idle one takes a larger request

	// MaxPrefill is the tokens of prompts whose first token is due that a unit
	// may have while a tenant over its share sends it more; 0: no bound. An idle
	// one takes a longer prompt. It is for replicas that are one engine each: about
	// what it computes in a step. See share.go.
	MaxPrefill int

	// Elastic: replicas may come when asked for, so a request may wait for one
	// that is starting instead of being refused because none is ready.
	Elastic bool

	// Paid: one more request costs nothing here (provisioned, own). Requests
	// wait for the leading tiers that have such a deployment, as long as they are
	// patient, and spill to those after it. The first tier is always waited for.
	Paid bool

	Quota Quota // what its provider lets through

	// CacheTokens is how much of the prompts it has computed each unit of a replica
	// remembers (its prefix cache); 0: nothing is assumed. With it, requests go where
	// the beginning of their prompt is known, while no more waits there than that
	// is worth: see knowing.
	CacheTokens int

	// Lacks is what it cannot do: a request that needs any of it goes to another.
	Lacks Needs

	// Context is the longest prompt and answer together, in tokens; 0: not known.
	// A request that a deployment finds TooLong may go to those with more.
	Context int
}

// Queue bounds what waits. When it is full, an interactive request takes the
// place of batch, and one of a tenant that would then have less waiting than its
// share takes that of the tenant with the most. Requests that wait for a retry
// have been admitted before and do not count against a newcomer's refusal: they
// are bounded by what was in flight.
type Queue struct {
	MaxWork     int           // tokens of work waiting; 0: 2,000,000; an empty queue takes a larger request
	MaxRequests int           // requests waiting; 0: 10,000
	MaxWait     time.Duration // interactive: from Arrive or Retry (or the end of a cold start) to verdict; 0: 30 s
	MaxWaitCold time.Duration // the same while no replica is ready and one may come; 0: 10 min
	BatchWait   time.Duration // batch: from arrival to verdict; 0: 1 h
}

// Health is a circuit breaker for each replica, driven by real requests: their
// failures open it, and one real request at a time tests it again (half-open). No
// health probes are sent.
type Health struct {
	Failures int           // consecutive failures that open a replica; 0: 3
	Base     time.Duration // first time it stays open; 0: 1 s; doubles each time
	Max      time.Duration // 0: 30 s
}

// Request is what the Core needs to know of a request.
type Request struct {
	ID       uint64 // unique among those the Core holds
	Tenant   string
	Key      uint64 // of its caller, to tell whose requests fail; 0: not known, taken for a caller of its own
	Needs    Needs  // what a deployment must be able to do
	Class    weir.Class
	Prompt   int          // tokens of prefill expected
	Output   int          // tokens of decode expected
	Streams  bool         // FirstToken will be called for it
	Deadline weir.Instant // waiting longer is pointless; 0: as Queue says; never later than that

	// Affinity names what requests share that do well at the same replica, such as
	// a conversation; 0: nothing. See nearest.
	Affinity uint64

	// Prefix names the whole blocks that the prompt begins with, each name standing
	// for all before it too: equal leading names are equal tokens. Each block is of
	// Options.PrefixBlock tokens. The Core reads it until the request ends. Where a
	// deployment has CacheTokens it decides instead of Affinity.
	Prefix []uint64

	// Sticky names what requests share that go to the same deployment of a tier,
	// such as their caller; 0: nothing. See chooseSticky.
	Sticky uint64

	// Pin is where it must go; zero: anywhere.
	Pin Pin

	// MaxOutput is what the request lets the answer have, which is what a provider
	// books it with, however short it is likely to be; 0: it does not say.
	MaxOutput int
	// SpillAt is until when an interactive request had better wait for a preferred
	// tier than be sent to the next. It waits only where the preferred tier is
	// throttled or its quota used up, and room there is expected by then. Batch
	// waits for a tier with a quota as long as it may wait at all. 0: it spills
	// at once.
	SpillAt weir.Instant
}

// Kind of a Verdict.
type Kind uint8

const (
	Grant  Kind = iota // send it to Deployment/Replica at Addr now
	Refuse             // answer it with an error now
)

// Reason names why a verdict fell as it did: metric label, error code and log
// word alike.
type Reason string

// Verdict is the Core's answer to one request; each request gets one per
// Arrive or Retry, unless it is cancelled first.
type Verdict struct {
	ID         uint64
	Kind       Kind
	Deployment string
	Replica    string
	Addr       string // base URL of the replica
	Reason     Reason
	Queued     time.Duration // from Arrive or Retry to now
	Known      int           // with Grant: tokens of the prompt the replica is believed to remember
	RetryAfter time.Duration // with Refuse: a truthful estimate of when room is expected
	Ahead      int           // with Refuse for a queue that was full or too slow: requests that wait before one that comes now
	HedgeAfter time.Duration // with Grant: when to ask Hedge if no token has come; 0: never
	Detail     string        // with StartFails and ColdTimeout: what the place said of the replica
	Passed     []Passed      // with Spill and Refuse: the deployments before, and why not they; at most MaxPassed
}

// Passed says why a request did not go to a deployment: Full, QuotaUsed,
// ContextShort, Unsupported, AllThrottled, AllUnhealthy or NoReplica.
type Passed struct {
	Deployment string
	Reason     Reason
}

// MaxPassed bounds what a verdict says of deployments that were passed over.
const MaxPassed = 4

// Result says how one attempt at a replica ended.
type Result uint8

const (
	OK          Result = iota // answered to its true end
	Unhealthy                 // 5xx, no answer in time, stall, cut: a suspicion against the replica, see blame.go
	Throttled                 // 429/503 with a time to come back: see PushBack; not a matter of health
	Rejected                  // the caller's own error (4xx): says nothing of the replica
	Abandoned                 // the caller disconnected
	TooLong                   // for the context of that deployment: one with a longer one may do
	Unreachable               // no connection: the replica's own fault
	Unavailable               // it says that it does not serve now (503): no request brings that about
	Incapable                 // that deployment does not do what the request needs, see Lacks: another may
)

// Demand is what the scaler is told: totals since the Core was made (never
// averages per replica) and levels at the moment. Totals only grow.
//
// Every request that arrived is in one place: Arrived = Refused + Completed +
// Failed + Cancelled + Waiting + those in flight. Granted counts attempts, so a
// request that was retried is in it more than once, and may still be refused.
type Demand struct {
	Arrived, Granted, Refused, Completed, Failed, Cancelled uint64

	ArrivedPrompt, ArrivedOutput uint64       // tokens expected, of Arrived
	LastArrived                  weir.Instant // when the last of Arrived came; 0: none has

	Waiting     int           // requests in the queue
	WaitingWork int           // their tokens
	HeadAge     time.Duration // age of the oldest waiting request
	Deployments []DeploymentDemand
}

// DeploymentDemand is the part of Demand that belongs to one deployment, in
// the order of Options.Deployments. Deployments that are no longer configured
// are not listed, though requests may still be in flight on them.
type DeploymentDemand struct {
	Name         string
	InFlight     int          // requests granted and not done
	InFlightWork int          // their tokens still outstanding
	Granted      uint64       // total
	Completed    uint64       // total, Result OK
	DonePrompt   uint64       // tokens of prefill done, total
	DoneOutput   uint64       // tokens of decode done, total
	LastEnded    weir.Instant // when a request last ended on it; 0: none has
	QuotaUse     float64      // how full its quota is believed to be, 1 at the brim; 0 without one
	PerReplica   []ReplicaLoad
}

// ReplicaLoad is what one replica has in flight.
type ReplicaLoad struct {
	ID       string
	InFlight int
	Work     int
}
