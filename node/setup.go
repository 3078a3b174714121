package node

import (
	"io"
	"log/slog"
	"time"

	"weir/control"
	"weir/fleet"
	"weir/gateway"
	"weir/limits"
	"weir/observe"
	"weir/scale"
)

// Options are what New makes a node of.
type Options struct {
	Setup Setup
	// Load reads the setup again, for a reload; nil: there is no other to read.
	// An error that is Faults is logged fault by fault.
	Load func() (Setup, error)

	Places   []Place // where replicas run; Setup's deployments name them
	Canaries string  // file the trials of canaries outlive this process in

	LogTo   io.Writer
	Build   observe.Build
	Nearest func(name string, known []string) string // as gateway.Options has it
}

// Place is how a place is opened. All places are opened, whether a deployment of
// the setup is there or not: after a reload one may be.
type Place struct {
	Name string
	// Alone: one process at a time may have it open, and others of this machine
	// see its replicas. Where gateways share a database, the leader opens it.
	Alone bool
	Open  func(Host) (fleet.Place, error)
}

// Host is what a place is given of the node.
type Host struct {
	// Busy is how many requests a replica works on, those of all gateways
	// together; -1: that is not known.
	Busy func(deployment, replica string) int
	Log  *slog.Logger
}

// Setup is everything that is served, in the options of each package: what a
// reload swaps as a whole.
type Setup struct {
	Hash    string   // of what it was made from
	Remarks []Remark // doubts about it, logged when it comes into force
	Fixed   []Fixed  // what only a new start can change

	Log         Log
	Server      Server
	Admin       Admin
	Store       Store
	Journal     control.JournalOptions
	Sharing     *Sharing // nil: this gateway has its limits to itself
	Gateway     gateway.Config
	Deployments []Deployment // all of Gateway's, in its order

	Changes []fleet.Change // of the places, to what this setup asks of them; at the start only checked
}

// Remark is something about a setup, and where it is from.
type Remark struct{ At, Text string }

// Faults is why a setup could not be made, fault by fault.
type Faults struct {
	Err error
	All []Remark
}

func (f *Faults) Error() string { return f.Err.Error() }
func (f *Faults) Unwrap() error { return f.Err }

// Fixed is a part of a setup that a reload refuses to change: those of one path
// are compared deeply.
type Fixed struct {
	Path  string
	Value any
}

// Log says what is logged and how; Format only at the start.
type Log struct {
	Level  slog.Level
	Format observe.Format
	Access bool
}

// Server is where callers connect, from the start on.
type Server struct {
	Listen gateway.Listen // Addr is bound by New
	Drain  time.Duration
}

// Admin is where operators connect, from the start on.
type Admin struct {
	Listen string
	Token  string   // "": none is asked for
	Hosts  []string // names it may be called by without a token
}

// Store is the ledger, from the start on: a file, or a database that several
// gateways share, one of which leads.
type Store struct {
	Path                  string // SQLite; unused with Postgres
	Postgres              string // URL; "": Path
	Gateway               string // name of this one among several; "": the host's
	Lease                 time.Duration
	FlushEvery, Retention time.Duration
}

// Sharing is how limits are shared through Redis, from the start on. Redis.Local
// and Redis.Log are the node's.
type Sharing struct {
	Redis    limits.Options
	Gateways int // that are expected; 0: as many as are heard
}

// Deployment is what there is to know of one beside what the gateway does.
type Deployment struct {
	Name    string
	Place   string   // that runs its replicas; "": they are always there
	Scaling *Scaling // with a Place

	Metrics string   // path of its servers' own metrics; "": there are none
	Servers []string // base URLs to ask for them, without a Place
}

// Scaling is how the number of replicas follows the load.
type Scaling struct {
	Policy scale.Policy
	Zone   *time.Location // of the policy's schedules; nil: UTC
	Quota  int            // most replicas the provider gives; 0: no bound
}
