package gateway

import (
	"crypto/sha256"
	"log/slog"
	"net"
	"net/netip"
	"time"

	"weir"
	"weir/canary"
	"weir/dispatch"
	"weir/meter"
	"weir/upstream"
)

// Options are what a Gateway is made of. Listen, Drain, Record and Log hold
// for its life; Config may be swapped by Apply.
type Options struct {
	Listen Listen
	// Dialects are the protocols that callers may speak, in the order in which they
	// are asked whose a path is. The last one answers paths that are none of theirs.
	Dialects []upstream.Dialect
	// Drain is how long requests in flight may go on after Run was told to
	// stop; then they are cut, streams with an error event. 0: 30 s.
	Drain  time.Duration
	Config Config
	// Record is called once for every request to a model, however it ended,
	// from the goroutine that served it. It must not block. nil: it is not called.
	Record func(weir.Record)
	// Nearest is which of the known names an unknown one was probably meant to
	// be, "" for none. nil: none is named.
	Nearest func(name string, known []string) string
	// Copy is called once for every copy that Weir sent on its own account:
	// hedges and mirrors.
	Copy func(weir.Copy)
	// Canaries are trials as Gateway.Canaries has told them before, by deployment.
	Canaries map[string]canary.State
	// CanaryStepped is called when a canary gets another share, from a goroutine
	// that serves a request. It must not block. nil: it is not called.
	CanaryStepped func(CanaryStep)
	// Grew is called while Run runs when the queue of a deployment's model has
	// grown: for each of its deployments, from one goroutine, with no lock held,
	// and at most every 100 ms however often it grows. nil: it is not called.
	Grew func(deployment string)
	Log  *slog.Logger // nil: slog.Default()
}

// Listen says where and how connections are accepted. Zero values are the
// defaults named.
type Listen struct {
	Addr     string       // host:port; used by Run when Listener is nil
	Listener net.Listener // an open socket instead of Addr
	// CertFile and KeyFile hold PEM; both empty: plain HTTP. A changed file is
	// seen within a minute, and at every Apply.
	CertFile, KeyFile string

	HeaderTimeout  time.Duration // for a request's header; 0: 10 s
	IdleTimeout    time.Duration // for a connection without a request; 0: 2 min
	MaxHeaderBytes int           // of one request's header; 0: 64 KiB
	MaxConns       int           // connections open at once, one more is closed at once; 0: 50,000
}

// Config is what may be swapped while serving.
type Config struct {
	Tenants []Tenant
	Models  []Model
	Limits  []Limit // beside those of tenants, keys and models
	Bounds  Bounds
	// TrustedProxies are those whose X-Forwarded-For is believed.
	TrustedProxies []netip.Prefix
	CORS           CORS
}

// Limit bounds what the requests of a scope may use together.
type Limit struct {
	Scope  meter.Scope
	Limits meter.Limits
}

// Tenant is one group of callers, with keys and limits of its own.
type Tenant struct {
	Name   string
	Keys   []Key
	Limits meter.Limits // of all its keys together
	Trim   Trim
	Class  weir.Class // of its requests unless the model or the request says otherwise
	Share  int        // fair-share weight in the queue; 0: 1
	Models []string   // names of the models it may use; empty: all
}

// Key is one secret of a tenant, known by its hash only.
type Key struct {
	Name   string
	SHA256 [sha256.Size]byte // of the key as the caller sends it
	Limits meter.Limits
}

// Model is what a caller asks for by name.
type Model struct {
	Name    string
	Aliases []string // further names for it
	SLO     weir.SLO
	Limits  meter.Limits // of all callers together
	Trim    Trim
	Class   *weir.Class // nil: the tenant's
	Queue   dispatch.Queue
	// SpillAfter is how long an interactive request may wait for a deployment of
	// a preferred tier that is throttled or whose quota is used up, if room is
	// expected in that time, before it goes to the next tier. 0: what SLO.TTFT
	// leaves when the time a first token takes is taken off; 100 ms without one.
	SpillAfter time.Duration
	// Affinity says which requests go to the same replica while that costs them
	// no more than its cache can save.
	Affinity    Affinity
	Attempts    int // upstream attempts per request, first one included; 0: 3
	Health      dispatch.Health
	Hedge       dispatch.Hedge // second requests when a first token is late
	Sticky      Sticky
	Deployments []Deployment
}

// Affinity is what requests share that go to the same replica.
type Affinity uint8

const (
	NoAffinity Affinity = iota
	BySession           // the header X-Weir-Session, else "user" of the body; without both nothing
	ByKey               // the caller's key
	ByPrefix            // the beginning of the prompt, where a deployment's CacheTokens say how much a replica remembers
)

// Deployment is one way to serve a model.
type Deployment struct {
	dispatch.Deployment // Name is unique over all models

	Upstream upstream.Options
	Rates    meter.Rates
	Price    string // Rates in words, and where they are from: what the ledger keeps beside each cost
	// Serves is the model it really is, where it stands in for another: then the
	// limits of both count what it does. "": the model it belongs to.
	Serves string
	// Addrs are the base URLs of replicas that are always there. Where there
	// are none, Upstream.BaseURL is the one replica; where that is empty too,
	// replicas are told by SetReplicas.
	Addrs []string
	// NoStreamUsage: the upstream refuses stream_options; usage of its streams
	// is estimated.
	NoStreamUsage bool
	Spillover     Spillover
	// Canary is set for a version on trial; Weight is then the trial's to say.
	Canary *Canary
	// Mirror is set for a shadow, which gets copies only; its Weight is 0.
	Mirror *Mirror
}

// Bounds keep every request finite. Zero values are the defaults named.
type Bounds struct {
	MaxBody int64 // bytes of a request body; 0: 16 MiB
	// MaxBodyMemory is what the bodies of all requests may take in memory
	// together, in bytes. One alone always gets what it needs. 0: 1 GiB.
	MaxBodyMemory int64
	MaxRequests   int           // in flight, waiting ones included; 0: 20,000
	MaxStreams    int           // of them streamed answers; 0: 10,000
	BodyTimeout   time.Duration // for a caller to send its body; 0: 1 min
	WriteTimeout  time.Duration // for a caller to take what was written; 0: 30 s
	// Pulse is how long the caller of a stream may get nothing before it is sent
	// a sign of life. 0: none, but every 15 s while it waits for a cold start.
	Pulse time.Duration

	// What a stream may show before its first token and still move elsewhere
	// unseen: an event more and it is passed on, and can only fail openly.
	HoldEvents int           // 0: 64
	HoldBytes  int           // 0: 64 KiB
	HoldTime   time.Duration // from the first event on, seen when the next comes; 0: 20 s

	// MaxAnswer is the largest answer that is held whole before it is passed
	// on, so that it can still be got elsewhere when it breaks off. Larger
	// ones are passed on as they come. 0: 4 MiB
	MaxAnswer int
}

func (b Bounds) withDefaults() Bounds {
	orElse(&b.MaxBody, 16<<20)
	orElse(&b.MaxBodyMemory, 1<<30)
	orElse(&b.MaxRequests, 20_000)
	orElse(&b.MaxStreams, 10_000)
	orElse(&b.BodyTimeout, time.Minute)
	orElse(&b.WriteTimeout, 30*time.Second)
	orElse(&b.HoldEvents, 64)
	orElse(&b.HoldBytes, 64<<10)
	orElse(&b.HoldTime, 20*time.Second)
	orElse(&b.MaxAnswer, 4<<20)
	return b
}

func (l Listen) withDefaults() Listen {
	orElse(&l.HeaderTimeout, 10*time.Second)
	orElse(&l.IdleTimeout, 2*time.Minute)
	orElse(&l.MaxHeaderBytes, 64<<10)
	orElse(&l.MaxConns, 50_000)
	return l
}

func orElse[T int | int64 | time.Duration](v *T, otherwise T) {
	if *v <= 0 {
		*v = otherwise
	}
}
