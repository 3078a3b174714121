package meter

import (
	"context"
	"errors"

	"weir"
)

// Row is what one tenant used of one model on one deployment in one minute.
// Requests = Completed + Refused + Failed.
type Row struct {
	Minute     int64  // minutes since the Unix epoch
	Tenant     string // "" when the key was not known
	Model      string // as asked for
	Deployment string // that served it; "" when none did

	Requests  int64
	Completed int64
	Refused   int64
	Failed    int64
	Estimated int64 // of Requests, those whose tokens Weir counted itself

	Prompt     int64 // tokens, cached ones included
	Cached     int64 // of Prompt
	Completion int64 // tokens
	Cost       weir.Money
}

// Add adds the counts of o; the minute and the names stay.
func (r *Row) Add(o Row) {
	r.Requests += o.Requests
	r.Completed += o.Completed
	r.Refused += o.Refused
	r.Failed += o.Failed
	r.Estimated += o.Estimated
	r.Prompt += o.Prompt
	r.Cached += o.Cached
	r.Completion += o.Completion
	r.Cost += o.Cost
}

// Ledger keeps rows for good. Implementations are safe for concurrent use.
type Ledger interface {
	// Write adds the rows to what is there, all of them or, with an error, none.
	Write(ctx context.Context, rows []Row) error
	// Usage sums rows as the query asks, ordered by minute, tenant, model and
	// deployment.
	Usage(ctx context.Context, q Query) ([]Row, error)
}

// Step is the length of time one row of an answer stands for.
type Step uint8

const (
	PerMinute Step = iota
	PerHour        // UTC hours
	PerDay         // UTC days
	Whole          // the whole range in one; rows carry its From
)

// Minutes returns the length of a step in minutes; 0 for Whole.
func (s Step) Minutes() int64 {
	switch s {
	case PerHour:
		return 60
	case PerDay:
		return 24 * 60
	case Whole:
		return 0
	}
	return 1
}

// Query selects and sums rows of a Ledger.
type Query struct {
	From, To int64 // minutes since the Unix epoch, To exclusive; To 0: no end

	// Tenant, Model and Deployment select rows of that name; "" selects all.
	Tenant, Model, Deployment string

	Step Step // rows carry the first minute of their step

	// What not to tell apart: rows that differ only in it are summed, and carry
	// "" there.
	AllTenants, AllModels, AllDeployments bool

	// Limit bounds the rows of an answer; 0: DefaultRows. A query that exceeds
	// it fails with ErrTooManyRows instead of answering half.
	Limit int
}

// DefaultRows bounds the answer to a Query that sets no Limit.
const DefaultRows = 100_000

// ErrTooManyRows: ask for a shorter range, a longer step or fewer names.
var ErrTooManyRows = errors.New("the answer has too many rows")
