package gateway

import (
	"slices"
	"strings"

	"weir"
	"weir/upstream"
)

// Services of a path: upstream's, and the gateway's own.
const (
	noService    = upstream.NoService
	callModel    = upstream.CallModel
	listModels   = upstream.ListModels
	showModel    = upstream.ShowModel
	keptAnswer   = upstream.KeptAnswer
	countTokens  = upstream.CountTokens
	searchStore  = upstream.SearchStore
	notServed    = upstream.NotServed
	reportHealth = upstream.NotServed + 1 + iota // GET /healthz
	reportReady                                  // GET /readyz
)

// surface is what the path of a request determines.
type surface struct {
	service upstream.Service
	dialect upstream.Dialect    // the caller's protocol
	do      *upstream.Operation // the operation in that protocol; nil: the path names none
	shared  bool                // the path is the last protocol's, or unknown: a header may name another protocol
	op      weir.Op
	model   string // named in the path
	shown   string // the model's name for the caller, where it is another; "": as asked
	firstOf string // the model for which a smaller one is asked first; "": it is asked for itself
	id      string // of a stored answer
	below   string // the rest of the path: "/cancel", "/input_items"; for a count, its end
}

// surfaces are the protocols that callers may use, in the order in which they are
// matched against a path. The last one answers unknown paths.
type surfaces []upstream.Dialect

// locate parses a path.
func (all surfaces) locate(path string) surface {
	for i, d := range all {
		if r, ok := d.Locate(path); ok {
			s := surface{shared: i == len(all)-1, service: r.Service, dialect: d, op: r.Op, model: r.Model, id: r.ID, below: r.Below}
			if r.Service != noService {
				s.do = d.Operation(r.Op)
			}
			return s
		}
	}
	s := surface{dialect: all[len(all)-1], shared: true}
	switch path {
	case "/healthz", "/health": // the second is the inference servers' name
		s.service = reportHealth
	case "/readyz":
		s.service = reportReady
	}
	return s
}

// of is the surface of an operation for callers without a path: the surface that its
// own path would have.
func (all surfaces) of(op weir.Op) (surface, bool) {
	o := upstream.Options{Model: "m"}
	for i := len(all) - 1; i >= 0; i-- {
		if all[i].Operation(op) == nil {
			continue
		}
		s := all.locate(all[i].Base(&o, "") + all[i].Target(&o, op).Path)
		if s.service == callModel && s.op == op {
			s.model = ""
			return s, true
		}
	}
	return surface{}, false
}

// markedBy is the protocol named by a header of the caller, for paths that several
// protocols share; nil if there is none.
func (all surfaces) markedBy(header func(name string) string) upstream.Dialect {
	for _, d := range all {
		if mark := d.Mark(); mark != "" && header(mark) != "" {
			return d
		}
	}
	return nil
}

// queryFor is the caller's query without the protocol's version, which the upstream's
// own replaces.
func (all surfaces) queryFor(query string) string {
	parts := slices.DeleteFunc(strings.Split(query, "&"), func(p string) bool {
		name, _, said := strings.Cut(p, "=")
		return p == "" || said && slices.ContainsFunc(all, func(d upstream.Dialect) bool { return d.Version() == name && name != "" })
	})
	return strings.Join(parts, "&")
}

// methodsOf are the methods of a path, besides OPTIONS. An unknown path gets all
// methods of the API.
func methodsOf(s surface) string {
	switch s.service {
	case callModel, countTokens, searchStore, notServed:
		return "POST"
	case keptAnswer:
		switch s.below {
		case "/cancel":
			return "POST"
		case "":
			return "GET, HEAD, DELETE"
		}
		return "GET, HEAD"
	case noService:
		return "GET, HEAD, POST, DELETE"
	}
	return "GET, HEAD"
}

// takes says whether a path takes a method. Methods are case-sensitive.
func (s surface) takes(method string) bool {
	for m := range strings.SplitSeq(methodsOf(s), ", ") {
		if m == method {
			return true
		}
	}
	return false
}

// allowed is methodsOf for the header Allow.
func allowed(s surface) string { return methodsOf(s) + ", OPTIONS" }
