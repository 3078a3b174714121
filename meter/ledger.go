package meter

import (
	"context"
	"errors"
	"fmt"

	"weir"
)

// Row is what one key of a tenant used of one model on one deployment in one
// minute, at one set of prices.
// Requests = Completed + Refused + Failed.
type Row struct {
	Minute     int64  // minutes since the Unix epoch
	Tenant     string // "" when the key was not known
	Key        string // its name in the tenant, never the key itself; "" when not known, or before keys were told apart
	Model      string // as asked for
	Deployment string // that served it; "" when none did
	Price      string // the prices Cost was made of and where they are from; "" where nothing has a price, or where they are not told apart

	Requests  int64
	Completed int64
	Refused   int64
	Failed    int64
	Estimated int64 // of Requests, those whose tokens Weir counted itself

	Prompt     int64 // tokens, cached ones included
	Cached     int64 // of Prompt
	Completion int64 // tokens
	Classes
	Cost weir.Money
}

// Classes are the tokens that may have a price of their own. See weir.Usage.
type Classes struct {
	Written, WrittenHour, AudioPrompt int64 // of Prompt
	Reasoning, AudioAnswer            int64 // of Completion
}

func (c *Classes) add(o Classes) {
	c.Written += o.Written
	c.WrittenHour += o.WrittenHour
	c.AudioPrompt += o.AudioPrompt
	c.Reasoning += o.Reasoning
	c.AudioAnswer += o.AudioAnswer
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
	r.Classes.add(o.Classes)
	r.Cost += o.Cost
}

// Ledger keeps rows for good. Implementations are safe for concurrent use.
type Ledger interface {
	// Write adds the rows of the batch to what is there, all of them or none. A
	// batch that is there already changes nothing, so that one whose Write
	// ended with an error, which may have come after the rows were kept (a
	// connection lost), is written again until it succeeds, and counts once.
	Write(ctx context.Context, b Batch) error
	// Usage sums rows as the query asks, ordered as Compare does.
	Usage(ctx context.Context, q Query) ([]Row, error)
}

// Batch is what one Write adds, and its name.
type Batch struct {
	// Writer names who writes, unlike any other: one run of one gateway. It
	// writes one batch at a time.
	Writer string
	// Number of the batch: from 1, rising. One that is not above the last kept
	// of its Writer is there already.
	Number int64
	Rows   []Row
}

// Validate says whether the batch can be told from others.
func (b Batch) Validate() error {
	if b.Writer == "" || b.Number < 1 {
		return fmt.Errorf("meter: batch %d of writer %q: a batch needs the name of its writer and a number from 1 on", b.Number, b.Writer)
	}
	return nil
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

	// Tenant, Key, Model and Deployment select rows of that name; "" selects all.
	Tenant, Key, Model, Deployment string

	Step Step // rows carry the first minute of their step

	// What not to tell apart: rows that differ only in it are summed, and carry
	// "" there.
	AllTenants, AllKeys, AllModels, AllDeployments bool

	Prices bool // tell prices apart; otherwise rows that differ only in them are summed

	// Limit bounds the rows of an answer; 0: DefaultRows. A query that exceeds
	// it fails with ErrTooManyRows instead of answering half.
	Limit int
}

// DefaultRows bounds the answer to a Query that sets no Limit.
const DefaultRows = 100_000

// ErrTooManyRows: ask for a shorter range, a longer step or fewer names.
var ErrTooManyRows = errors.New("the answer has too many rows")
