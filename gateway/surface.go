package gateway

import (
	"slices"
	"strings"

	"weir"
	"weir/upstream"
)

// What a path may ask for: upstream's services, and the gateway's own.
const (
	noService    = upstream.NoService
	callModel    = upstream.CallModel
	listModels   = upstream.ListModels
	showModel    = upstream.ShowModel
	keptAnswer   = upstream.KeptAnswer
	countTokens  = upstream.CountTokens
	notServed    = upstream.NotServed
	reportHealth = upstream.NotServed + 1 + iota // GET /healthz
	reportReady                                  // GET /readyz
)

// surface is what a path says of a request.
type surface struct {
	service upstream.Service
	dialect upstream.Dialect    // what the caller speaks
	do      *upstream.Operation // how it does the operation; nil: the path names none
	shared  bool                // the path is the last protocol's, or of none: a header may tell
	op      weir.Op
	model   string // named in the path
	id      string // of an answer that is kept
	below   string // what is asked of it: "/cancel", "/input_items"; of a count: the end of the path
}

// surfaces are the protocols that callers may speak, in the order in which they are
// asked whose a path is. The last one answers paths that none of them has.
type surfaces []upstream.Dialect

// locate reads a path.
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
	case "/healthz", "/health": // the latter as inference servers have it
		s.service = reportHealth
	case "/readyz":
		s.service = reportReady
	}
	return s
}

// of is the surface of an operation for callers that come by no path: the one that
// its own path would have.
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

// markedBy is the protocol that a header of the caller's names, for paths that
// several share; "" where it names none.
func (all surfaces) markedBy(header func(name string) string) upstream.Dialect {
	for _, d := range all {
		if mark := d.Mark(); mark != "" && header(mark) != "" {
			return d
		}
	}
	return nil
}

// queryFor is what an upstream is asked of a caller's query: all but the version of
// a protocol, which is the upstream's own.
func (all surfaces) queryFor(query string) string {
	parts := slices.DeleteFunc(strings.Split(query, "&"), func(p string) bool {
		name, _, said := strings.Cut(p, "=")
		return p == "" || said && slices.ContainsFunc(all, func(d upstream.Dialect) bool { return d.Version() == name && name != "" })
	})
	return strings.Join(parts, "&")
}

// methodsOf is what a path takes, beside OPTIONS; of one that does not exist, what
// the API has.
func methodsOf(s surface) string {
	switch s.service {
	case callModel, countTokens, notServed:
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

// takes says whether a path takes a method; methods are told apart by their letters' case.
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
