package gateway

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"

	"weir"
	"weir/cache"
	"weir/cache/meaning"
)

// Meaning gives stored answers of a model to requests that ask the same in other words,
// once there is evidence that they are right. See package meaning.
type Meaning struct {
	Embed    string        // the model that embeds, by name
	Judge    string        // the model that compares two answers; "": their embeddings do
	MaxError float64       // of the answers served, the share that may be wrong; 0 to 1
	Shadow   bool          // nothing is served; the evidence is gathered all the same
	Within   time.Duration // what the embedding may add to a request; 0: 100 ms
	Alike    float64       // cosine from which two answers count as the same; 0: 0.95
}

func (m *Meaning) withDefaults() *Meaning {
	if m == nil {
		return nil
	}
	d := *m
	orElse(&d.Within, 100*time.Millisecond)
	if d.Alike <= 0 {
		d.Alike = 0.95
	}
	return &d
}

func (m *Meaning) terms() meaning.Terms {
	return meaning.Terms{MaxError: m.MaxError, Shadow: m.Shadow}
}

// meaning faults a Meaning that cannot work.
func (v *validator) meaning(m *Model) {
	p := m.Meaning
	if p == nil {
		return
	}
	if m.Cache == nil {
		v.fault("model %q has a Meaning and no Cache: there are no stored answers to give", m.Name)
	}
	if p.Embed == m.Name || !v.models[p.Embed] {
		v.fault("model %q is embedded by %q; that must be another configured model", m.Name, p.Embed)
	}
	if p.Judge != "" && !v.models[p.Judge] {
		v.fault("model %q is judged by %q, which is not configured", m.Name, p.Judge)
	}
	if !(p.MaxError > 0 && p.MaxError < 1) || !(p.Alike >= 0 && p.Alike <= 1) || p.Within < 0 {
		v.fault("model %q: a Meaning has a MaxError between 0 and 1, an Alike of 0 to 1 and a Within that is not negative", m.Name)
	}
}

// meanings is the evidence of all models, behind its lock.
type meanings struct {
	mu        sync.Mutex
	space     *meaning.Space
	comparing int            // comparisons under way
	draw      func() float64 // a random number from 0 to 1
}

func (m *meanings) open(bytes int) {
	if bytes <= 0 {
		bytes = 64 << 20
	}
	m.space, m.draw = meaning.New(bytes), rand.Float64
}

// in runs f with the space, under the lock.
func (m *meanings) in(f func(*meaning.Space)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	f(m.space)
}

// Meanings returns what came of requests in other words, for each model that has them.
func (g *Gateway) Meanings() []meaning.Figures {
	figures := []meaning.Figures{}
	var rows []meaning.Row
	g.meanings.in(func(s *meaning.Space) { rows = s.Report() })
	models := g.state.Load().models
	for i := range rows {
		f := rows[i].Figures()
		if m := models[f.Model]; m != nil && m.meaning != nil {
			f.MaxError, f.Shadow = m.meaning.MaxError, m.meaning.Shadow
		}
		figures = append(figures, f)
	}
	return figures
}

// near is what the gateway knows of the meaning of a request's words.
type near struct {
	of      *Meaning
	circle  meaning.Circle
	pool    meaning.Pool
	vector  meaning.Vector
	match   meaning.Match
	verdict meaning.Verdict
	entry   *cache.Entry // the answer of match; nil: nothing is near
	key     cache.Key    // of its own answer
}

// byMeaning looks for the stored answer of a request in other words. over: the request has
// been answered.
//
// A tenant gets only answers to its own requests, even where equal requests of all
// tenants share: what one asks in other words tells the other more than that it was asked.
func (c *call) byMeaning(p *Meaning) (over bool, err error) {
	l, rec, m := c.look, &c.booking.rec, &c.g.meanings
	n := &near{of: p, pool: meaning.Pool{Tenant: rec.Tenant, Model: rec.Model, Version: l.scope.Version}}
	text, ok := n.read(l, rec)
	if ok {
		n.vector = c.embedWithin(n, text)
	}
	m.in(func(s *meaning.Space) {
		t := s.Tally(n.pool)
		switch {
		case !ok:
			t.Unread++
		case n.vector == nil:
			t.Late++
		default:
			t.Looked++
			n.match, ok = s.Nearest(n.circle, n.vector)
		}
	})
	if n.vector == nil {
		return false, nil
	}
	if l.near = n; !ok {
		return false, nil
	}
	now := c.g.now()
	e := c.g.answers.Get(c.x.ctx(), n.match.Key, now)
	if e == nil {
		m.in(func(s *meaning.Space) { s.Forget(n.match) })
		return false, nil
	}
	if !l.accepts(c.g.answers, e, now) {
		return false, nil
	}
	n.entry = e
	m.in(func(s *meaning.Space) { n.verdict = s.Decide(n.match, p.terms(), m.draw()) })
	if !n.verdict.Serve {
		return false, nil
	}
	if err = c.hit(e, cache.Meaning); err == nil {
		m.in(func(s *meaning.Space) {
			t := s.Tally(n.pool)
			t.Served, t.Expected, t.Saved = t.Served+1, t.Expected+n.verdict.Bound, t.Saved+e.Cost
		})
	}
	return true, err
}

// read finds the words that are compared. Tools make an answer more than its words, and a
// response that its server keeps stands for the very request it answered.
func (n *near) read(l *lookup, rec *weir.Record) (text string, ok bool) {
	if f := &l.body.Facts; f.Tools || f.Stored && rec.Op == weir.OpResponses {
		return "", false
	}
	turn, ok := meaning.TurnOf(rec.Op, l.body.Canonical)
	if !ok {
		return "", false
	}
	scope := l.scope
	scope.Tenant = rec.Tenant
	n.circle, ok = meaning.CircleOf(&scope, &turn, n.of.Embed)
	return turn.Text, ok
}

// embedWithin embeds a text in the time that a request may lose by it; nil: it took longer,
// or failed.
func (c *call) embedWithin(n *near, text string) meaning.Vector {
	ctx, cancel := context.WithTimeout(c.x.ctx(), n.of.Within)
	defer cancel()
	got := c.g.embed(ctx, n, weir.Interactive, text)
	if len(got) != 1 {
		return nil
	}
	return got[0]
}
