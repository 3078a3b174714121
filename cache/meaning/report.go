package meaning

import (
	"maps"
	"slices"

	"weir"
)

// Tally is what came of a pool's requests. Numbers only grow, until a restart.
type Tally struct {
	Looked   uint64 // requests whose words were embedded
	Late     uint64 // no embedding came within the time for it
	Unread   uint64 // the guard cannot read them, or the last turn is no single short text
	Near     uint64 // had a stored prompt near
	Served   uint64
	Expected float64 // of the served, the sum of their bounds: at most so many are wrong
	Compared Counts  // of those near that asked the model
	Audited  Counts  // of Compared, those that would have been served: the measured error
	Undone   uint64  // comparisons that could not be made
	Saved    weir.Money
	Spent    weir.Money // on embeddings and judges
}

func (t *Tally) plus(o *Tally) {
	t.Looked, t.Late, t.Unread, t.Near = t.Looked+o.Looked, t.Late+o.Late, t.Unread+o.Unread, t.Near+o.Near
	t.Served, t.Expected, t.Undone = t.Served+o.Served, t.Expected+o.Expected, t.Undone+o.Undone
	t.Compared = Counts{t.Compared.Right + o.Compared.Right, t.Compared.Wrong + o.Compared.Wrong}
	t.Audited = Counts{t.Audited.Right + o.Audited.Right, t.Audited.Wrong + o.Audited.Wrong}
	t.Saved, t.Spent = t.Saved+o.Saved, t.Spent+o.Spent
}

// Tally returns a pool's, to be added to; one of its own if there are too many pools.
func (s *Space) Tally(of Pool) *Tally {
	if p := s.poolOf(of); p != nil {
		return &p.Tally
	}
	return &Tally{}
}

// Row is what came of one model's requests, of all tenants.
type Row struct {
	Model   string
	Prompts int // stored
	Tally
}

// Report returns a row for each model, by name.
func (s *Space) Report() []Row {
	var rows []Row
	for _, of := range slices.SortedFunc(maps.Keys(s.pools), comparePools) {
		if len(rows) == 0 || rows[len(rows)-1].Model != of.Model {
			rows = append(rows, Row{Model: of.Model})
		}
		r := &rows[len(rows)-1]
		r.plus(&s.pools[of].Tally)
		r.Prompts += s.pools[of].prompts
	}
	return rows
}

// Bytes is the memory that the prompts take, about.
func (s *Space) Bytes() int { return s.bytes }

// Prompts is how many are stored.
func (s *Space) Prompts() int { return s.prompts }
