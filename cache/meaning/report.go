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
	Undone   uint64  // of Near, neither served nor compared: the request failed, its answer was not stored, or nothing could compare it
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

// Figures are a Row as people and programs read it. Errors are shares of 1.
type Figures struct {
	Model    string  `json:"model"`
	MaxError float64 `json:"max_error"` // as configured; 0: the model has no semantic cache any more
	Shadow   bool    `json:"shadow"`
	Prompts  int     `json:"prompts"`

	Embedded uint64 `json:"embedded"`
	Late     uint64 `json:"late"`   // no embedding in time
	Unread   uint64 `json:"unread"` // not compared: tools, several parts, long, or not in Latin letters
	Near     uint64 `json:"near"`
	Served   uint64 `json:"served"`

	Expected float64 `json:"expected_error"` // mean of the bounds at which answers were served

	Audited      uint32  `json:"audited"` // asked the model though the bound held, or in the shadow
	AuditedWrong uint32  `json:"audited_wrong"`
	Measured     float64 `json:"measured_error"`      // of Audited
	MeasuredMost float64 `json:"measured_error_most"` // its upper bound; 1 if none was audited

	Compared      uint32 `json:"compared"` // all that asked the model though near, Audited included
	ComparedWrong uint32 `json:"compared_wrong"`
	Undone        uint64 `json:"undone"` // neither served nor compared; Near is Served, Compared, Undone and what is under way

	Saved weir.Money `json:"saved_dollars"`
	Spent weir.Money `json:"spent_dollars"`
}

// reportAim is the rate for which the bound in a report is the tightest.
const reportAim = 0.01

// Figures are the row's.
func (r *Row) Figures() Figures {
	f := Figures{
		Model: r.Model, Prompts: r.Prompts, Embedded: r.Looked, Late: r.Late, Unread: r.Unread, Near: r.Near, Served: r.Served,
		Audited: r.Audited.Right + r.Audited.Wrong, AuditedWrong: r.Audited.Wrong, Measured: r.Audited.Rate(), MeasuredMost: r.Audited.Upper(reportAim),
		Compared: r.Compared.Right + r.Compared.Wrong, ComparedWrong: r.Compared.Wrong, Undone: r.Undone,
		Saved: r.Saved, Spent: r.Spent,
	}
	if r.Served > 0 {
		f.Expected = r.Expected / float64(r.Served)
	}
	return f
}
