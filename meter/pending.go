package meter

import (
	"cmp"
	"slices"

	"weir"
)

// Other is the tenant, key, model and deployment of rows beyond the bound of
// Pending.
const Other = "other"

// DefaultPending bounds the distinct rows of a Pending that sets no Max.
const DefaultPending = 10_000

// maxOtherMinutes bounds the number of minutes with an Other row: one day.
const maxOtherMinutes = 24 * 60

// Pending sums Records to Rows until they are written. It is passive: its owner
// serialises the calls (store.Writer does). The zero value is ready.
//
// It holds at most Max distinct rows (0: DefaultPending). Beyond those it adds
// one row a minute named Other, for a day; later records are added to the
// newest of them. So nothing is ever lost: totals always add up, only their
// names coarsen.
type Pending struct {
	Max int

	rows   []Row
	index  map[place]int
	others int   // rows named Other
	newest place // the newest row named Other
	coarse uint64
}

type place struct {
	minute                         int64
	tenant, key, model, deployment string
	price                          string
}

// Add counts one ended request, in the minute it ended.
func (p *Pending) Add(rec weir.Record) {
	p.add(RowOf(rec))
}

// RowOf returns one record as a row.
func RowOf(rec weir.Record) Row {
	r := Row{
		Minute: minuteOf(rec.Ended), Tenant: rec.Tenant, Key: rec.Key, Model: rec.Model, Deployment: rec.Deployment, Price: rec.Price, Requests: 1,
		Prompt: rec.Usage.Prompt, Cached: rec.Usage.Cached, Completion: rec.Usage.Completion, Cost: rec.Cost,
		Classes: Classes{Written: rec.Usage.Written, WrittenHour: rec.Usage.WrittenHour, AudioPrompt: rec.Usage.AudioPrompt, Reasoning: rec.Usage.Reasoning, AudioAnswer: rec.Usage.AudioAnswer},
	}
	switch rec.Outcome {
	case weir.Completed:
		r.Completed = 1
		r.SavedTokens, r.Saved = rec.SavedTokens, rec.Saved
		if rec.Cache != "" && rec.Attempts == 0 {
			r.Stored = 1
		}
	case weir.Refused:
		r.Refused = 1
	default:
		r.Failed = 1
	}
	if rec.Usage.Estimated {
		r.Estimated = 1
	}
	return r
}

// minuteOf rounds down, also before 1970.
func minuteOf(t weir.Instant) int64 {
	m := int64(t) / int64(minute)
	if int64(t)%int64(minute) < 0 {
		m--
	}
	return m
}

func (p *Pending) add(r Row) {
	if p.index == nil {
		p.index = map[place]int{}
	}
	at := place{r.Minute, r.Tenant, r.Key, r.Model, r.Deployment, r.Price}
	i, ok := p.index[at]
	if !ok {
		at = p.room(at)
		if i, ok = p.index[at]; !ok {
			i = len(p.rows)
			p.index[at] = i
			p.rows = append(p.rows, Row{Minute: at.minute, Tenant: at.tenant, Key: at.key, Model: at.model, Deployment: at.deployment, Price: at.price})
		}
	}
	p.rows[i].Add(r)
}

// room returns the place for a new row.
func (p *Pending) room(at place) place {
	bound := p.Max
	if bound <= 0 {
		bound = DefaultPending
	}
	if len(p.rows)-p.others < bound {
		return at
	}
	other := place{at.minute, Other, Other, Other, Other, Other}
	if at != other {
		p.coarse++
	}
	if _, ok := p.index[other]; ok {
		return other
	}
	if p.others >= maxOtherMinutes {
		return p.newest
	}
	p.others++
	p.newest = other
	return other
}

// Take returns all rows, in the order of Compare, and forgets them: the caller
// writes them or calls Return.
func (p *Pending) Take() []Row {
	if len(p.rows) == 0 {
		return nil
	}
	rows := slices.Clone(p.rows)
	slices.SortFunc(rows, Compare)
	p.rows = p.rows[:0]
	clear(p.index)
	p.others = 0
	return rows
}

// Return takes back rows that could not be written.
func (p *Pending) Return(rows []Row) {
	for _, r := range rows {
		p.add(r)
	}
}

// Len returns the number of distinct rows to be written.
func (p *Pending) Len() int { return len(p.rows) }

// Coarsened returns how many additions have lost their names to a row named
// Other since the start.
func (p *Pending) Coarsened() uint64 { return p.coarse }

// Compare orders rows by minute, tenant, key, model, deployment and price,
// names as bytes.
func Compare(a, b Row) int {
	return cmp.Or(cmp.Compare(a.Minute, b.Minute), cmp.Compare(a.Tenant, b.Tenant), cmp.Compare(a.Key, b.Key),
		cmp.Compare(a.Model, b.Model), cmp.Compare(a.Deployment, b.Deployment), cmp.Compare(a.Price, b.Price))
}
