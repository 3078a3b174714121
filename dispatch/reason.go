package dispatch

// Why a request was granted.
const (
	// Room: a deployment of the preferred tier had room.
	Room Reason = "room"
	// Spill: the tiers before had no room.
	Spill Reason = "spill"
	// Hedged: a second copy of a request whose first token is late.
	Hedged Reason = "hedge"
	// Mirrored: a copy for a deployment on trial.
	Mirrored Reason = "mirror"
	// HalfOpen: it tests a replica whose circuit is open.
	HalfOpen Reason = "half_open"
)

// Why a request was refused.
const (
	// QueueFull: no replica has room, nor does the queue.
	QueueFull Reason = "queue_full"
	// QueueTimeout: its wait ended before a replica had room.
	QueueTimeout Reason = "queue_timeout"
	// ColdTimeout: its wait ended before a first replica was ready.
	ColdTimeout Reason = "cold_start_timeout"
	// AllThrottled: every replica is throttled for longer than it may wait.
	AllThrottled Reason = "throttled"
	// AllUnhealthy: every replica's circuit is open for longer than it may
	// wait.
	AllUnhealthy Reason = "unhealthy"
	// NoReplica: there is no replica, and none is expected.
	NoReplica Reason = "no_replica"
	// StartFails: there is no replica, and starts fail.
	StartFails Reason = "start_fails"
	// NoCapacity: there is no replica, and the place has none to give now. Also
	// a reason to pass a deployment over.
	NoCapacity Reason = "no_capacity"
	// NoDeployment: no configured deployment takes new requests.
	NoDeployment Reason = "no_deployment"
	// RequestFails: it failed on two replicas that serve other requests.
	RequestFails Reason = "request_fails"
	// Unsupported: no deployment supports its needs. Also a reason to pass one
	// over.
	Unsupported Reason = "unsupported"
	// AttemptsUsed: all its attempts failed.
	AttemptsUsed Reason = "attempts"
	// DuplicateID: the Core already holds a request of that ID.
	DuplicateID Reason = "duplicate_id"
)

// Why a deployment was passed over. AllThrottled, AllUnhealthy and NoReplica
// apply to one deployment too.
const (
	// Full: its replicas have no room for the request.
	Full Reason = "full"
	// QuotaUsed: its provider would refuse the request.
	QuotaUsed Reason = "quota"
	// ContextShort: the request was too long for as much context.
	ContextShort Reason = "context"
)
