// Package cheaper decides which requests to a model are tried on a smaller one, and
// whether the smaller one's answer is good enough to be given.
//
// It knows no model, price or server, and sends nothing: it is told what a request is and
// what the small model answered. Its promise: an answer is accepted only if every check
// that its request allows has passed. It cannot tell whether an answer is true.
package cheaper

import (
	"slices"

	"weir"
)

// Policy says which requests to a model are tried on a smaller one.
type Policy struct {
	Rules   []Rule // the first that fits counts; none fits: the request is not tried
	Cascade Cascade
}

// How a request is tried.
type How uint8

const (
	Cascaded How = iota // the small model is asked first, and its answer judged
	Moved               // the small model serves it, whatever it answers
)

// Rule is a kind of request. It fits a request that has every part given.
type Rule struct {
	How       How
	Share     float64     // of the requests that fit, 0 to 1
	Class     *weir.Class // nil: any
	Tag       string      // one of the request's tags; "": any
	MaxPrompt int         // tokens, estimated; 0: any
	Tools     bool        // also requests that offer tools
}

// Request is what a rule looks at.
type Request struct {
	Class  weir.Class
	Tags   []string
	Prompt int // tokens, estimated
	Tools  bool
}

// Fits returns the place of the first rule that fits a request, -1 if none does.
func (p *Policy) Fits(r *Request) int {
	return slices.IndexFunc(p.Rules, func(u Rule) bool {
		return (u.Class == nil || *u.Class == r.Class) && (u.Tag == "" || slices.Contains(r.Tags, u.Tag)) &&
			(u.MaxPrompt == 0 || r.Prompt <= u.MaxPrompt) && (u.Tools || !r.Tools)
	})
}

// Picks says whether the nth request that fits a rule, from 1, is tried: of any n it picks
// n*Share, give or take one.
func (u *Rule) Picks(n uint64) bool {
	return uint64(float64(n)*u.Share) > uint64(float64(n-1)*u.Share)
}

// Reads says whether the answers to an operation can be judged. Those of the Responses API
// cannot be told from its servers' stored state.
func Reads(op weir.Op) bool {
	return op == weir.OpChat || op == weir.OpCompletions || op == weir.OpMessages
}
