package meaning

import (
	"cmp"
	"math"
	"slices"

	"weir/cache"
)

// Vector is an embedding. Those of one circle have the same length.
type Vector []float32

// Unit is the vector with length 1; nil if it has no direction, or more than MaxDims parts.
func (v Vector) Unit() Vector {
	if len(v) > MaxDims {
		return nil
	}
	sum := 0.0
	for _, x := range v {
		sum += float64(x) * float64(x)
	}
	if length := math.Sqrt(sum); length > 0 && !math.IsInf(length, 0) && !math.IsNaN(length) {
		u := make(Vector, len(v))
		for i, x := range v {
			u[i] = float32(float64(x) / length)
		}
		return u
	}
	return nil
}

// Cosine is the similarity of two unit vectors, at most 1; -1 if their lengths differ.
func Cosine(a, b Vector) float64 {
	if len(a) != len(b) {
		return -1
	}
	var s0, s1, s2, s3 float32 // four sums: the processor adds them side by side
	i := 0
	for ; i+4 <= len(a); i += 4 {
		x, y := a[i:i+4:i+4], b[i:i+4:i+4]
		s0, s1, s2, s3 = s0+x[0]*y[0], s1+x[1]*y[1], s2+x[2]*y[2], s3+x[3]*y[3]
	}
	for ; i < len(a); i++ {
		s0 += a[i] * b[i]
	}
	return min(float64(s0+s1+s2+s3), 1)
}

// The bounds of a Space.
const (
	MaxDims  = 4096    // of a vector
	maxScan  = 1 << 20 // products that one look-up takes in its circle: under a millisecond
	minScan  = 256     // products that a prompt counts as at least, however short its vector is
	maxPools = 10_000  // tenants' models that are counted
)

// Space holds the stored prompts. It is not safe for concurrent use.
type Space struct {
	most    int // bytes
	bytes   int
	circles map[Circle]*circle
	pools   map[Pool]*pool
	ring    prompt // of all prompts: next is the one that was used last
	uses    uint64
	prompts int
}

type circle struct{ prompts []*prompt }

// prompt is a stored prompt and what came of comparing with it: its neighbourhood.
type prompt struct {
	key    cache.Key
	vector Vector
	at     Circle
	pool   *pool
	own    [len(bands)]evidence
	seen   int
	wrong  bool // an answer was wrong: it needs a bound of its own
	out    bool // the pool counts it no more: see learn

	used       uint64 // higher: later
	prev, next *prompt
}

// promptSize is a prompt without its vector, with its place in the maps.
const promptSize = 512

func (p *prompt) size() int { return promptSize + 4*len(p.vector) }

// New makes a Space of at most that many bytes.
func New(bytes int) *Space {
	s := &Space{most: bytes, circles: map[Circle]*circle{}, pools: map[Pool]*pool{}}
	s.ring.prev, s.ring.next = &s.ring, &s.ring
	return s
}

// Match is the stored prompt nearest to a request.
type Match struct {
	Key        cache.Key // of its answer
	Similarity float64
	prompt     *prompt
}

// Nearest finds the stored prompt nearest to a unit vector, at least Floor near. The first
// stored of equals.
func (s *Space) Nearest(at Circle, v Vector) (m Match, ok bool) {
	c := s.circles[at]
	if c == nil {
		return Match{}, false
	}
	for _, p := range c.prompts {
		if near := Cosine(v, p.vector); near >= Floor && near > m.Similarity {
			m = Match{p.key, near, p}
		}
	}
	if m.prompt == nil {
		return Match{}, false
	}
	s.unlink(m.prompt)
	s.link(m.prompt)
	return m, true
}

// Add stores a prompt with its unit vector and the key of its answer. What was not used
// for longest goes if there is no room, in its circle or in all.
func (s *Space) Add(at Circle, of Pool, v Vector, k cache.Key) {
	c, in := s.circles[at], s.poolOf(of)
	if v == nil || in == nil {
		return
	}
	if c == nil {
		c = &circle{}
		s.circles[at] = c
	}
	if slices.ContainsFunc(c.prompts, func(p *prompt) bool { return p.key == k }) {
		return
	}
	p := &prompt{key: k, vector: v, at: at, pool: in}
	c.prompts = append(c.prompts, p)
	s.link(p)
	s.bytes += p.size()
	s.prompts++
	in.prompts++
	if len(c.prompts)*max(len(v), minScan) > maxScan {
		s.drop(slices.MinFunc(c.prompts, func(a, b *prompt) int { return cmp.Compare(a.used, b.used) }))
	}
	for s.bytes > s.most && s.ring.prev != &s.ring {
		s.drop(s.ring.prev)
	}
}

// Forget drops a prompt whose answer is no longer stored.
func (s *Space) Forget(m Match) { s.drop(m.prompt) }

func (s *Space) drop(p *prompt) {
	if p.next == nil {
		return // dropped already
	}
	c := s.circles[p.at]
	c.prompts = slices.DeleteFunc(c.prompts, func(o *prompt) bool { return o == p })
	if len(c.prompts) == 0 {
		delete(s.circles, p.at)
	}
	s.unlink(p)
	s.bytes -= p.size()
	s.prompts--
	p.pool.prompts--
}

func (s *Space) link(p *prompt) {
	p.prev, p.next = &s.ring, s.ring.next
	p.prev.next, p.next.prev = p, p
	s.uses++
	p.used = s.uses
}

func (s *Space) unlink(p *prompt) {
	p.prev.next, p.next.prev = p.next, p.prev
	p.prev, p.next = nil, nil
}

// Pool names what is counted together: one tenant's requests to one model ("" as tenant:
// all tenants share).
type Pool struct{ Tenant, Model, Version string }

func comparePools(a, b Pool) int {
	return cmp.Or(cmp.Compare(a.Model, b.Model), cmp.Compare(a.Tenant, b.Tenant), cmp.Compare(a.Version, b.Version))
}

type pool struct {
	Tally
	counts  [len(bands)]evidence
	prompts int
}

// poolOf is nil if there are too many.
func (s *Space) poolOf(of Pool) *pool {
	p := s.pools[of]
	if p == nil && len(s.pools) < maxPools {
		p = &pool{}
		s.pools[of] = p
	}
	return p
}
