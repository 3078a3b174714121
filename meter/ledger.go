package meter

import (
	"context"
	"errors"
	"fmt"

	"weir"
)

// Row is the use of one model on one deployment by one key of a tenant in one
// minute, at one set of prices. Requests = Completed + Refused + Failed.
type Row struct {
	Minute     int64  // minutes since the Unix epoch
	Tenant     string // "" when the key is unknown
	Key        string // its name in the tenant, never the key itself; "" when unknown, or in rows from before keys were recorded
	Model      string // as requested
	Deployment string // that served it; "" when none did
	Price      string // the prices behind Cost and their source; "" without a price, or where prices are summed

	Requests  int64
	Completed int64
	Refused   int64
	Failed    int64
	Estimated int64 // of Requests: those with tokens counted by Weir

	Prompt     int64 // tokens, including cached ones
	Cached     int64 // of Prompt
	Completion int64 // tokens
	Classes
	Cost weir.Money

	Stored      int64      // of Completed: those answered without the model, from a stored answer or another caller's
	SavedTokens int64      // prompt and answer of these, as counted when the model made them; and of embeddings, the stored part
	Saved       weir.Money // what the model cost then
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

// Add adds the counts of o; minute and names stay.
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
	r.Stored += o.Stored
	r.SavedTokens += o.SavedTokens
	r.Saved += o.Saved
	r.Cost += o.Cost
}

// Ledger stores rows permanently. Implementations are safe for concurrent use.
type Ledger interface {
	// Write adds the rows of the batch, all of them or none. A batch that was
	// already added changes nothing. An error may come after the rows were
	// stored (a lost connection); the writer therefore repeats the batch until
	// Write succeeds, and it counts once.
	Write(ctx context.Context, b Batch) error
	// Usage sums rows as the query asks, in the order of Compare.
	Usage(ctx context.Context, q Query) ([]Row, error)
}

// Batch is the rows of one Write, with its identity.
type Batch struct {
	// Writer is a unique name of the writer: one run of one gateway. It writes
	// one batch at a time.
	Writer string
	// Number of the batch: from 1, rising. A number not above the last one
	// stored of its Writer is already there.
	Number int64
	Rows   []Row
}

// Validate says whether the batch has an identity.
func (b Batch) Validate() error {
	if b.Writer == "" || b.Number < 1 {
		return fmt.Errorf("meter: batch %d of writer %q: a batch needs the name of its writer and a number from 1 on", b.Number, b.Writer)
	}
	return nil
}

// Step is the length of time of one row of an answer.
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

	// Names to sum over: rows that differ only in it are summed, and have ""
	// there.
	AllTenants, AllKeys, AllModels, AllDeployments bool

	Prices bool // keep prices apart; otherwise rows that differ only in them are summed

	// Limit bounds the rows of an answer; 0: DefaultRows. A query that exceeds
	// it fails with ErrTooManyRows instead of returning a part.
	Limit int
}

// DefaultRows bounds the answer to a Query that sets no Limit.
const DefaultRows = 100_000

// ErrTooManyRows: request a shorter range, a longer step or fewer names.
var ErrTooManyRows = errors.New("the answer has too many rows")
