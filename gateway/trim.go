package gateway

import (
	"strconv"

	"weir/meter"
)

// Trim lowers max_tokens of requests that ask for far more than answers need. A
// provider books what a request may produce, not what it does: an absurd max_tokens
// fills a quota for nothing. Trimming can cut an answer short, so it is off unless
// configured. Of several bounds the lowest counts.
type Trim struct {
	Cap   int // tokens of one answer; 0: no bound
	Times int // this many times the length that covers 99 % of the tenant's answers, once known; 0: no bound
}

// trimQuantile is the share of answers covered by the length that Times multiplies.
// leastTrim is the smallest learned bound.
const (
	trimQuantile = 0.99
	leastTrim    = 256
)

// trimTo is the most tokens of one answer under the rules of the model and the tenant;
// 0: no bound. The spending lock is held.
func (c *call) trimTo(l *meter.Learned) int {
	most := 0
	lower := func(to int) {
		if to > 0 && (most == 0 || to < most) {
			most = to
		}
	}
	for _, t := range [...]Trim{c.booking.served.trim, c.key.tenant.trim} {
		lower(t.Cap)
		if t.Times == 0 {
			continue
		}
		if n, ok := l.Percentile(c.booking.rec.Tenant, c.booking.rec.Model, trimQuantile); ok {
			lower(max(n*t.Times, leastTrim))
		}
	}
	return most
}

// trim lowers the requested max_tokens to the rules' bound. The spending lock is held.
func (c *call) trim(l *meter.Learned) {
	if c.ask.maxTokens == 0 && !c.ask.endless {
		return
	}
	if most := c.trimTo(l); most > 0 && (most < c.ask.maxTokens || c.ask.endless) {
		c.ask.trim = most
	}
}

// mayAnswer is the most tokens of one answer; 0 if not stated.
func (a *ask) mayAnswer() int {
	if a.trim > 0 {
		return a.trim
	}
	return a.maxTokens
}

// editTrim lowers the members that ask for more. If none sets a bound, the first one
// present (null, 0, -1) is set, or a member of this name is inserted.
func (a *ask) editTrim(edits []edit, name string) []edit {
	text := strconv.AppendInt(nil, int64(a.trim), 10)
	if a.maxTokens == 0 {
		if !a.answers[0].at.Absent() {
			return a.editStated(edits, text)
		}
		member := append(append([]byte{'"'}, name...), '"', ':')
		member = append(member, text...)
		if !a.empty {
			member = append(member, ',')
		}
		return append(edits, edit{a.open, a.open, member})
	}
	for _, l := range a.answers {
		if l.most > a.trim {
			edits = append(edits, edit{l.at.From, l.at.To, text})
		}
	}
	return edits
}

// editStated sets the first member present, and every further one that could make a
// server use another bound.
func (a *ask) editStated(edits []edit, text []byte) []edit {
	for i, l := range a.answers {
		if !l.at.Absent() && (i == 0 || l.stated && (l.most == 0 || l.most > a.trim)) {
			edits = append(edits, edit{l.at.From, l.at.To, text})
		}
	}
	return edits
}

// sayTrim sets the header that reports the change to the caller.
func (c *call) sayTrim() {
	if c.ask.trim == 0 {
		return
	}
	said := strconv.Itoa(c.ask.trim)
	switch {
	case c.ask.maxTokens == 0 && !c.booking.promised.ordered:
		said += "; trimmed"
	case c.ask.maxTokens == 0:
		said += "; set by a budget"
	case c.booking.promised.ordered:
		said += "; lowered by a budget from " + strconv.Itoa(c.ask.maxTokens)
	default:
		said += "; trimmed from " + strconv.Itoa(c.ask.maxTokens)
	}
	c.x.set("X-Weir-Max-Tokens", said)
}
