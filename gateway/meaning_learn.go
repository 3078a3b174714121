package gateway

import (
	"context"
	"time"

	"weir"
	"weir/cache"
	"weir/cache/meaning"
	"weir/upstream"
)

// maxComparing bounds the comparisons of answers under way, and comparesWithin each one's
// time. A comparison that has no room is not made: its evidence is lost, and no request
// waits for it.
const (
	maxComparing   = 16
	comparesWithin = 30 * time.Second
)

// learn takes the model's answer to a request that has just been stored. If it was near to
// a prompt the two answers are compared. If it was not, or they differ, it becomes a prompt
// itself; else the one that is there stands for both, and its evidence grows.
func (c *call) learn(e *cache.Entry) {
	n := c.look.near
	if n == nil {
		return
	}
	g := c.g
	n.key = c.look.key
	if n.entry == nil {
		g.meanings.in(n.add)
		return
	}
	n.told = true
	was, is := wordsOf(c.s.do, n.entry), wordsOf(c.s.do, e)
	switch meaning.Compare(was, is) {
	case meaning.Equal:
		g.learned(n, true)
	case meaning.Different:
		g.learned(n, false)
	default:
		g.compare(n, was, is)
	}
}

func wordsOf(do *upstream.Operation, e *cache.Entry) string {
	return string(do.Format.Text(nil, e.Body))
}

func (g *Gateway) learned(n *near, right bool) {
	g.meanings.in(func(s *meaning.Space) {
		if s.Learn(n.match, n.verdict, n.of.terms(), right); !right {
			n.add(s)
		}
	})
}

func (n *near) add(s *meaning.Space) { s.Add(n.circle, n.pool, n.vector, n.key) }

// compare asks models whether two answers are the same, after the request has ended.
func (g *Gateway) compare(n *near, was, is string) {
	m := &g.meanings
	room := false
	m.in(func(s *meaning.Space) {
		if room = m.comparing < maxComparing; room {
			m.comparing++
		} else {
			s.Tally(n.pool).Undone++
		}
	})
	if !room {
		return
	}
	g.copies.Go(func() {
		ctx, cancel := context.WithTimeout(g.copying, comparesWithin)
		defer cancel()
		right, made := g.same(ctx, n, was, is)
		if made {
			g.learned(n, right)
		}
		m.in(func(s *meaning.Space) {
			if m.comparing--; !made {
				s.Tally(n.pool).Undone++
			}
		})
	})
}

// same says whether two answers are the same. What is too long to be compared is not.
// made is false if no model said.
func (g *Gateway) same(ctx context.Context, n *near, was, is string) (right, made bool) {
	if n.of.Judge != "" {
		if len(was)+len(is) > maxJudged {
			return false, true
		}
		return g.judgeAnswers(ctx, n, was, is)
	}
	if max(len(was), len(is)) > meaning.MaxText {
		return false, true
	}
	v := g.embed(ctx, n, weir.Batch, was, is)
	if len(v) != 2 {
		return false, false
	}
	return meaning.Cosine(v[0], v[1]) >= n.of.Alike, true
}
