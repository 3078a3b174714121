package gateway

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"weir"
	"weir/cache"
	"weir/dispatch"
	"weir/embed"
	"weir/upstream"
)

// Vectors keeps embeddings by what they were made of. It is used from many goroutines.
type Vectors interface {
	// Get fills into[i] with the vector of keys[i] where into[i] has none. It may read a
	// disk, but waits for no other request.
	Get(ctx context.Context, keys []cache.Key, into []embed.Vector)
	// Put stores vectors. It keeps their memory, and does not wait.
	Put(keys []cache.Key, vectors []embed.Vector)
	// Forget drops vectors.
	Forget(keys []cache.Key)
}

// VectorPolicy says which of a model's embeddings are stored.
type VectorPolicy struct {
	Shared  bool   // all tenants share the vectors
	Version string // of the model: another one finds nothing of the one before
}

// storesVectors says whether a model stores embeddings.
func (c *Config) storesVectors() bool {
	for i := range c.Models {
		if c.Models[i].Vectors != nil {
			return true
		}
	}
	return false
}

// vectorSearch is a request's search for stored vectors. Texts that are missing are asked
// for in one shorter request; the answer is put together of both.
type vectorSearch struct {
	read    embed.Request
	vectors []embed.Vector // of the request's items; Data is nil for those to be asked for
	ask     []int          // one item of each text that is missing
	order   []int          // place in ask, of each item that is missing
	places  map[cache.Key]int
	cut     bool // the request was made shorter
	stored  int64
	status  cache.Status
	claimed []claimKey
	claim   *claim
	keys    []cache.Key
}

// claimKey is what is being asked for. A caller does not wait in the queue of another
// class.
type claimKey struct {
	cache.Key
	class weir.Class
}

// claim is a request under way that asks for some texts.
type claim struct{ over chan struct{} }

// claims are the texts that are being asked for.
type claims struct {
	mu sync.Mutex
	of map[claimKey]*claim
}

// maxVectorsAnswer bounds an answer with vectors that is held whole, in bytes: about 2,048
// vectors of 1,536 numbers.
const maxVectorsAnswer = 64 << 20

// maxVectorWaits is how often a request waits for others that ask for the same texts,
// before it asks itself.
const maxVectorWaits = 2

// findVectors answers an embeddings request from stored vectors, or makes it shorter. over:
// it has been answered.
func (c *call) findVectors() (over bool, err error) {
	v := &vectorSearch{}
	if why := v.begin(c); why != "" {
		v.status = cache.Status{Result: cache.Bypass, Why: why}
		v.say(c)
		return false, nil
	}
	control := cache.ParseControl(c.x.all("Cache-Control"))
	forced := control.NoCache || control.HasMaxAge
	v.status = cache.Status{Result: cache.Miss, Forced: forced, Key: v.read.Keys[0]}
	c.vectors = v
	how := cache.Hit
	for waits := 0; !forced; waits++ {
		v.look(c)
		if v.missing() == 0 {
			return true, c.tellVectors(v, how)
		}
		if control.OnlyIfCached {
			v.say(c)
			return false, errNotStored
		}
		wait := c.g.claims.take(v, c.booking.rec.Class, waits >= maxVectorWaits)
		if wait == nil {
			break
		}
		how = cache.Coalesced
		select {
		case <-wait.over:
		case <-c.x.ctx().Done():
			return false, gone(c.x.ctx())
		}
	}
	if !forced && v.claim != nil { // another may have ended between the search and the claim
		v.look(c)
	}
	if v.missing() == 0 {
		c.g.claims.drop(v)
		return true, c.tellVectors(v, how)
	}
	return false, v.shorten(c)
}

// begin reads the request, or says why its vectors are not stored.
func (v *vectorSearch) begin(c *call) cache.Reason {
	control := cache.ParseControl(c.x.all("Cache-Control"))
	namespace := c.x.get("X-Weir-Cache-Namespace")
	p, rec := c.booking.served.vectors, &c.booking.rec
	switch {
	case control.NoStore:
		return cache.NoStore
	case !cache.Named(namespace):
		return cache.BadHeader
	}
	var headers [len(changing)]string
	for i, name := range changing {
		headers[i] = strings.Join(c.x.all(name), "\n")
	}
	scope := cache.Scope{Tenant: rec.Tenant, Namespace: namespace, Model: rec.Model, Version: p.Version, Op: rec.Op, Headers: headers[:]}
	if p.Shared {
		scope.Tenant = ""
	}
	if why := v.read.Read(c.body, &scope); why != "" {
		return why
	}
	v.vectors = make([]embed.Vector, len(v.read.Items))
	return ""
}

// look fills in the vectors that are stored. Those of two lengths are of two models: then
// all are dropped, and asked for again.
func (v *vectorSearch) look(c *call) {
	c.g.vectors.Get(c.x.ctx(), v.read.Keys, v.vectors)
	dims := 0
	for i := range v.vectors {
		n := len(v.vectors[i].Data)
		if n != 0 && dims != 0 && n != dims {
			c.g.vectors.Forget(v.read.Keys)
			clear(v.vectors)
			return
		}
		dims = max(dims, n)
	}
}

// missing lists one item of each text that is to be asked for.
func (v *vectorSearch) missing() int {
	v.ask, v.order, v.places = v.ask[:0], v.order[:0], map[cache.Key]int{}
	v.stored = 0
	for i := range v.vectors {
		if v.vectors[i].Data != nil {
			v.stored += v.vectors[i].Tokens
			continue
		}
		k := v.read.Keys[i]
		at, known := v.places[k]
		if !known {
			at = len(v.ask)
			v.places[k] = at
			v.ask = append(v.ask, i)
		}
		v.order = append(v.order, at)
	}
	return len(v.ask)
}

// take claims the missing texts that no request asks for. If others ask for every one of them,
// it claims nothing and returns one of those to wait for: a request that waits holds no claim, so no
// two wait for each other.
func (all *claims) take(v *vectorSearch, class weir.Class, now bool) *claim {
	all.mu.Lock()
	defer all.mu.Unlock()
	var other *claim
	free := 0
	for k := range v.places {
		if x := all.of[claimKey{k, class}]; x != nil {
			other = x
			continue
		}
		free++
	}
	if free == 0 && !now {
		return other
	}
	if all.of == nil {
		all.of = map[claimKey]*claim{}
	}
	v.claim = &claim{over: make(chan struct{})}
	for k := range v.places {
		key := claimKey{k, class}
		if all.of[key] == nil {
			all.of[key] = v.claim
			v.claimed = append(v.claimed, key)
		}
	}
	return nil
}

// drop gives the claims back and wakes those that wait for them.
func (all *claims) drop(v *vectorSearch) {
	if v == nil || v.claim == nil {
		return
	}
	all.mu.Lock()
	for _, k := range v.claimed {
		delete(all.of, k)
	}
	all.mu.Unlock()
	close(v.claim.over)
	v.claim, v.claimed = nil, nil
}

// count is how many texts are claimed.
func (all *claims) count() int {
	all.mu.Lock()
	defer all.mu.Unlock()
	return len(all.of)
}

// shorten leaves out of the request what is stored, and what it says twice.
func (v *vectorSearch) shorten(c *call) (err error) {
	v.keys = v.keys[:0]
	for _, i := range v.ask {
		v.keys = append(v.keys, v.read.Keys[i])
	}
	if len(v.ask) < len(v.vectors) {
		v.cut = true
		if v.stored > 0 || len(v.order) < len(v.vectors) {
			v.status.Result = cache.Partial
		}
		c.body = v.read.Without(make([]byte, 0, len(c.body)), v.ask)
		if c.ask, err = readAsk(c.body); err != nil {
			return ofBody(err)
		}
		c.ask.readBy(c.s.do)
	}
	v.say(c)
	return nil
}

// say sets the headers that say how the request met stored vectors.
func (v *vectorSearch) say(c *call) {
	s := &v.status
	c.x.set("X-Weir-Cache", string(s.Result))
	c.x.set("Cache-Status", s.Text())
	if s.Result != cache.Bypass {
		v.sayCounts(c, v.stored)
	}
	c.booking.rec.Cache, c.booking.rec.CacheReason = string(s.Result), string(s.Why)
}

// sayCounts says what was stored. The tokens saved are those of the answer's usage that no
// model was asked for.
func (v *vectorSearch) sayCounts(c *call, saved int64) {
	b := append(make([]byte, 0, 64), "stored="...)
	b = strconv.AppendInt(b, int64(len(v.vectors)-len(v.order)), 10)
	b = strconv.AppendInt(append(b, ", asked="...), int64(len(v.ask)), 10)
	b = strconv.AppendInt(append(b, ", saved_tokens="...), saved, 10)
	c.x.set("X-Weir-Embeddings", string(b))
}

// tellVectors answers with stored vectors alone.
func (c *call) tellVectors(v *vectorSearch, how cache.Result) error {
	if err := c.reserveNothing(); err != nil {
		return err
	}
	rec := &c.booking.rec
	v.status.Result, v.status.TTL = how, neverExpires
	v.say(c)
	rec.SavedTokens = v.stored
	if first := c.booking.served.first; first != nil {
		rec.Saved = first.Rates.Cost(weir.Usage{Prompt: v.stored})
	}
	shown := c.vectorsAnswer(v, v.stored)
	c.x.set("Content-Type", "application/json")
	rec.TTFT = c.g.now().Sub(rec.Arrived)
	c.booking.release(dispatch.OK)
	c.x.start(200, int64(len(shown)))
	if err := c.x.send(shown); err != nil {
		return c.unread(err).problem
	}
	c.finished = true
	return nil
}

// neverExpires is the freshness that Cache-Status states: a year, the most that RFC 9111
// knows a use for.
const neverExpires = 365 * 24 * time.Hour

func (c *call) vectorsAnswer(v *vectorSearch, tokens int64) []byte {
	a := embed.Answer{Model: c.asked, Tokens: tokens, Base64: v.read.Base64, Vectors: v.vectors}
	size := 256 + len(v.vectors)*64
	for i := range v.vectors {
		size += 4 * len(v.vectors[i].Data)
	}
	return a.Append(make([]byte, 0, size))
}

// tookVectors takes the upstream's answer: it stores the new vectors and, if the request
// was made shorter, puts the whole answer together.
func (c *call) tookVectors(text, shown []byte, a *upstream.Answer) ([]byte, *failure) {
	v := c.vectors
	defer c.g.claims.drop(v)
	got, fault := embed.Vectors(text, len(v.ask))
	if fault != nil {
		if v.cut {
			return nil, v.unfit(fault)
		}
		return shown, nil
	}
	if !a.HasUsage {
		a.Usage = c.s.do.Estimate(c.body, nil)
	}
	v.shareOut(got, a)
	if f := v.sameLength(c, got); f != nil {
		return nil, f
	}
	c.g.vectors.Put(v.keys, got)
	if !v.cut {
		return shown, nil
	}
	next, tokens := 0, int64(0)
	for i := range v.vectors {
		if v.vectors[i].Data == nil {
			v.vectors[i] = got[v.order[next]]
			next++
		}
		tokens += v.vectors[i].Tokens
	}
	rec := &c.booking.rec
	rec.SavedTokens = max(tokens-a.Usage.Prompt, 0) // also of texts that are there twice
	v.sayCounts(c, rec.SavedTokens)
	if c.booking.target != nil {
		rec.Saved = c.booking.rates().Cost(weir.Usage{Prompt: rec.SavedTokens})
	}
	return c.vectorsAnswer(v, tokens), nil
}

// unfit is the failure of an answer that cannot be put together with stored vectors. A text
// of which no model makes a vector says nothing of the server's health.
func (v *vectorSearch) unfit(fault *embed.Fault) *failure {
	if fault.At < 0 {
		return &failure{problem: &problem{is: errGarbled, message: "the inference server's answer cannot be used: " + fault.Why}, result: dispatch.Unhealthy, retry: true}
	}
	return &failure{problem: &problem{is: errGarbled, message: fmt.Sprintf("the inference server's vector of input[%d] cannot be used: %s: send the request without this text",
		v.ask[fault.At], fault.Why)}, result: dispatch.Rejected}
}

// shareOut notes what part of the tokens each vector took.
func (v *vectorSearch) shareOut(got []embed.Vector, a *upstream.Answer) {
	sizes := make([]int, len(got))
	for n, i := range v.ask {
		sizes[n] = v.read.Size(i)
	}
	for n, tokens := range embed.Share(max(a.Usage.Prompt, 0), sizes) {
		got[n].Tokens = tokens
	}
}

// sameLength refuses to mix vectors of two models. Those stored are then of the one
// before, and are dropped: the next request gets all of them from the present one.
func (v *vectorSearch) sameLength(c *call, got []embed.Vector) *failure {
	for i := range v.vectors {
		if have := len(v.vectors[i].Data); have != 0 && len(got) > 0 && have != len(got[0].Data) {
			c.g.vectors.Forget(v.read.Keys)
			return &failure{problem: &problem{is: errGarbled, message: fmt.Sprintf("the model's vectors have %d numbers, those stored have %d, so the model has changed: send the request again, and give the model another embeddings.version",
				len(got[0].Data)/4, have/4)}, result: dispatch.Rejected}
		}
	}
	return nil
}

// mostWhole bounds an answer that is held whole before it is passed on.
func (c *call) mostWhole() int64 {
	if c.vectors != nil {
		return max(maxVectorsAnswer, int64(c.st.bounds.MaxAnswer))
	}
	return int64(c.st.bounds.MaxAnswer)
}

// tooManyVectors is the failure of an answer too large to be put together.
func (c *call) tooManyVectors() *failure {
	return &failure{problem: &problem{is: errGarbled, message: fmt.Sprintf("the inference server's answer is larger than the %d MiB up to which stored and new vectors are put together: send fewer texts in one request", maxVectorsAnswer>>20)},
		result: dispatch.Rejected}
}
