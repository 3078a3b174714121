package gateway

import (
	"crypto/sha256"
	"log/slog"
	"net"
	"net/netip"
	"time"

	"weir"
	"weir/cache"
	"weir/canary"
	"weir/dispatch"
	"weir/meter"
	"weir/upstream"
)

// Options configure a Gateway. Listen, Drain, Record and Log are fixed for its life;
// Apply can replace Config.
type Options struct {
	Listen Listen
	// Dialects are the protocols that callers may use, in the order in which they are
	// matched against a path. The last one answers unknown paths.
	Dialects []upstream.Dialect
	// Drain is how long requests in flight may run after Run is asked to stop. Then they
	// are cut, streams with an error event. 0: 30 s.
	Drain  time.Duration
	Config Config
	// Record is called once for every request to a model, whatever its outcome, from the
	// goroutine that served it. It must not block. nil: it is not called.
	Record func(weir.Record)
	// Nearest returns the known name closest to an unknown one, "" for none. nil: no name
	// is suggested.
	Nearest func(name string, known []string) string
	// Copy is called once for every hedge and mirror that Weir sent.
	Copy func(weir.Copy)
	// Canaries are the trials' states at the start, by deployment, from Gateway.Canaries.
	Canaries map[string]canary.State
	// CanaryStepped is called when a canary's share changes, from a goroutine that serves
	// a request. It must not block. nil: it is not called.
	CanaryStepped func(CanaryStep)
	// Grew is called while Run runs when the queue of a deployment's model has grown: once
	// for each of its deployments, from one goroutine, with no lock held, and at most
	// every 100 ms however often it grows. nil: it is not called.
	Grew func(deployment string)
	// Answers keeps answers for the models that have a Cache. nil: no model may have one.
	Answers Answers
	// Vectors keeps embeddings for the models that have Vectors. nil: no model may.
	Vectors Vectors
	// Searches answers searches of vector stores. nil: there are none.
	Searches Searches
	// MeaningMemory bounds the memory for the prompts of models with a Meaning, in bytes. 0: 64 MiB.
	MeaningMemory int
	Log           *slog.Logger // nil: slog.Default()
}

// Listen says where and how connections are accepted. Zero values mean the defaults
// named.
type Listen struct {
	Addr     string       // host:port; used by Run when Listener is nil
	Listener net.Listener // an open socket to use instead of Addr
	// CertFile and KeyFile are PEM files; both empty: plain HTTP. A changed file is loaded
	// within a minute, and at every Apply.
	CertFile, KeyFile string

	Front Front // what serves HTTP/1.1

	HeaderTimeout  time.Duration // to receive a request's header; 0: 10 s
	IdleTimeout    time.Duration // of a connection without a request; 0: 2 min
	MaxHeaderBytes int           // of one request's header; 0: 64 KiB
	MaxConns       int           // connections open at once; further ones are closed at once; 0: 50,000
}

// Front is what serves callers over HTTP/1.1. HTTP/2 is always net/http's.
type Front uint8

const (
	StandardFront Front = iota // net/http
	OwnFront                   // package front, on Linux and over TCP
)

// Config is the part of the options that Apply replaces while serving.
type Config struct {
	Tenants []Tenant
	Models  []Model
	Limits  []Limit // besides those of tenants, keys and models
	Bounds  Bounds
	// TrustedProxies are the proxies whose X-Forwarded-For is trusted.
	TrustedProxies []netip.Prefix
	CORS           CORS
}

// Limit bounds the total use of all requests of a scope.
type Limit struct {
	Scope  meter.Scope
	Limits meter.Limits
}

// Tenant is one group of callers, with its own keys and limits.
type Tenant struct {
	Name   string
	Keys   []Key
	Limits meter.Limits // of all its keys in total
	Trim   Trim
	Class  weir.Class // of its requests unless the model or the request sets another
	Share  int        // fair-share weight in the queue; 0: 1
	Models []string   // names of the models it may use; empty: all
	// NotCheaper: no request of it is tried on a smaller model than it asked for.
	NotCheaper bool
}

// Key is one secret of a tenant, known only by its hash.
type Key struct {
	Name   string
	SHA256 [sha256.Size]byte // of the key as the caller sends it
	Limits meter.Limits
}

// Model is a model that callers request by name.
type Model struct {
	Name    string
	Aliases []string // further names for it
	SLO     weir.SLO
	Limits  meter.Limits // of all callers in total
	Trim    Trim
	Class   *weir.Class // nil: the tenant's
	Queue   dispatch.Queue
	// SpillAfter is how long an interactive request may wait for a deployment of a
	// preferred tier that is throttled or has used up its quota, if room is expected by
	// then, before it goes to the next tier. 0: SLO.TTFT minus the usual time to a first
	// token; 100 ms without an SLO.
	SpillAfter time.Duration
	// Affinity says which requests go to the same replica, as long as that costs them no
	// more than its cache can save.
	Affinity    Affinity
	Attempts    int // upstream attempts per request, including the first; 0: 3
	Health      dispatch.Health
	Hedge       dispatch.Hedge // a second request when the first token is late
	Sticky      Sticky
	Cache       *cache.Policy // which of its answers are stored; nil: none
	Vectors     *VectorPolicy // which of its embeddings are stored; nil: none
	Meaning     *Meaning      // stored answers also for other words; nil: not. It needs a Cache
	Cheaper     *Cheaper      // requests that are tried on a smaller model; nil: none
	Deployments []Deployment
}

// Affinity selects the property that requests to the same replica share.
type Affinity uint8

const (
	NoAffinity Affinity = iota
	BySession           // the header X-Weir-Session, else "user" of the body; no affinity without both
	ByKey               // the caller's key
	ByPrefix            // the beginning of the prompt, where a deployment's CacheTokens give the size of a replica's cache
)

// Deployment is one way to serve a model.
type Deployment struct {
	dispatch.Deployment // Name is unique over all models

	Upstream upstream.Options
	Rates    meter.Rates
	Price    string // Rates in words, with their source: stored in the ledger beside each cost
	// Serves is the model this deployment really runs, if it stands in for another: then
	// usage counts against the limits of both. "": the model it belongs to.
	Serves string
	// Addrs are the base URLs of permanent replicas. If empty, Upstream.BaseURL is the one
	// replica; if that is empty too, SetReplicas sets the replicas.
	Addrs []string
	// NoStreamUsage: the upstream refuses stream_options; the usage of its streams is
	// estimated.
	NoStreamUsage bool
	Spillover     Spillover
	// Canary is set for a version on trial; the trial then sets Weight.
	Canary *Canary
	// Mirror is set for a shadow, which gets only copies; its Weight is 0.
	Mirror *Mirror
}

// Bounds keep every request finite. Zero values mean the defaults named.
type Bounds struct {
	MaxBody int64 // bytes of a request body; 0: 16 MiB
	// MaxBodyMemory bounds the memory of all request bodies in total, in bytes. A single
	// body always gets the memory it needs. 0: 1 GiB.
	MaxBodyMemory int64
	MaxRequests   int           // in flight, including waiting ones; 0: 20,000
	MaxStreams    int           // streamed answers among them; 0: 10,000
	BodyTimeout   time.Duration // for a caller to send its body; 0: 1 min
	WriteTimeout  time.Duration // for a caller to read a written part; 0: 30 s
	// Pulse is how long a stream may stay silent before its caller gets a sign of life. 0:
	// none, except every 15 s during a cold start.
	Pulse time.Duration

	// How much of a stream is held back before its first token. Within these bounds a
	// failure can be retried unseen; beyond them the stream is relayed, and a failure
	// shows.
	HoldEvents int           // 0: 64
	HoldBytes  int           // 0: 64 KiB
	HoldTime   time.Duration // from the first event on, checked at each event; 0: 20 s

	// MaxAnswer is the largest answer held whole before it is passed on, which allows a
	// retry on another replica if it breaks off. A larger one is relayed as it arrives. 0:
	// 4 MiB
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
