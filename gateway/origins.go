package gateway

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"weir/jsonscan"
)

// An answer of the Responses API is stored at its upstream, which sees only the
// gateway's key and knows no tenants: any caller that names the answer's ID could
// continue it. So the gateway remembers each answer's tenant and where it is stored.

// origin is the tenant of an answer and the replica that stores it.
type origin struct {
	tenant, deployment string
	// replica is the name of a started replica. For fixed addresses it is the address,
	// because their names are only positions in a list.
	replica string
}

// answerID is the first half of the SHA-256 of the ID that the upstream gave an answer.
type answerID [16]byte

func answerIDOf(id string) (a answerID) {
	sum := sha256.Sum256([]byte(id))
	copy(a[:], sum[:])
	return a
}

// name is the answer's key at the other gateways.
func (a answerID) name() string { return hex.EncodeToString(a[:]) }

// maxOrigins is the least number of answers remembered, and half of the most: about 100
// bytes each.
const maxOrigins = 100_000

// origins remembers answers; those not asked for longest are forgotten first. The zero
// value is ready to use.
type origins struct {
	mu       sync.Mutex
	now, old map[answerID]origin
	most     int // of each; 0: maxOrigins

	tell func(name, text string)                                // informs the other gateways; nil: there are none
	ask  func(ctx context.Context, name string) (string, error) // asks the other gateways; "": unknown to them
}

func (o *origins) keep(id answerID, of origin) {
	o.mu.Lock()
	defer o.mu.Unlock()
	most := o.most
	orElse(&most, maxOrigins)
	if o.now == nil || len(o.now) >= most {
		o.old, o.now = o.now, map[answerID]origin{}
	}
	o.now[id] = of
}

// find returns what this gateway knows of an answer, and renews it.
func (o *origins) find(id answerID) (origin, bool) {
	o.mu.Lock()
	of, ok := o.now[id]
	if ok {
		o.mu.Unlock()
		return of, true
	}
	of, ok = o.old[id]
	o.mu.Unlock()
	if ok {
		o.keep(id, of)
	}
	return of, ok
}

// askWithin is how long the other gateways may take to answer.
const askWithin = time.Second

// of returns the origin of an answer, as known to this gateway or another.
func (o *origins) of(ctx context.Context, id string) (origin, bool) {
	a := answerIDOf(id)
	if of, ok := o.find(a); ok || o.ask == nil {
		return of, ok
	}
	ctx, cancel := context.WithTimeout(ctx, askWithin)
	defer cancel()
	text, err := o.ask(ctx, a.name())
	parts := strings.Split(text, "\n")
	if err != nil || len(parts) != 3 {
		return origin{}, false
	}
	of := origin{parts[0], parts[1], parts[2]}
	o.keep(a, of)
	return of, true
}

// remember records the origin of the answer in b, an object of the Responses API or an
// event that contains one. Only the first ID counts.
func (c *call) remember(b []byte) {
	if !c.s.do.Kept || c.remembered {
		return
	}
	id := responseID(b)
	if id == "" {
		return
	}
	c.remembered = true
	c.noteOrigin(id)
}

// noteOrigin records that the current attempt's replica stores the object with that ID.
func (c *call) noteOrigin(id string) {
	b := &c.booking
	of := origin{b.rec.Tenant, b.rec.Deployment, b.rec.Replica}
	if t := b.target; t != nil {
		of.replica = t.keptAs(b.rec.Replica)
	}
	c.g.origins.keep(answerIDOf(id), of)
	if tell := c.g.origins.tell; tell != nil {
		tell(answerIDOf(id).name(), of.tenant+"\n"+of.deployment+"\n"+of.replica)
	}
}

// maxResponseID bounds the IDs that are remembered and looked up, in bytes.
const maxResponseID = 512

var errFound = errors.New("found")

// responseID is the ID of the answer in b; "" if there is none. The rest of b may be
// cut off.
func responseID(b []byte) (id string) {
	s := jsonscan.Scanner{B: b}
	inside := func(key []byte, v span) error {
		if string(jsonscan.Unescaped(key)) != "id" || b[v.From] != '"' || v.To-v.From > maxResponseID {
			return nil
		}
		id = quotedText(b, v)
		return errFound
	}
	s.Members(0, func(key []byte, v span) error {
		if string(jsonscan.Unescaped(key)) == "response" && b[v.From] == '{' {
			s.Members(v.From, inside)
			return errFound
		}
		return inside(key, v)
	})
	return id
}

// goesOn checks that the answer or conversation which a request continues belongs to
// its tenant.
func (c *call) goesOn() error {
	if !c.s.do.Kept {
		return nil
	}
	if id := quotedText(c.body, c.ask.previous); id != "" && !c.owns(id) {
		return &problem{is: errNoResponse, status: 400, code: "previous_response_not_found", param: "previous_response_id",
			message: fmt.Sprintf("previous_response_id %q is not known for this key's tenant: send the whole conversation as input", shortened(id))}
	}
	if err := c.pinTo(quotedText(c.body, c.ask.previous), "previous_response_id"); err != nil {
		return err
	}
	if id := quotedText(c.body, c.ask.conversation); id != "" && !c.owns(id) {
		return &problem{is: errNoResponse, status: 400, code: "conversation_not_found", param: "conversation",
			message: fmt.Sprintf("conversation %q is not known for this key's tenant: send the whole conversation as input", shortened(id))}
	}
	return c.refersTo()
}

// owns says whether the caller's tenant may use the answer with that ID: the answer is
// its own, or there is no other tenant. An unknown ID may be another tenant's.
func (c *call) owns(id string) bool {
	if c.st.alone {
		return true
	}
	if len(id) > maxResponseID {
		return false
	}
	of, ok := c.g.origins.of(c.x.ctx(), id)
	return ok && of.tenant == c.key.tenant.name
}
