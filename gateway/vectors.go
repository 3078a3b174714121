package gateway

import (
	"context"
	"strconv"
	"strings"

	"weir/cache"
	"weir/embed"
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
