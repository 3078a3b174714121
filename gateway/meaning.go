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
	told    bool         // the verdict has come to something: it was served, or is compared
}

// byMeaning looks for the stored answer of a request in other words. over: the request has
// been answered.
//
// A tenant gets only answers to its own requests, even where equal requests of all
// tenants share: what one asks in other words tells the other more than that it was asked.
func (c *call) byMeaning(p *Meaning) (over bool, err error) {
	rec, m := &c.booking.rec, &c.g.meanings
	n := &near{of: p, pool: meaning.Pool{Tenant: rec.Tenant, Model: rec.Model, Version: c.look.scope.Version}}
	text, ok := n.read(c)
	if !ok {
		m.in(func(s *meaning.Space) { s.Tally(n.pool).Unread++ })
		return false, nil
	}
	// A caller over its limits must not have texts embedded at Weir's expense.
	if err := c.enterDoor(); err != nil {
		return false, err
	}
	if c.nearest(n, text); !n.verdict.Serve {
		return false, nil
	}
	if err = c.hit(n.entry, cache.Meaning); err == nil {
		n.told = true
		m.in(func(s *meaning.Space) {
			t := s.Tally(n.pool)
			t.Served, t.Expected, t.Saved = t.Served+1, t.Expected+n.verdict.Bound, t.Saved+n.entry.Cost
		})
	}
	return true, err
}

// nearest embeds a text and finds the stored answer near to it, and what is done with it.
func (c *call) nearest(n *near, text string) {
	m, l := &c.g.meanings, c.look
	if n.vector = c.embedWithin(n, text); n.vector == nil {
		m.in(func(s *meaning.Space) { s.Tally(n.pool).Late++ })
		return
	}
	l.near = n
	ok := false
	m.in(func(s *meaning.Space) {
		s.Tally(n.pool).Looked++
		n.match, ok = s.Nearest(n.circle, n.vector)
	})
	if !ok {
		return
	}
	now := c.g.now()
	e := c.g.answers.Get(c.x.ctx(), n.match.Key, now)
	switch {
	case e == nil:
		m.in(func(s *meaning.Space) { s.Forget(n.match) })
	case l.accepts(c.g.answers, e, now):
		n.entry = e
		m.in(func(s *meaning.Space) { n.verdict = s.Decide(n.match, n.of.terms(), m.draw()) })
	}
}

// untold counts a request that was near to a prompt and came to nothing: its caller has
// left, it failed, or its answer was not stored.
func (g *Gateway) untold(n *near) {
	if n.entry != nil && !n.told {
		g.meanings.in(func(s *meaning.Space) { s.Tally(n.pool).Undone++ })
	}
}

// read finds the words that are compared. Tools make an answer more than its words, and a
// response that its server keeps stands for the very request it answered.
func (n *near) read(c *call) (text string, ok bool) {
	l, rec := c.look, &c.booking.rec
	if f := &l.body.Facts; f.Tools || f.Stored && rec.Op == weir.OpResponses {
		return "", false
	}
	turn, ok := meaning.TurnOf(rec.Op, l.body.Canonical)
	if !ok {
		return "", false
	}
	scope := l.scope
	scope.Tenant = rec.Tenant
	n.circle, ok = meaning.CircleOf(&scope, &turn, c.st.embedderOf(n.of))
	return turn.Text, ok
}

// embedderOf names the model that embeds and its version: vectors of another one are never
// compared with its vectors.
func (st *state) embedderOf(p *Meaning) string {
	version := ""
	if s := st.models[p.Embed]; s != nil && s.cache != nil {
		version = s.cache.Version
	} else if s != nil && s.vectors != nil {
		version = s.vectors.Version
	}
	return p.Embed + "\x00" + version
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
