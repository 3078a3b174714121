package gateway

import (
	"cmp"
	"errors"
	"fmt"
	"time"

	"weir"
)

// open makes the booking: from here on the request counts.
func (c *call) open() {
	now := c.g.now()
	c.g.arrived.Add(1)
	id := c.x.get("X-Request-Id")
	if !saneID(id) {
		id = c.g.ids.next()
	}
	b := &c.booking
	b.g, b.holds = c.g, holdsOpen
	b.rec = weir.Record{RequestID: id, Client: c.client(), Op: c.s.op, Arrived: now}
	if c.s.firstOf != "" {
		b.rec.Cheaper, b.rec.Asked = "first", c.s.firstOf
	}
	c.g.open.Add(1)
	c.x.set("X-Request-Id", id)
}

// admit admits the request or returns why not: key, body, model, bounds, limits.
func (c *call) admit() error {
	var err error
	if c.x.method != "POST" {
		c.x.set("Allow", allowed(c.s))
		return errMethod
	}
	if c.key, err = c.x.from.Key(c.st); err != nil {
		return err
	}
	rec := &c.booking.rec
	rec.Tenant, rec.Key = c.key.tenant.name, c.key.name
	if n := c.g.open.Load(); n > int64(c.st.bounds.MaxRequests) {
		return &problem{is: errGatewayFull, message: fmt.Sprintf("the gateway is at its limit of %d requests (max_requests): retry in a second",
			c.st.bounds.MaxRequests), after: time.Second, hasAfter: true}
	}
	if err := c.knock(); err != nil {
		c.sending = true
		return err
	}
	if err := c.read(); err != nil {
		return err
	}
	c.ownFrom = c.g.now()
	if err := c.findModel(); err != nil {
		return err
	}
	if err := c.goesOn(); err != nil {
		return err
	}
	return c.openStream()
}

// read reads the body and scans it for the members that the gateway needs.
func (c *call) read() error {
	if e := c.x.get("Content-Encoding"); e != "" && e != "identity" {
		return errEncoding
	}
	body, err := c.x.from.Body(c.st.bounds.MaxBody, c.st.bounds.BodyTimeout, &c.g.bodies)
	c.booking.body = body
	switch {
	case errors.Is(err, errNoMemory):
		c.sending = true
		return noMemory(c.g.bodies.most.Load())
	case errors.Is(err, errOverLimit):
		c.sending = true
		return &problem{is: errTooLarge, message: fmt.Sprintf("the request body is larger than the limit of %d bytes (max_body)", c.st.bounds.MaxBody)}
	case errors.Is(err, errSlowBody):
		return &problem{is: errSlowBody, message: fmt.Sprintf("the request body did not arrive within %s (body_timeout)", c.st.bounds.BodyTimeout)}
	case err != nil && c.x.ctx().Err() != nil:
		return gone(c.x.ctx())
	case err != nil:
		return err
	}
	c.body = body.b
	if c.ask, err = readAsk(c.body); err != nil {
		return ofBody(err)
	}
	c.ask.readBy(c.s.do)
	return nil
}

// maxNear bounds how many names are compared with an unknown one.
const maxNear = 200

// meant is " (did you mean ...?)" with the nearest model that the key may use; "" if
// there is none.
func (c *call) meant(name string) string {
	if c.g.nearest == nil {
		return ""
	}
	var known []string
	for _, s := range c.st.list {
		if c.key.tenant.mayUse(s.name) && len(known) < maxNear {
			known = append(known, s.name)
		}
	}
	if near := c.g.nearest(name, known); near != "" {
		return fmt.Sprintf(" (did you mean %q?)", near)
	}
	return ""
}

// findModel finds the requested model and checks that the key may use it.
func (c *call) findModel() error {
	name := c.s.model
	if name == "" {
		name = c.ask.modelName(c.body)
	}
	if name == "" {
		return &problem{is: errNoModel, param: "model"}
	}
	m := c.st.models[name]
	if m == nil {
		return &problem{is: errUnknownModel, param: "model",
			message: fmt.Sprintf("the model %q does not exist%s: GET /v1/models lists those the key may use", shortened(name), c.meant(name))}
	}
	c.booking.served, c.asked = m, cmp.Or(c.s.shown, name)
	rec := &c.booking.rec
	rec.Model, rec.Class, rec.Stream = m.name, m.classOf(c.key.tenant), c.ask.stream
	if c.x.get("X-Weir-Class") == weir.Batch.String() {
		rec.Class = weir.Batch // a request may lower its class, never raise it
	}
	if !c.key.tenant.mayUse(m.name) {
		return &problem{is: errModelForbidden, param: "model",
			message: fmt.Sprintf("the key's tenant %q may not use the model %q", c.key.tenant.name, m.name)}
	}
	return m.speaks(c.s.op)
}

func (c *call) openStream() error {
	if !c.ask.stream {
		return nil
	}
	c.booking.holds |= holdsStream
	if n := c.g.streams.Add(1); n > int64(c.st.bounds.MaxStreams) {
		return &problem{is: errStreamsFull, message: fmt.Sprintf("the gateway is at its limit of %d streams (max_streams): retry in a second",
			c.st.bounds.MaxStreams), after: time.Second, hasAfter: true}
	}
	return nil
}

// shortened bounds the text of a caller in messages.
func shortened(s string) string {
	const most = 100
	if len(s) <= most {
		return s
	}
	return s[:most] + "..."
}
