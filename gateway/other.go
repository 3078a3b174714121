package gateway

// other serves requests that do not call a model: lists, health, and unknown paths.
// They make no Record.
func (c *call) other() {
	if c.s.shared {
		if d := c.g.surfaces.markedBy(c.x.get); d != nil {
			c.s.dialect = d
		}
	}
	switch c.s.service {
	case keptAnswer:
		c.kept()
		return
	case countTokens:
		c.countTokens()
		return
	case notServed:
		c.sayOther(errNotServed)
		return
	}
	if c.s.service != noService && !c.s.takes(c.x.method) {
		c.x.set("Allow", allowed(c.s))
		c.sayOther(errMethod)
		return
	}
	switch c.s.service {
	case searchStore:
		c.searchStore()
	case reportHealth:
		c.say(200, []byte(`{"status":"ok"}`))
	case reportReady:
		c.ready()
	case listModels, showModel:
		c.models()
	default:
		c.sayOther(errNoPath)
	}
}

// ready says whether the gateway takes new requests: not when it stops.
func (c *call) ready() {
	if c.g.stopping.Load() {
		c.say(503, []byte(`{"status":"stopping"}`))
		return
	}
	c.say(200, []byte(`{"status":"ready"}`))
}

func (c *call) say(status int, body []byte) {
	c.x.set("Content-Type", "application/json")
	c.x.start(status, int64(len(body)))
	if c.x.method != "HEAD" {
		c.x.send(body)
	}
}

func (c *call) sayOther(err error) {
	p, a := explain(err)
	c.x.set("X-Weir-Fault", a.fault.String())
	c.say(a.status, c.s.errorBody(p, a))
}

// models lists the models the key may use, or shows one.
func (c *call) models() {
	k, err := c.x.from.Key(c.st)
	if err != nil {
		c.sayOther(err)
		return
	}
	if c.s.service == showModel {
		m := c.st.models[c.s.model]
		if m == nil || !k.tenant.mayUse(m.name) {
			c.sayOther(&problem{is: errUnknownModel, param: "model"})
			return
		}
		c.say(200, c.s.dialect.Model(nil, m.name))
		return
	}
	var names []string
	for _, m := range c.st.list {
		if k.tenant.mayUse(m.name) {
			names = append(names, m.name)
		}
	}
	c.say(200, c.s.dialect.Models(nil, names))
}

// Ready says whether the gateway takes new requests: it does until it begins to stop.
func (g *Gateway) Ready() bool { return !g.stopping.Load() }

// Levels are the gateway's current requests and the number that have arrived. The
// Records emitted are the arrived requests minus those in flight.
type Levels struct {
	Arrived  uint64 // requests to models since the gateway was made
	Requests int    // of them in flight, in any phase
	Streams  int    // of those in flight, the streamed ones
}

// Levels returns the current levels.
func (g *Gateway) Levels() Levels {
	return Levels{Arrived: g.arrived.Load(), Requests: int(g.open.Load()), Streams: int(g.streams.Load())}
}
