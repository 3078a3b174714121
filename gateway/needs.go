package gateway

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"

	"weir"
	"weir/dispatch"
	"weir/jsonscan"
	"weir/upstream"
)

// Which features a request needs of a deployment, and how Weir learns from upstreams
// which ones they lack.

// featureNeeds are the needs that an upstream may report as unsupported.
var featureNeeds = map[upstream.Feature]dispatch.Needs{
	upstream.Images: dispatch.Images, upstream.Audio: dispatch.Audio, upstream.Tools: dispatch.Tools,
}

// lacksOf is what a deployment is declared to lack: the configured features, and the
// operations missing from its protocol.
func lacksOf(d *Deployment) dispatch.Needs {
	lacks := d.Lacks
	for op := range weir.Ops() {
		if d.Upstream.Dialect != nil && d.Upstream.Dialect.Operation(op) == nil {
			lacks |= dispatch.Operation(op)
		}
	}
	return lacks
}

// picks says whether the content of a model's requests may matter for routing: it has
// several deployments, or one that lacks something.
func (m *Model) picks() bool {
	for i := range m.Deployments {
		if m.Deployments[i].Lacks != 0 {
			return true
		}
	}
	return len(m.Deployments) > 1
}

// needs is what the request needs. Its content counts only where that may matter.
// Inside a text, quotes are escaped, so the words do not match there.
func (c *call) needs() dispatch.Needs {
	n := dispatch.Operation(c.s.op)
	if !c.booking.served.picks {
		return n
	}
	if c.offersTools() {
		n |= dispatch.Tools
	}
	p := c.ask.prompt
	if p.Absent() || c.body[p.From] != '[' {
		return n
	}
	if c.ask.words&imageParts != 0 {
		n |= dispatch.Images
	}
	if c.ask.words&soundParts != 0 {
		n |= dispatch.Audio
	}
	return n
}

func (c *call) offersTools() bool {
	t := c.ask.tools
	return !t.Absent() && c.body[t.From] == '[' && len(bytes.TrimSpace(c.body[t.From+1:t.To-1])) > 0
}

// contentWords are the types of prompt parts in chat, responses and messages that ask
// something of a server. The scanner of a body notes them (see ask.words).
var contentWords = jsonscan.NewWords("image_url", "input_image", "image", "input_audio")

// Bits of contentWords.
const (
	imageParts = 1<<0 | 1<<1 | 1<<2
	soundParts = 1 << 3
)

// cannot reports to the core what a failed attempt's deployment does not support.
func (c *call) cannot(f *failure) {
	if f.lacks == upstream.NoFeature {
		return
	}
	needs := featureNeeds[f.lacks]
	if f.lacks == upstream.WholeOperation {
		needs = dispatch.Operation(c.s.op)
	}
	b := &c.booking
	b.served.lacks(b.g.now(), b.rec.Deployment, needs, c.key.id)
}

func (m *model) lacks(now weir.Instant, deployment string, needs dispatch.Needs, key uint64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.core.Lacks(now, deployment, needs, key)
	m.settle(now)
}

// wordUnsupported names what no deployment supports.
func (c *call) wordUnsupported(err error) error {
	var p *problem
	if !errors.As(err, &p) || p.is != errUnsupported || p.message != "" {
		return err
	}
	what := fmt.Sprintf("%s requests", c.s.op)
	var held []string
	for _, h := range [...]struct {
		need dispatch.Needs
		name string
	}{{dispatch.Images, "images"}, {dispatch.Audio, "audio"}, {dispatch.Tools, "tools"}} {
		if c.needs()&h.need != 0 {
			held = append(held, h.name)
		}
	}
	if len(held) > 0 {
		what += " with " + strings.Join(held, " and ")
	}
	p.message = fmt.Sprintf("no deployment of the model %q supports %s", c.booking.served.name, what)
	return p
}

// ofLack words that an upstream does not support what the request needs.
func ofLack(u *upstream.Failure) *failure {
	what := "this operation"
	if u.Lacks != upstream.WholeOperation {
		what = string(u.Lacks)
	}
	return &failure{problem: &problem{is: errUnsupported, message: fmt.Sprintf("the model's inference server does not support %s%s", what, inBrackets(u))},
		result: dispatch.Incapable, retry: true, lacks: u.Lacks}
}

func inBrackets(u *upstream.Failure) string {
	if u.Status == 0 {
		return said(u)
	}
	return fmt.Sprintf(" (status %d%s)", u.Status, said(u))
}

// keyID identifies a key in the core: the beginning of its hash.
func keyID(hash [32]byte) uint64 { return binary.LittleEndian.Uint64(hash[:8]) }
