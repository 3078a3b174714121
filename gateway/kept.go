package gateway

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strings"
	"time"

	"weir"
	"weir/dispatch"
	"weir/upstream"
)

// countWithin is how long an upstream may take to count a request's tokens.
const countWithin = 10 * time.Second

// An answer of the Responses API, and requests that continue it, are served only where
// the answer is stored.

// pinTo pins the request to the replica that stores the object with that ID; "" is
// none. param is the member that names it. An ID unknown to every gateway pins nothing;
// it gets here only if there is one tenant.
func (c *call) pinTo(id, param string) error {
	if id == "" || len(id) > maxResponseID {
		return nil
	}
	of, ok := c.g.origins.of(c.x.ctx(), id)
	if !ok {
		return nil
	}
	c.pinnedBy = param
	c.pin = dispatch.Pin{Deployment: of.deployment}
	t := c.st.targets[of.deployment]
	if t == nil {
		return c.goneFrom(of, "which is no longer configured")
	}
	if c.pin.Replica, ok = t.keptBy(of.replica); !ok {
		return c.goneFrom(of, "which is not at "+of.replica+" any more")
	}
	otherModel := t.model != c.booking.served.model
	do := t.Upstream.Dialect.Operation(c.s.op)
	if do == nil { // its protocol was another when the answer was made
		return c.goneFrom(of, fmt.Sprintf("which does not support %s requests any more", c.s.op))
	}
	if otherModel || do.KeptByAddr {
		c.pin.Addr = t.addrOf(c.g, c.pin.Replica)
	}
	if otherModel && !c.booking.served.standsAt(c.g, c.st, c.pin.Addr) {
		return c.goneFrom(of, "which does not serve the model "+c.booking.served.name)
	}
	return nil
}

func (c *call) goneFrom(of origin, why string) *problem {
	return &problem{is: errNoResponse, status: 400, code: "previous_response_not_found", param: c.pinnedBy,
		message: fmt.Sprintf("the response that %s names is stored by the deployment %q, %s: send the whole conversation as input", c.pinnedBy, of.deployment, why)}
}

// ofPin adds to a refusal that only the pinned replica can serve the request.
func (c *call) ofPin(err error) error {
	var p *problem
	if !c.pinned() || !errors.As(err, &p) || c.booking.rec.Attempts > 0 {
		return err
	}
	if p.is == errNoReplica || p.is == errUnhealthy || p.is == errThrottled || p.is == errWaited {
		p.message = fmt.Sprintf("the response that %s names is stored only by the deployment %q (replica %s): %s. Retry, or send the whole conversation as input",
			c.pinnedBy, c.pin.Deployment, c.pin.Replica, p.is)
	}
	return p
}

func (c *call) pinned() bool { return c.pin != dispatch.Pin{} }

// keptAs is the name to remember a replica by: its address if that is fixed, else its
// name.
func (t *target) keptAs(replica string) string {
	for _, r := range t.fixed(0) {
		if r.ID == replica {
			return r.Addr
		}
	}
	return replica
}

// keptBy returns the replica's name for what keptAs returned; false if no fixed replica
// has that address any more.
func (t *target) keptBy(kept string) (string, bool) {
	rs := t.fixed(0)
	if rs == nil {
		return kept, true
	}
	for _, r := range rs {
		if r.Addr == kept {
			return r.ID, true
		}
	}
	return "", false
}

// addrOf is the base URL of a deployment's replica; "" if there is none of that name.
func (t *target) addrOf(g *Gateway, replica string) string {
	rs := t.fixed(0)
	if rs == nil {
		g.apply.Lock()
		rs = g.replicas[t.Name]
		g.apply.Unlock()
	}
	if i := slices.IndexFunc(rs, func(r weir.Replica) bool { return r.ID == replica || replica == "" && r.State == weir.Ready }); i >= 0 {
		return rs[i].Addr
	}
	return ""
}

// standsAt says whether a deployment of the model has a fixed replica at that address.
func (s *served) standsAt(g *Gateway, st *state, addr string) bool {
	for _, t := range st.targets {
		if t.model == s.model && slices.ContainsFunc(t.fixed(0), func(r weir.Replica) bool { return r.Addr == addr }) {
			return true
		}
	}
	return false
}

// kept reads, deletes or cancels a stored answer, or reads its input items. Nothing is
// reserved or counted for it.
func (c *call) kept() {
	method := c.x.method
	if !c.s.takes(method) {
		c.x.set("Allow", allowed(c.s))
		c.sayOther(errMethod)
		return
	}
	t, addr, err := c.keeper()
	if err != nil {
		c.sayOther(err)
		return
	}
	if method == "HEAD" { // few servers support it
		method = "GET"
	}
	c.passThrough(t, addr, &upstream.Call{
		Op: c.s.op, Method: method, Below: "/" + url.PathEscape(c.s.id) + c.s.below, Query: c.g.surfaces.queryFor(c.x.query), Stream: strings.Contains(c.x.query, "stream=true"),
	})
}

// keeper finds the replica that stores the answer, for the answer's own tenant.
func (c *call) keeper() (*target, string, error) {
	k, err := c.x.from.Key(c.st)
	if err != nil {
		return nil, "", err
	}
	c.key = k
	no := &problem{is: errNoResponse, message: fmt.Sprintf("the response %q is not known for this key's tenant", shortened(c.s.id))}
	if len(c.s.id) > maxResponseID || !c.owns(c.s.id) {
		return nil, "", no
	}
	of, known := c.g.origins.of(c.x.ctx(), c.s.id)
	if !known { // one tenant, and an answer from before a restart
		if of, known = c.st.onlyKeeper(c.s.op); !known {
			return nil, "", no
		}
	}
	t := c.st.targets[of.deployment]
	if t == nil {
		return nil, "", no
	}
	replica, there := t.keptBy(of.replica)
	addr := t.addrOf(c.g, replica)
	if addr == "" || !there {
		return nil, "", &problem{is: errNoResponse, message: fmt.Sprintf("the replica of the deployment %q that stored the response is gone", t.Name)}
	}
	return t, addr, nil
}

// onlyKeeper is the only replica that may store answers, if there is exactly one.
func (st *state) onlyKeeper(op weir.Op) (of origin, ok bool) {
	for _, t := range st.targets {
		if t.Upstream.Dialect.Operation(op) == nil || t.Mirror != nil {
			continue
		}
		rs := t.fixed(0)
		if ok || len(rs) != 1 {
			return origin{}, false
		}
		of, ok = origin{deployment: t.Name, replica: rs[0].Addr}, true
	}
	return of, ok
}

// passThrough sends a call to an upstream and streams its answer to the caller. The
// upstream's own errors pass too, except for those about the gateway's key.
func (c *call) passThrough(t *target, addr string, call *upstream.Call) {
	call.Header = passRequestHeaders(&c.x, nil)
	r, err := t.client.Do(c.x.ctx(), addr, call)
	if err != nil {
		c.sayOther(ofUpstream(err).problem)
		return
	}
	defer r.Close()
	if r.Status == 401 || r.Status == 403 {
		c.sayOther(errCredential)
		return
	}
	passAnswerHeaders(&c.x, r, "")
	c.x.set("X-Weir-Deployment", t.Name)
	c.x.start(r.Status, r.ContentLength)
	if c.x.method == "HEAD" {
		return
	}
	buf := newBuffer(writeBuffer)
	defer buf.free()
	for {
		n, err := r.Read(buf.b[:cap(buf.b)])
		if n > 0 && (c.x.send(buf.b[:n]) != nil || c.x.flush() != nil) {
			return
		}
		if err == io.EOF {
			return
		}
		if err != nil {
			c.x.end(endsCut)
			return
		}
	}
}

// countTokens reports how many tokens a request would have: counted by the upstream, or
// else estimated, which a header says.
func (c *call) countTokens() {
	if c.x.method != "POST" {
		c.x.set("Allow", allowed(c.s))
		c.sayOther(errMethod)
		return
	}
	defer func() { c.booking.body.free(); c.booking.body = nil }()
	if err := c.admitCount(); err != nil {
		c.sayOther(err)
		return
	}
	if body, err := c.countedThere(); err != nil {
		c.sayOther(err)
	} else if body != nil {
		c.say(200, body.b)
		body.free()
	} else {
		c.x.set("X-Weir-Estimated", "input_tokens")
		n := c.s.do.Estimate(c.body, nil).Prompt
		c.say(200, fmt.Appendf(nil, `{%s"input_tokens":%d}`, c.s.do.CountHead, n))
	}
}

func (c *call) admitCount() (err error) {
	if c.key, err = c.x.from.Key(c.st); err != nil {
		return err
	}
	if err := c.read(); err != nil {
		return err
	}
	if err := c.findModel(); err != nil {
		return err
	}
	return c.goesOn()
}

// countedThere is the upstream's own answer; nil if it has none.
func (c *call) countedThere() (*buffer, error) {
	t, replica := c.booking.served.first, c.pin.Replica
	if c.pin.Deployment != "" {
		t = c.st.targets[c.pin.Deployment]
	}
	if t == nil {
		return nil, nil
	}
	addr := t.addrOf(c.g, replica)
	if addr == "" {
		return nil, nil
	}
	ctx, cancel := context.WithTimeout(c.x.ctx(), countWithin)
	defer cancel()
	segments, _ := compose(t, c.s.do, &c.ask, c.body, nil, nil)
	r, err := t.client.Do(ctx, addr, &upstream.Call{Op: c.s.op, Below: c.s.below, Body: segments, Header: passRequestHeaders(&c.x, nil)})
	if err != nil {
		return nil, nil
	}
	defer r.Close()
	body, err := readAll(r, r.ContentLength, maxErrorBody)
	if err == nil && r.Status == 200 && strings.Contains(string(body.b), `"input_tokens"`) {
		return body, nil
	}
	defer body.free()
	if err == nil && (r.Status == 400 || r.Status == 422) {
		u := c.s.do.ReadFailure(r.Status, r.Header, body.b, time.Now())
		return nil, ofFailure(&u).problem
	}
	return nil, nil
}
