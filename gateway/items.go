package gateway

import (
	"bytes"
	"fmt"

	"weir/jsonscan"
)

// The items of a Responses API answer (messages, calls, reasoning) are stored with it,
// and a later request may name them in its input instead of sending them. So their
// origin is remembered as it is for answers.

// maxItems is how many items of one whole answer are remembered. A stream reports them
// one by one, without a bound of its own: maxOrigins bounds them all.
const maxItems = 64

var (
	itemNames    = []string{"id", "type"}
	itemDoneWord = []byte(`"response.output_item.done"`)
)

// item is the scanned part of an element of input or output: its ID and type, and
// whether it holds anything else.
type item struct {
	id, kind string
	more     bool
	fault    error // a member that two readers could read differently
}

func itemAt(s *jsonscan.Scanner, v span) (it item) {
	if s.B[v.From] != '{' {
		return it
	}
	s.Members(v.From, func(key []byte, v span) error {
		text := s.B[v.From] == '"' && v.To-v.From <= maxResponseID
		name, twice := jsonscan.Unescaped(key), false
		switch {
		case string(name) == "id" && text:
			it.id, twice = quotedText(s.B, v), it.id != ""
		case string(name) == "type" && text:
			it.kind, twice = quotedText(s.B, v), it.kind != ""
		default:
			it.more = it.more || s.B[v.From] != 'n'
			orFault(&it.fault, ownName("input[].", name, itemNames))
		}
		if twice {
			orFault(&it.fault, &fieldError{"input[]." + string(name), "given once, not twice"})
		}
		return nil
	})
	return it
}

func orFault(into *error, err error) {
	if *into == nil {
		*into = err
	}
}

// refers says whether it references a stored item: by its type, which may be missing if
// there is only an ID.
func (it *item) refers() bool {
	return it.id != "" && (it.kind == "item_reference" || it.kind == "" && !it.more)
}

// itemsOf calls keep with the IDs of the items in b: a whole answer, or the event that
// says an item is done.
func itemsOf(b []byte, keep func(id string)) {
	s, n := jsonscan.Scanner{B: b}, 0
	one := func(v span) error {
		if it := itemAt(&s, v); it.id != "" {
			keep(it.id)
			n++
		}
		if n >= maxItems {
			return errFound
		}
		return nil
	}
	s.Members(0, func(key []byte, v span) error {
		switch name := jsonscan.Unescaped(key); {
		case string(name) == "output" && b[v.From] == '[':
			return s.Elements(v, one)
		case string(name) == "item":
			return one(v)
		}
		return nil
	})
}

// refersTo checks that the items that input only names are the tenant's own, and pins
// the request to the replica that stores the first of them.
func (c *call) refersTo() error {
	v := c.ask.prompt
	if v.Absent() || c.body[v.From] != '[' {
		return nil
	}
	s := jsonscan.Scanner{B: c.body}
	return s.Elements(v, func(v span) error {
		it := itemAt(&s, v)
		if it.fault != nil {
			return ofBody(it.fault)
		}
		if !it.refers() {
			return nil
		}
		if !c.owns(it.id) {
			return &problem{is: errNoResponse, status: 400, code: "item_not_found", param: "input",
				message: fmt.Sprintf("input references the item %q, which is not known for this key's tenant: send the item itself", shortened(it.id))}
		}
		if c.pinned() {
			return nil
		}
		return c.pinTo(it.id, "input")
	})
}

// rememberItems records the origin of an answer's items, or of an event's item.
func (c *call) rememberItems(b []byte, event bool) {
	if c.s.do.Kept && (!event || bytes.Contains(b, itemDoneWord)) {
		itemsOf(b, c.noteOrigin)
	}
}
