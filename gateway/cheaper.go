package gateway

import (
	"bytes"
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	"weir"
	"weir/cache"
	"weir/cheaper"
	"weir/dispatch"
)

// Cheaper says which requests to a model are tried on a smaller one. A request of a kind
// that is moved is from then on a request to the smaller model: with its limits, queue,
// price and stored answers. In a cascade the smaller model is asked by a request of the
// same key, which is paid and counted as any other. If its answer is accepted, the
// caller's own request uses nothing of any limit; if not, it is paid and counted too.
type Cheaper struct {
	Model  string        // the smaller one, by name
	Within time.Duration // for its answer in a cascade; 0: 30 s
	cheaper.Policy
}

const maxCheaperRules = 16

func (p *Cheaper) withDefaults() *Cheaper {
	if p == nil {
		return nil
	}
	d := *p
	orElse(&d.Within, 30*time.Second)
	return &d
}

// cheaper faults a Cheaper that cannot work.
func (v *validator) cheaper(c *Config, m *Model) {
	p := m.Cheaper
	if p == nil {
		return
	}
	i := slices.IndexFunc(c.Models, func(o Model) bool { return o.Name == p.Model })
	if i < 0 || p.Model == m.Name {
		v.fault("model %q is tried on %q; that must be another configured model", m.Name, p.Model)
	} else if c.Models[i].Cheaper != nil {
		v.fault("model %q is tried on %q, which is itself tried on a smaller one; only one of them can have a Cheaper", m.Name, p.Model)
	}
	if n := len(p.Rules); n == 0 || n > maxCheaperRules {
		v.fault("model %q has %d rules in its Cheaper; it needs 1 to %d", m.Name, n, maxCheaperRules)
	}
	for _, r := range p.Rules {
		if !(r.Share >= 0 && r.Share <= 1) {
			v.fault("model %q: the Share of a rule is %v; it must be 0 to 1", m.Name, r.Share)
		}
	}
	if !(p.Cascade.MinConfidence >= 0 && p.Cascade.MinConfidence < 1) {
		v.fault("model %q: MinConfidence is %v; it must be at least 0 and below 1", m.Name, p.Cascade.MinConfidence)
	}
}

// lacksAll is what none of the deployments that take requests supports, as declared.
func (m *Model) lacksAll() dispatch.Needs {
	all, any := ^dispatch.Needs(0), false
	for i := range m.Deployments {
		if d := &m.Deployments[i]; d.Mirror == nil {
			all, any = all&lacksOf(d), true
		}
	}
	if !any {
		return 0
	}
	return all
}

// cheaper tries the request on a smaller model if a rule says so. over: it is answered.
func (c *call) cheaper() (over bool, err error) {
	asked := c.booking.served
	small := c.smaller()
	if small == nil {
		return false, nil
	}
	p, rec := &asked.cheaper.Policy, &c.booking.rec
	tags, _ := cache.Names(strings.Join(c.x.all("X-Weir-Tags"), ","))
	rule := p.Fits(&cheaper.Request{Class: rec.Class, Tags: tags, Prompt: c.ask.promptTokens(), Tools: c.offersTools()})
	if rule < 0 {
		return false, nil
	}
	r := &p.Rules[rule]
	if r.How == cheaper.Cascaded && (c.ask.stream || !p.Cascade.Asks(c.s.op)) || !r.Picks(asked.tried[rule].Add(1)) {
		return false, nil
	}
	if r.How == cheaper.Cascaded {
		return c.cascade(small)
	}
	c.booking.served, rec.Model = small, small.name
	rec.Cheaper, rec.Asked = "moved", asked.name
	c.booking.trail.add(asked.name, "cheaper")
	return false, nil
}

// smaller is the model on which the request may be tried; nil: it may not. Which model
// continues a stored answer is not free to choose.
func (c *call) smaller() *served {
	asked := c.booking.served
	small := c.st.models[asked.cheaper.Model]
	if small == nil || c.key.tenant.dearer || !c.key.tenant.mayUse(small.name) || c.pinned() ||
		!cheaper.Reads(c.s.op) || small.speaks(c.s.op) != nil || strings.EqualFold(c.x.get("X-Weir-Cheaper"), "no") {
		return nil
	}
	if small.context > 0 && c.ask.promptTokens() > small.context {
		return nil
	}
	c.booking.served = small
	needs := c.needs()
	c.booking.served = asked
	if needs&small.lacksAll != 0 {
		return nil
	}
	return small
}

// cascade asks the smaller model on the caller's account and judges its answer. Nothing is
// shown before that. over: the caller has the answer; else the model it asked for serves.
func (c *call) cascade(small *served) (over bool, err error) {
	asked, b := c.booking.served, &c.booking
	judge := &asked.cheaper.Cascade
	b.rec.Own += c.g.now().Sub(c.ownFrom)
	c.g.spend.mu.Lock()
	b.leaveDoor() // the first request is counted in its place
	c.g.spend.mu.Unlock()
	body, added := judge.Ask(c.body)
	to := firstAnswer{most: c.st.bounds.MaxAnswer}
	ctx, cancel := context.WithTimeout(c.x.ctx(), asked.cheaper.Within)
	first, err := c.g.tryFirst(ctx, c, small, body, &to)
	late := ctx.Err() != nil
	cancel()
	c.ownFrom = c.g.now()
	if c.x.ctx().Err() != nil {
		return false, gone(c.x.ctx())
	}
	why := cheaper.Failed
	switch {
	case err == nil:
		why = judge.Judge(c.s.op, c.body, to.body.Bytes())
	case late:
		why = cheaper.Late
	}
	if why != "" {
		b.rec.Cheaper = string(why)
		b.trail.add(nameOf(&first, small), "cheaper_"+string(why))
		return false, nil
	}
	b.rec.Cheaper = "accepted"
	b.trail.add(asked.name, "cheaper")
	b.trail.add(first.Deployment, first.Reason)
	answer := to.body.Bytes()
	if added {
		answer = cheaper.Hide(answer)
	}
	return true, c.passOn(&to, answer)
}

// nameOf is what the trail names: the deployment that answered first, else its model.
func nameOf(first *weir.Record, small *served) string {
	if first.Deployment == "" {
		return small.name
	}
	return first.Deployment
}

// passOn gives an accepted answer to the caller. The limits have counted the request that
// got it.
func (c *call) passOn(a *firstAnswer, answer []byte) error {
	c.x.claim()
	for _, name := range slices.Sorted(maps.Keys(a.header)) {
		if name == "X-Request-Id" || name == "X-Weir-Route" || name == "Content-Length" {
			continue
		}
		for i, v := range a.header[name] {
			if i == 0 {
				c.x.set(name, v)
			} else {
				c.x.add(name, v)
			}
		}
	}
	c.sayTrail()
	now := c.g.now()
	c.booking.rec.TTFT = now.Sub(c.booking.rec.Arrived)
	c.booking.release(dispatch.OK)
	c.x.start(a.status, int64(len(answer)))
	if err := c.x.send(answer); err != nil {
		return c.unread(err).problem
	}
	c.finished = true
	c.booking.rec.Own += c.g.now().Sub(c.ownFrom)
	return nil
}

// tryFirst asks the smaller model with the key, class and headers of another call.
func (g *Gateway) tryFirst(until context.Context, of *call, small *served, body []byte, to *firstAnswer) (weir.Record, error) {
	if !g.inside.enter() {
		return weir.Record{}, submitError(errStopping, nil)
	}
	defer g.inside.leave()
	ctx, leave := context.WithCancelCause(until)
	defer leave(nil)
	defer context.AfterFunc(g.inside.ctx, func() { leave(errStopping) })()
	rec := &of.booking.rec
	s := of.s
	s.model, s.shown, s.firstOf = small.name, of.asked, of.booking.served.name
	x := &firstTry{of: of.x.from, id: rec.RequestID, submitter: submitter{
		s:   &Submission{Tenant: rec.Tenant, Key: rec.Key, Op: s.op, Class: rec.Class, Body: body},
		ctx: ctx, leave: leave, to: to, header: map[string][]string{},
	}}
	return g.submitOn(&x.submitter, exchange{from: x, peer: of.x.peer}, s)
}

// firstTry is the caller of a cascade's first request.
type firstTry struct {
	submitter
	of caller
	id string
}

// Header passes on the caller's headers.
func (x *firstTry) Header(name string) []string {
	switch name {
	case "X-Request-Id":
		return []string{x.id}
	case "X-Weir-Class":
		return x.submitter.Header(name)
	case "Content-Encoding":
		return nil
	}
	return x.of.Header(name)
}

// firstAnswer keeps an answer until it is judged.
type firstAnswer struct {
	most   int // bytes; of a longer one nothing is used
	status int
	header map[string][]string
	body   bytes.Buffer
}

func (a *firstAnswer) Start(status int, header map[string][]string) {
	a.status, a.header = status, header
}

var errFirstTooLarge = errors.New("the answer is larger than one that can be judged (max_answer)")

func (a *firstAnswer) Write(p []byte) (int, error) {
	if a.body.Len()+len(p) > a.most {
		return 0, errFirstTooLarge
	}
	return a.body.Write(p)
}
