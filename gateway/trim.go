package gateway

import (
	"strconv"

	"weir/meter"
)

// Trim lowers max_tokens of requests that ask for far more than answers ever
// need. A provider books what a request may produce, not what it does: an absurd
// max_tokens fills a quota with nothing. What is trimmed can cut an answer short,
// so it is off unless configured. Of several bounds the lowest counts.
type Trim struct {
	Cap   int // tokens of one answer; 0: no bound
	Times int // times what 99 % of the tenant's answers of the model need, once known; 0: no bound
}

// trimQuantile is the share of answers that are not longer than what Times
// multiplies; leastTrim is what no learned bound goes below.
const (
	trimQuantile = 0.99
	leastTrim    = 256
)

// trimTo is what an answer may have at most by the rules of the model and of
// the tenant; 0: they bound nothing. The spending lock is held.
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

// trim lowers what the request asks for where that is more than the rules let.
// The spending lock is held.
func (c *call) trim(l *meter.Learned) {
	if c.ask.maxTokens == 0 && !c.ask.endless {
		return
	}
	if most := c.trimTo(l); most > 0 && (most < c.ask.maxTokens || c.ask.endless) {
		c.ask.trim = most
	}
}

// mayAnswer is how many tokens one answer may have; 0 where it is not stated.
func (a *ask) mayAnswer() int {
	if a.trim > 0 {
		return a.trim
	}
	return a.maxTokens
}

// editTrim lowers the members that ask for more. Where none asks for anything,
// the first that stands there empty (null, 0, -1) is given the number, or one of
// this name is put in.
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

// editStated gives the number to the first member that stands there, and to every
// further one that would have a server believe another.
func (a *ask) editStated(edits []edit, text []byte) []edit {
	for i, l := range a.answers {
		if !l.at.Absent() && (i == 0 || l.stated && (l.most == 0 || l.most > a.trim)) {
			edits = append(edits, edit{l.at.From, l.at.To, text})
		}
	}
	return edits
}

// sayTrim tells the caller.
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
