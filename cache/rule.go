package cache

import (
	"bytes"
	"slices"
	"time"

	"weir"
)

// Reason is why a request has nothing to do with stored answers. It is a metric's label
// and the detail of Cache-Status.
type Reason string

// The body.
const (
	Unreadable Reason = "body"      // it is no JSON that all readers read alike
	Duplicate  Reason = "duplicate" // an object has two members of the same name
	Number     Reason = "number"    // a number is not exact as a double
)

// The rules.
const (
	Operation   Reason = "operation"   // the operation's answers are not stored
	Temperature Reason = "temperature" // answers vary: above 0, or not stated
	Tools       Reason = "tools"       // it may call tools
	Stored      Reason = "stored"      // its server stores the answer
	State       Reason = "state"       // it continues what a server stores, or runs in the background
	Audio       Reason = "audio"
	NoLife      Reason = "ttl"      // its rule says 0
	NoStore     Reason = "no-store" // the caller says so
	BadHeader   Reason = "header"   // a header of the caller cannot be read
)

// Policy says which answers of a model are stored, and for how long.
type Policy struct {
	TTL   time.Duration // of answers that no rule names
	Rules []Rule        // the first that fits counts

	Shared    bool   // all tenants share the entries
	Version   string // of the model: another one finds nothing of the one before
	Normalise bool   // see appendNormal

	// Also cached, which is not by default.
	AnyTemperature bool
	Tools          bool
	Stored         bool // the replayed answer has the ID of the first one, which its server knows

	SingleFlight bool
}

// Rule is the TTL of a workload. Each part that is given must fit.
type Rule struct {
	Ops      []weir.Op // nil: any
	Tag      string    // one of the request's tags
	Class    *weir.Class
	Contains []byte // in the canonical body: part of a prompt that all its requests have
	Exact    []byte // nil, or the same where texts are not normalised: a raw prompt, code
	TTL      time.Duration
}

// Asked is one request, as far as the rules look at it.
type Asked struct {
	Op    weir.Op
	Class weir.Class
	Tags  []string
	Body  *Body
}

// ttl is that of the first rule that fits, else of the model.
func (p *Policy) ttl(a *Asked) time.Duration {
	for i := range p.Rules {
		if p.Rules[i].fits(a) {
			return p.Rules[i].TTL
		}
	}
	return p.TTL
}

func (r *Rule) fits(a *Asked) bool {
	return (r.Ops == nil || slices.Contains(r.Ops, a.Op)) && (r.Tag == "" || slices.Contains(a.Tags, r.Tag)) &&
		(r.Class == nil || *r.Class == a.Class) && (r.Contains == nil || bytes.Contains(a.Body.Canonical, r.Contains) || r.Exact != nil && bytes.Contains(a.Body.Canonical, r.Exact))
}

// Judge returns how long an answer to a request would be fresh, or why none is stored.
func (p *Policy) Judge(a *Asked) (time.Duration, Reason) {
	f := &a.Body.Facts
	answers := a.Op != weir.OpEmbeddings
	switch {
	case a.Op == weir.OpInfer:
		return 0, Operation
	case f.Audio:
		return 0, Audio
	case f.Continues, f.Background:
		return 0, State
	case answers && f.Temperature && !p.AnyTemperature:
		return 0, Temperature
	case f.Tools && !p.Tools:
		return 0, Tools
	case a.Op == weir.OpResponses && f.Stored && !p.Stored:
		return 0, Stored
	}
	ttl := p.ttl(a)
	if ttl <= 0 {
		return 0, NoLife
	}
	return ttl, ""
}

// QuoteContains is a text as it stands inside a canonical body, for Rule.Contains; nil for
// no text.
func QuoteContains(text string, normalise bool) []byte {
	if text == "" {
		return nil
	}
	b := []byte(text)
	if normalise {
		b = appendNormal(nil, b)
	}
	q := appendQuoted(nil, b)
	return q[1 : len(q)-1]
}
