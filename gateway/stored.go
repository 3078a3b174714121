package gateway

import (
	"context"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"time"

	"weir"
	"weir/cache"
	"weir/dispatch"
	"weir/meter"
)

// Answers keeps stored answers. It is used from many goroutines.
type Answers interface {
	// Get returns the entry of a key that is neither purged nor too old; nil: there is
	// none. It may wait for a server that all gateways share, but not for long.
	Get(ctx context.Context, k cache.Key, now weir.Instant) *cache.Entry
	// Put stores an entry. It does not wait.
	Put(k cache.Key, e *cache.Entry)
	// Await makes this gateway the one of several that asks for a key, until Put or Release.
	// While another one asks it waits for that answer, at most for the time given. nil:
	// this one asks.
	Await(ctx context.Context, k cache.Key, most time.Duration) *cache.Entry
	// Release says that no answer to a key comes of this gateway's request.
	Release(k cache.Key)
	// Generation is for new entries: a purge that comes later ends them.
	Generation() cache.Generation
	// Live says whether an answer of that generation has not been purged.
	Live(at cache.Generation, of *cache.Origin) bool
	// MostBody is the largest body of an entry, in bytes.
	MostBody() int
}

// caches says whether a model stores answers.
func (c *Config) caches() bool {
	for i := range c.Models {
		if c.Models[i].Cache != nil {
			return true
		}
	}
	return false
}

// lookup is a request's search for a stored answer, and what is needed to store its own.
type lookup struct {
	asked   cache.Asked
	body    cache.Body
	control cache.Control
	scope   cache.Scope
	of      cache.Origin
	key     cache.Key
	status  cache.Status
	ttl     time.Duration
	at      cache.Generation
	headers [len(changing)]string
	near    *near  // what its words are near to; nil: they were not embedded
	out     []byte // memory for a replayed answer
}

var lookups = sync.Pool{New: func() any { return new(lookup) }}

// maxLookup bounds the memory that a lookup keeps for the next one, in bytes.
const maxLookup = 256 << 10

func (l *lookup) free() {
	if l == nil || cap(l.out)+cap(l.body.Canonical) > maxLookup {
		return
	}
	body, out := l.body, l.out[:0]
	*l = lookup{body: body, out: out}
	lookups.Put(l)
}

// changing are the headers that change an answer.
var changing = [...]string{"Anthropic-Version", "Anthropic-Beta", "Openai-Beta"}

// lookUp looks for a stored answer, or one that is on its way to another caller. over:
// the request has been answered.
func (c *call) lookUp() (over bool, err error) {
	l, p := lookups.Get().(*lookup), c.booking.served.cache
	c.look = l
	if why := l.read(c, p); why != "" {
		l.status = cache.Status{Result: cache.Bypass, Why: why}
		c.sayCache()
		return false, c.onlyIfCached()
	}
	l.status = cache.Status{Result: cache.Miss, Forced: l.control.NoCache, Key: l.key}
	l.at = c.g.answers.Generation()
	if !l.control.NoCache {
		now := c.g.now()
		if e := c.g.answers.Get(c.x.ctx(), l.key, now); e != nil {
			if l.accepts(c.g.answers, e, now) {
				return true, c.hit(e, cache.Hit)
			}
			l.status.Stale = true
		}
	}
	if err := c.onlyIfCached(); err != nil {
		c.sayCache()
		return false, err
	}
	if byMeaning := c.booking.served.meaning; byMeaning != nil && !l.control.NoCache && c.booking.rec.Tenant != OwnAccount {
		if over, err := c.byMeaning(byMeaning); over || err != nil {
			return over, err
		}
	}
	if p.SingleFlight && !l.control.NoCache {
		return c.join()
	}
	c.sayCache()
	c.x.tee = &transcript{c: c, began: c.g.now()}
	return false, nil
}

// accepts says whether an entry is fresh for this request. Another may have stored it,
// with other tags: by another rule, and without the names that a purge has ended.
func (l *lookup) accepts(in Answers, e *cache.Entry, now weir.Instant) bool {
	age := e.Age(now)
	return age < l.ttl && (!l.control.HasMaxAge || age <= l.control.MaxAge) && in.Live(e.Generation, &l.of)
}

// read finds the request's key and the life of its answer, or why it has none.
func (l *lookup) read(c *call, p *cache.Policy) cache.Reason {
	l.control = cache.ParseControl(c.x.all("Cache-Control"))
	if l.control.NoStore {
		return cache.NoStore
	}
	rec := &c.booking.rec
	namespace := c.x.get("X-Weir-Cache-Namespace")
	tags, ok := cache.Names(strings.Join(c.x.all("X-Weir-Cache-Tags"), ","))
	if !ok || !cache.Named(namespace) {
		return cache.BadHeader
	}
	if c.pinned() || !c.s.do.Counted() {
		return cache.State
	}
	if why := l.body.Read(c.body, p.Normalise); why != "" {
		return why
	}
	l.asked = cache.Asked{Op: rec.Op, Class: rec.Class, Tags: tags, Body: &l.body}
	var why cache.Reason
	if l.ttl, why = p.Judge(&l.asked); why != "" {
		return why
	}
	for i, name := range changing {
		l.headers[i] = strings.Join(c.x.all(name), "\n")
	}
	l.of = cache.Origin{Tenant: rec.Tenant, Model: rec.Model, Namespace: namespace, Tags: tags}
	l.scope = cache.Scope{Tenant: rec.Tenant, Namespace: namespace, Model: rec.Model, Version: p.Version, Op: rec.Op, Headers: l.headers[:]}
	if p.Shared {
		l.scope.Tenant = ""
	}
	l.key = cache.KeyOf(&l.scope, l.body.Canonical)
	return ""
}

// onlyIfCached is the refusal of a caller that wants a stored answer or none.
func (c *call) onlyIfCached() error {
	if !c.look.control.OnlyIfCached {
		return nil
	}
	return errNotStored
}

// sayCache sets the headers that say how the request met stored answers, and notes it in
// the Record.
func (c *call) sayCache() {
	s := &c.look.status
	c.x.set("X-Weir-Cache", string(s.Result))
	c.x.set("Cache-Status", s.Text())
	c.booking.rec.Cache, c.booking.rec.CacheReason = string(s.Result), string(s.Why)
}

// reserveNothing counts the request in its limits, without tokens.
func (c *call) reserveNothing() error {
	b, s := &c.booking, &c.g.spend
	b.who = meter.Who{Tenant: b.rec.Tenant, Key: b.rec.Key, Model: b.rec.Model, Class: b.rec.Class}
	s.mu.Lock()
	defer s.mu.Unlock()
	b.leaveDoor()
	r, refusal := s.meter.Claim(c.g.now(), b.who, meter.Claim{})
	s.feed()
	if refusal != nil {
		return ofRefusal(refusal)
	}
	b.reservation, b.free, b.holds = r, true, b.holds|holdsTokens
	return nil
}

// hit answers with a stored answer.
func (c *call) hit(e *cache.Entry, how cache.Result) error {
	if err := c.reserveNothing(); err != nil {
		return err
	}
	return c.replay(e, how)
}

// replay writes a stored answer, as a stream if the caller wants one. The request is
// counted already.
func (c *call) replay(e *cache.Entry, how cache.Result) error {
	l, now, rec := c.look, c.g.now(), &c.booking.rec
	l.status.Result, l.status.TTL = how, max(min(e.TTL, l.ttl)-e.Age(now), 0)
	c.x.claim()
	c.sayCache()
	if how != cache.Coalesced {
		c.x.set("Age", strconv.FormatInt(int64(e.Age(now)/time.Second), 10))
	}
	rec.Saved, rec.SavedTokens = e.Cost, e.Usage.Prompt+e.Usage.Completion
	r := cache.Replay{Model: c.asked, Now: now, Random: rand.Uint64(), KeepID: c.booking.served.cache.Stored && c.s.do.Kept}
	l.out = r.Append(l.out[:0], e)
	shown, size := l.out, int64(len(l.out))
	if c.ask.stream && c.s.do.Streams {
		shown, size = c.s.do.AsStream(l.out, c.ask.wantsUsage), -1
		c.x.set("Content-Type", "text/event-stream")
		c.x.set("Cache-Control", "no-cache")
		c.streaming = true
	} else {
		c.x.set("Content-Type", "application/json")
	}
	rec.TTFT = now.Sub(rec.Arrived)
	c.booking.release(dispatch.OK)
	c.x.start(200, size)
	err := c.x.send(shown)
	if err == nil && c.streaming {
		err = c.x.flush()
	}
	if err != nil {
		return c.unread(err).problem
	}
	c.finished = true
	return nil
}
