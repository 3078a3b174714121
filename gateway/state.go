package gateway

import (
	"crypto/sha256"
	"fmt"
	"hash/fnv"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"sync/atomic"
	"time"

	"weir"
	"weir/cache"
	"weir/dispatch"
	"weir/upstream"
)

// state is one configuration, ready to serve. A request keeps the one it began with,
// but its effects on models and deployments reach the current ones.
type state struct {
	bounds  Bounds
	proxies []netip.Prefix
	keys    map[[sha256.Size]byte]*key
	named   map[keyName]*key
	models  map[string]*served // by name and alias
	list    []*served          // in the order configured
	targets map[string]*target // by deployment name
	alone   bool               // there is only one tenant
	cors    *cors              // nil: no web page may call

	// users counts the holders that may still send over its connections. The gateway
	// itself is one until another configuration replaces this one.
	users atomic.Int64
}

// hold keeps the connections open until drop; false if they are already closed.
func (st *state) hold() bool {
	for {
		n := st.users.Load()
		if n == 0 {
			return false
		}
		if st.users.CompareAndSwap(n, n+1) {
			return true
		}
	}
}

// drop ends a hold. The last one closes the idle connections.
func (st *state) drop() {
	if st.users.Add(-1) == 0 {
		st.close()
	}
}

// present holds and returns the current configuration.
func (g *Gateway) present() *state {
	for {
		if st := g.state.Load(); st.hold() {
			return st
		}
	}
}

// served is a model in one configuration.
type served struct {
	*model
	slo         weir.SLO
	class       *weir.Class
	deployments []string // their names

	first   *target   // the preferred deployment
	shadows []*target // deployments that get copies
	context int       // the longest of the deployments with a weight
	picks   bool      // the request's content may matter: see needs

	trim       Trim
	spillAfter time.Duration // 0: derived from the SLO
	affinity   Affinity
	sticky     Sticky
	dialects   []upstream.Dialect // of its deployments
	cache      *cache.Policy      // nil: no answer is stored
	vectors    *VectorPolicy      // nil: no embedding is stored
	meaning    *Meaning           // nil: only requests that are the same get a stored answer
	cheaper    *Cheaper           // nil: no request is tried on a smaller model
	lacksAll   dispatch.Needs     // what no deployment supports, as declared
}

func (s *served) classOf(t *tenant) weir.Class {
	if s.class != nil {
		return *s.class
	}
	return t.class
}

// speaks says whether one of the model's deployments serves an operation.
func (s *served) speaks(op weir.Op) error {
	none := ""
	for _, d := range s.dialects {
		if d.Operation(op) != nil {
			return nil
		}
		none = max(none, d.Name())
	}
	return &problem{is: errNotSpoken, message: fmt.Sprintf("the model %q is served by %s servers, which do not support %s requests", s.name, none, op)}
}

// target is a deployment in one configuration.
type target struct {
	Deployment
	client        *upstream.Client
	model         *model
	upstreamModel string
	serves        string // the model whose limits count its usage
	names         modelNames
	asRoom        string        // its name with the reason Room
	limits        atomic.Uint64 // last stated by the provider: tokens and requests a minute
	silent        atomic.Bool   // its last whole stream reported no usage
	trouble       trouble
	gate          *mirrorGate // of a shadow
	onTrial       bool        // a canary, or the stable version it is compared with
}

// asksUsage says whether the gateway asks for usage in streams.
func (t *target) asksUsage(o *upstream.Operation) bool { return !t.NoStreamUsage && o.AsksUsage }

// newState makes a state from a valid configuration. Models of the current one are
// taken over with their queues and requests in flight; nothing of them changes before
// adopt.
func (g *Gateway) newState(c Config, present *state) (*state, error) {
	st := &state{bounds: c.Bounds.withDefaults(), proxies: c.TrustedProxies, cors: newCORS(&c), keys: map[[sha256.Size]byte]*key{}, named: map[keyName]*key{}, models: map[string]*served{}, targets: map[string]*target{}, alone: len(c.Tenants) == 1}
	st.users.Store(1)
	shares := sharesOf(c.Tenants)
	for i := range c.Models {
		if err := g.addModel(st, &c.Models[i], present, shares); err != nil {
			st.close()
			return nil, err
		}
	}
	for i := range c.Tenants {
		st.addTenant(&c.Tenants[i])
	}
	st.named[keyName{OwnAccount, ownKey}] = &key{name: ownKey, tenant: &tenant{name: OwnAccount}}
	return st, nil
}

func sharesOf(tenants []Tenant) map[string]int {
	shares := map[string]int{}
	for _, t := range tenants {
		if t.Share > 0 {
			shares[t.Name] = t.Share
		}
	}
	return shares
}

func (st *state) addTenant(t *Tenant) {
	caller := &tenant{name: t.Name, class: t.Class, trim: t.Trim, dearer: t.NotCheaper}
	if len(t.Models) > 0 {
		caller.models = map[string]bool{}
		for _, m := range t.Models {
			if s := st.models[m]; s != nil { // by alias too
				caller.models[s.name] = true
			}
		}
	}
	for _, k := range t.Keys {
		known := &key{id: keyID(k.SHA256), name: k.Name, tenant: caller}
		st.keys[k.SHA256], st.named[keyName{t.Name, k.Name}] = known, known
	}
}

func (g *Gateway) addModel(st *state, m *Model, present *state, shares map[string]int) error {
	s := &served{slo: m.SLO, class: m.Class, spillAfter: m.SpillAfter, trim: m.Trim, affinity: m.Affinity, sticky: m.Sticky, picks: m.picks(), cache: m.Cache, vectors: m.Vectors, meaning: m.Meaning.withDefaults(), cheaper: m.Cheaper.withDefaults(), lacksAll: m.lacksAll()}
	if present != nil && present.models[m.Name] != nil && present.models[m.Name].name == m.Name {
		s.model = present.models[m.Name].model
	} else {
		s.model = newModel(m.Name, optionsOf(m, shares), seedOf(m.Name), g.wakeBy)
		s.grows = g.grows
	}
	for _, name := range append([]string{m.Name}, m.Aliases...) {
		st.models[name] = s
	}
	st.list = append(st.list, s)
	for _, d := range m.Deployments {
		client, err := upstream.New(d.Upstream)
		if err != nil {
			return fmt.Errorf("deployment %q: %w", d.Name, err)
		}
		t := &target{Deployment: d, client: client, model: s.model, upstreamModel: d.Upstream.Model}
		if t.upstreamModel == "" {
			t.upstreamModel = m.Name
		}
		t.onTrial = slices.ContainsFunc(m.Deployments, func(o Deployment) bool { return o.Canary != nil && (o.Name == d.Name || o.Canary.Of == d.Name) })
		if t.Mirror != nil {
			s.addShadow(t, present)
		}
		t.names = namesOf(t.upstreamModel)
		if t.serves = d.Serves; t.serves == "" {
			t.serves = m.Name
		}
		t.asRoom = d.Name + "=" + string(dispatch.Room)
		if d.Weight > 0 && d.Canary == nil && (s.first == nil || d.Tier < s.first.Tier) {
			s.first = t
		}
		if d.Weight > 0 {
			s.context = max(s.context, d.Context)
		}
		st.targets[d.Name] = t
		s.deployments = append(s.deployments, d.Name)
		s.dialects = append(s.dialects, d.Upstream.Dialect)
	}
	return nil
}

// addShadow makes t a shadow and keeps the gate of its predecessor.
func (s *served) addShadow(t *target, present *state) {
	mirror := *t.Mirror
	orElse(&mirror.MaxConcurrent, 16)
	t.Mirror, t.gate = &mirror, new(mirrorGate)
	if present != nil {
		if old := present.targets[t.Name]; old != nil && old.gate != nil {
			t.gate = old.gate
		}
	}
	s.shadows = append(s.shadows, t)
}

// optionsOf are the options of the model's core.
func optionsOf(m *Model, shares map[string]int) dispatch.Options {
	o := dispatch.Options{Model: m.Name, Queue: m.Queue, Shares: maps.Clone(shares), Attempts: m.Attempts, Health: m.Health, Hedge: m.Hedge}
	if m.Affinity == ByPrefix {
		o.PrefixBlock = prefixBlock
	}
	for _, d := range m.Deployments {
		core := d.Deployment
		core.Lacks = lacksOf(&d)
		o.Deployments = append(o.Deployments, core)
	}
	return o
}

// seedOf gives each model its own random sequence, the same in every run.
func seedOf(name string) uint64 {
	h := fnv.New64a()
	h.Write([]byte(name))
	return h.Sum64()
}

// fixed are the permanent replicas of a deployment; nil if SetReplicas sets them.
func (t *target) fixed(now weir.Instant) []weir.Replica {
	addrs := t.Addrs
	if len(addrs) == 0 && t.Upstream.BaseURL != "" {
		addrs = []string{t.Upstream.BaseURL}
	}
	var rs []weir.Replica
	for i, addr := range addrs {
		rs = append(rs, weir.Replica{ID: strconv.Itoa(i), Deployment: t.Name, Addr: addr, State: weir.Ready, Since: now, Asked: now, ReadyAt: now})
	}
	return rs
}

// close closes the idle connections.
func (st *state) close() {
	for _, t := range st.targets {
		t.client.Close()
	}
}
