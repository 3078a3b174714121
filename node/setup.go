package node

import (
	"io"
	"log/slog"
	"time"

	"weir/cache/memory"
	"weir/control"
	"weir/fleet"
	"weir/gateway"
	"weir/index/search"
	"weir/limits"
	"weir/observe"
	"weir/scale"
	"weir/store/vectors"
)

// Options are what New needs.
type Options struct {
	Setup Setup
	// Load reads the setup again, for a reload; nil: a reload fails. An error
	// that is Faults is logged fault by fault.
	Load func() (Setup, error)

	Places []Place // where replicas run; Setup's deployments name them
	// Account opens the subscription; nil: none. A reload changes it by Setup.Changes.
	Account  func(AccountHost) (Account, error)
	Canaries string // file that keeps the state of canary trials across restarts

	LogTo   io.Writer
	Build   observe.Build
	Nearest func(name string, known []string) string // as gateway.Options has it
}

// Place is how a place is opened. All places are opened, even without a
// deployment in the setup: a reload may add one.
type Place struct {
	Name string
	// Alone: one process at a time may have it open, and others of this machine
	// see its replicas. Where gateways share a database, the leader opens it.
	Alone bool
	Open  func(Host) (fleet.Place, error)
}

// Host is what the node gives a place.
type Host struct {
	// Busy is how many requests of all gateways a replica works on; -1:
	// unknown.
	Busy func(deployment, replica string) int
	// Leads says whether this gateway is the leader now. Nil: no other gateway
	// shares the store, and none is known to lead.
	Leads func() bool
	Log   *slog.Logger
}

// Setup is everything the node serves, as options of each package. A reload
// swaps it as a whole.
type Setup struct {
	Hash    string   // of its source
	Remarks []Remark // warnings, logged when it comes into force
	Fixed   []Fixed  // parts that only a restart can change

	Log     Log
	Server  Server
	Admin   Admin
	Store   Store
	Journal control.JournalOptions
	Sharing *Sharing // nil: limits are not shared
	Cache   memory.Options
	// MeaningMemory bounds the prompts that stand for stored answers, in bytes.
	MeaningMemory int
	Indexes       []search.Index  // that callers search; fixed at the start
	Vectors       vectors.Options // where embeddings are kept, if a model stores them
	ShareCache    bool            // stored answers are in Sharing's Redis too
	KEDA          *KEDA           // nil: KEDA scales nothing
	Gateway       gateway.Config
	Deployments   []Deployment // all of Gateway's, in its order

	Changes []fleet.Change // changes of the places to match this setup; at the start only checked
}

// Remark is a warning about a setup, and the place in its source.
type Remark struct{ At, Text string }

// Faults is why a setup could not be made, fault by fault.
type Faults struct {
	Err error
	All []Remark
}

func (f *Faults) Error() string { return f.Err.Error() }
func (f *Faults) Unwrap() error { return f.Err }

// Fixed is a part of a setup that a reload refuses to change. Values of the
// same path are compared deeply.
type Fixed struct {
	Path  string
	Value any
}

// Log is the logging. Format is fixed at the start.
type Log struct {
	Level  slog.Level
	Format observe.Format
	Access bool
}

// Server is the address for callers, fixed at the start.
type Server struct {
	Listen gateway.Listen // Addr is bound by New
	Drain  time.Duration
}

// Admin is the admin address, fixed at the start.
type Admin struct {
	Listen string
	Token  string   // "": no token is required
	Hosts  []string // host names allowed without a token
}

// KEDA is where KEDA asks for numbers of replicas, fixed at the start.
type KEDA struct{ Listen, CertFile, KeyFile string }

// Store is the ledger, fixed at the start: a file, or a database that several
// gateways share, one of which leads.
type Store struct {
	Path                  string // SQLite; unused with Postgres
	Postgres              string // URL; "": Path
	Gateway               string // name of this one among several; "": the host's
	Lease                 time.Duration
	FlushEvery, Retention time.Duration
}

// Sharing is how limits are shared through Redis, fixed at the start. The node
// sets Redis.Local and Redis.Log.
type Sharing struct {
	Redis    limits.Options
	Gateways int // expected number; 0: the number heard from
}

// Deployment is what the node needs of one beyond the gateway's part.
type Deployment struct {
	Name    string
	Place   string   // runs its replicas; "": its servers are external
	Scaling *Scaling // with a Place

	Metrics string   // path of its servers' own metrics; "": none
	Servers []string // base URLs to scrape, without a Place
}

// Scaling is how the number of replicas follows the load.
type Scaling struct {
	Policy scale.Policy
	Zone   *time.Location // of the policy's schedules; nil: UTC
	Quota  int            // most replicas the provider gives; 0: no bound
	Asked  bool           // KEDA asks for the number, and writes it
}
