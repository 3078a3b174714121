package meaning

// Terms are what the operator asks for.
type Terms struct {
	MaxError float64 // of the answers served, above 0
	Shadow   bool    // nothing is served: the model is always asked
}

// AuditShare is the share of requests that ask the model although the bound holds. Their
// answers show whether it still does.
const AuditShare = 0.05

// probation is how many answers near a prompt are compared before the evidence of others
// counts for it.
const probation = 2

// Verdict says what is done with a request that has a Match.
type Verdict struct {
	Serve bool    // the stored answer is given; otherwise the model is asked, and Learn told
	Holds bool    // the bound does: it would be given but for an audit, or in the shadow
	Bound float64 // of the probability that the stored answer is wrong

	audit, pooled bool
	band          int
}

// Decide says whether a stored answer may be given. draw is a random number from 0 to 1,
// another for each request and independent of what it asks.
//
// The bound is that of the prompt's own comparisons in this band of similarity. As long as
// none of its answers was wrong, and after its probation, it may also be that of all
// prompts of the pool: then it is about a prompt of which no fault is known.
func (s *Space) Decide(m Match, t Terms, draw float64) Verdict {
	p := m.prompt
	v := Verdict{band: bandOf(m.Similarity), audit: draw < AuditShare}
	all := p.pool.counts[v.band].bound(t.MaxError)
	v.pooled = all <= t.MaxError
	v.Bound = p.own[v.band].bound(t.MaxError)
	if !p.wrong && p.seen >= probation {
		v.Bound = min(v.Bound, all)
	}
	v.Holds = v.Bound <= t.MaxError
	v.Serve = v.Holds && !v.audit && !t.Shadow
	p.pool.Near++
	return v
}

// Learn takes the comparison of a stored answer with the model's, for a request that was
// not served.
//
// The pool's counts must be of requests as they would be served, or they would tell of a
// better world: while all ask the model, a bad prompt shows at its first wrong answer,
// and once answers are served only at the next audit. So a prompt leaves the pool's
// counts only by what an audit or its probation shows, at any time, and where the pool's
// bound holds only audits count.
func (s *Space) Learn(m Match, v Verdict, t Terms, right bool) {
	p := m.prompt
	tested := p.seen < probation || v.audit
	if !p.out && p.seen >= probation && (!v.pooled || v.audit || t.Shadow) {
		p.pool.counts[v.band].learn(right)
	}
	p.own[v.band].learn(right)
	p.seen++
	if !right {
		p.wrong = true
		p.out = p.out || tested
	}
	of := &p.pool.Tally
	of.Compared.add(right)
	if v.Holds {
		of.Audited.add(right)
	}
}
