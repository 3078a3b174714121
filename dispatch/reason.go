package dispatch

// Why a request was granted.
const (
	// Room: a deployment of the preferred tier had room.
	Room Reason = "room"
	// Spill: the tiers before had none.
	Spill Reason = "spill"
	// Hedged: it is the second copy of a request whose first token is late.
	Hedged Reason = "hedge"
	// Mirrored: it is a copy for a deployment on trial.
	Mirrored Reason = "mirror"
	// HalfOpen: it tests a replica whose circuit is open.
	HalfOpen Reason = "half_open"
)

// Why a request was refused.
const (
	// QueueFull: no room at any replica and none in the queue.
	QueueFull Reason = "queue_full"
	// QueueTimeout: it waited as long as it may, and no replica had room.
	QueueTimeout Reason = "queue_timeout"
	// ColdTimeout: it waited as long as it may for a first replica to become ready.
	ColdTimeout Reason = "cold_start_timeout"
	// AllThrottled: every replica has said to stay away for longer than it may wait.
	AllThrottled Reason = "throttled"
	// AllUnhealthy: every replica is left alone, after failures, for longer than
	// it may wait.
	AllUnhealthy Reason = "unhealthy"
	// NoReplica: there is no replica and none will come.
	NoReplica Reason = "no_replica"
	// StartFails: there is no replica, and those that are started fail.
	StartFails Reason = "start_fails"
	// NoDeployment: none is configured that takes new requests.
	NoDeployment Reason = "no_deployment"
	// RequestFails: it failed on two replicas where others' requests pass.
	RequestFails Reason = "request_fails"
	// Unsupported: no deployment does what it needs. Also why one was passed over.
	Unsupported Reason = "unsupported"
	// AttemptsUsed: each attempt it had has failed.
	AttemptsUsed Reason = "attempts"
	// DuplicateID: the Core holds a request of that number already.
	DuplicateID Reason = "duplicate_id"
)

// Why a deployment was passed over; AllThrottled, AllUnhealthy and NoReplica
// are said of one deployment too.
const (
	// Full: its replicas have no room for the request.
	Full Reason = "full"
	// QuotaUsed: its provider would refuse the request.
	QuotaUsed Reason = "quota"
	// ContextShort: the request was found too long for as much context.
	ContextShort Reason = "context"
)
