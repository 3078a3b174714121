package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"weir/meter"
)

// claimBatch touches one row if the batch is new, else none. A second attempt
// waits here for a first that still runs.
const claimBatch = `
INSERT INTO usage_writer (writer, batch, wrote) VALUES (?, ?, ?)
ON CONFLICT (writer) DO UPDATE SET batch = excluded.batch, wrote = excluded.wrote
WHERE usage_writer.batch < excluded.batch`

const (
	addRows = `
INSERT INTO usage_minute (minute, tenant, key, model, deployment, price, gateway, requests, completed, refused, failed, estimated,
    prompt_tokens, cached_tokens, completion_tokens, cost_microdollars,
    written_tokens, written_hour_tokens, audio_prompt_tokens, reasoning_tokens, audio_completion_tokens,
    stored, saved_tokens, saved_microdollars)
VALUES `
	oneRow   = `(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`
	addingUp = `
ON CONFLICT (minute, tenant, key, model, deployment, price, gateway) DO UPDATE SET
    requests          = usage_minute.requests + excluded.requests,
    completed         = usage_minute.completed + excluded.completed,
    refused           = usage_minute.refused + excluded.refused,
    failed            = usage_minute.failed + excluded.failed,
    estimated         = usage_minute.estimated + excluded.estimated,
    prompt_tokens     = usage_minute.prompt_tokens + excluded.prompt_tokens,
    cached_tokens     = usage_minute.cached_tokens + excluded.cached_tokens,
    completion_tokens = usage_minute.completion_tokens + excluded.completion_tokens,
    cost_microdollars = usage_minute.cost_microdollars + excluded.cost_microdollars,
    written_tokens          = usage_minute.written_tokens + excluded.written_tokens,
    written_hour_tokens     = usage_minute.written_hour_tokens + excluded.written_hour_tokens,
    audio_prompt_tokens     = usage_minute.audio_prompt_tokens + excluded.audio_prompt_tokens,
    reasoning_tokens        = usage_minute.reasoning_tokens + excluded.reasoning_tokens,
    audio_completion_tokens = usage_minute.audio_completion_tokens + excluded.audio_completion_tokens,
    stored             = usage_minute.stored + excluded.stored,
    saved_tokens       = usage_minute.saved_tokens + excluded.saved_tokens,
    saved_microdollars = usage_minute.saved_microdollars + excluded.saved_microdollars`
)

// rowsAtOnce are the lengths of insert statements: a thousand rows are ten
// round trips, and only three texts have to be prepared.
var rowsAtOnce = []int{100, 10, 1}

// Write adds the rows to the ledger in one transaction. See meter.Ledger.
func (d *DB) Write(ctx context.Context, b meter.Batch) error {
	if err := b.Validate(); err != nil {
		return err
	}
	rows := folded(b.Rows)
	if len(rows) == 0 {
		return nil
	}
	if err := d.present(); err != nil {
		return fmt.Errorf("store: write %d rows of usage to %s: %w", len(rows), d.name, err)
	}
	err := d.within(ctx, func(tx *sql.Tx) error {
		claimed, err := tx.ExecContext(ctx, d.sql(claimBatch), text(b.Writer), b.Number, time.Now().Unix()/60)
		if err != nil {
			return err
		}
		if fresh, err := claimed.RowsAffected(); err != nil || fresh == 0 {
			return err
		}
		return d.add(ctx, tx, rows)
	})
	if err != nil {
		return fmt.Errorf("store: write %d rows of usage to %s: %w", len(rows), d.name, named(err))
	}
	return nil
}

// folded sums rows of the same names and sorts them: a statement may not touch
// a row twice, and writers that lock rows in one order never deadlock.
func folded(rows []meter.Row) []meter.Row {
	rows = slices.Clone(rows)
	for i := range rows {
		r := &rows[i]
		r.Tenant, r.Key, r.Model, r.Deployment, r.Price = text(r.Tenant), text(r.Key), text(r.Model), text(r.Deployment), text(r.Price)
	}
	slices.SortFunc(rows, meter.Compare)
	out := rows[:0]
	for _, r := range rows {
		if n := len(out); n > 0 && meter.Compare(out[n-1], r) == 0 {
			out[n-1].Add(r)
		} else {
			out = append(out, r)
		}
	}
	return out
}

func (d *DB) add(ctx context.Context, tx *sql.Tx, rows []meter.Row) error {
	for _, size := range rowsAtOnce {
		if len(rows) < size {
			continue
		}
		add, err := tx.PrepareContext(ctx, d.sql(addRows+strings.Repeat(oneRow+", ", size-1)+oneRow+addingUp))
		if err != nil {
			return err
		}
		for ; len(rows) >= size; rows = rows[size:] {
			var args []any
			for _, r := range rows[:size] {
				args = append(args, r.Minute, r.Tenant, r.Key, r.Model, r.Deployment, r.Price, d.gateway, r.Requests, r.Completed, r.Refused,
					r.Failed, r.Estimated, r.Prompt, r.Cached, r.Completion, int64(r.Cost), r.Written, r.WrittenHour, r.AudioPrompt, r.Reasoning, r.AudioAnswer,
					r.Stored, r.SavedTokens, int64(r.Saved))
			}
			if _, err := add.ExecContext(ctx, args...); err != nil {
				return err
			}
		}
	}
	return nil
}

// Usage sums rows of all gateways as the query asks. See meter.Ledger.
func (d *DB) Usage(ctx context.Context, q meter.Query) ([]meter.Row, error) {
	ctx, cancel := context.WithTimeout(ctx, readLimit)
	defer cancel()
	rows, err := d.usage(ctx, q)
	if err != nil {
		return nil, fmt.Errorf("store: read usage from %s: %w", d.name, named(err))
	}
	return rows, nil
}

func (d *DB) usage(ctx context.Context, q meter.Query) (_ []meter.Row, err error) {
	limit := q.Limit
	if limit <= 0 {
		limit = meter.DefaultRows
	}
	statement, args := selectUsage(q, limit)
	found, err := d.read.QueryContext(ctx, d.sql(statement), args...)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, found.Close()) }()
	var rows []meter.Row
	for found.Next() {
		if len(rows) == limit {
			return nil, fmt.Errorf("%w: more than %d; ask for a shorter range, a longer step or fewer names, or raise the limit",
				meter.ErrTooManyRows, limit)
		}
		var r meter.Row
		if err := found.Scan(&r.Minute, &r.Tenant, &r.Key, &r.Model, &r.Deployment, &r.Price, &r.Requests, &r.Completed, &r.Refused, &r.Failed,
			&r.Estimated, &r.Prompt, &r.Cached, &r.Completion, &r.Cost,
			&r.Written, &r.WrittenHour, &r.AudioPrompt, &r.Reasoning, &r.AudioAnswer,
			&r.Stored, &r.SavedTokens, &r.Saved); err != nil {
			return nil, err
		}
		rows = append(rows, r)
	}
	return rows, found.Err()
}

// selectUsage builds the statement; values are always arguments, never text.
func selectUsage(q meter.Query, limit int) (string, []any) {
	to := q.To
	if to <= 0 {
		to = math.MaxInt64
	}
	minute, args := "CAST(? AS bigint)", []any{q.From}
	if step := q.Step.Minutes(); step > 0 {
		minute, args = "minute / CAST(? AS bigint) * CAST(? AS bigint)", []any{step, step}
	}
	where := []string{"minute >= ?", "minute < ?"}
	args = append(args, q.From, to)
	columns := []string{minute + " AS from_minute"}
	for _, c := range []struct {
		name, value string
		merged      bool
	}{{"tenant", q.Tenant, q.AllTenants}, {"key", q.Key, q.AllKeys}, {"model", q.Model, q.AllModels}, {"deployment", q.Deployment, q.AllDeployments}, {"price", "", !q.Prices}} {
		column := c.name
		if c.merged {
			column = "''"
		}
		columns = append(columns, column+" AS of_"+c.name)
		if c.value != "" {
			where = append(where, c.name+" = ?")
			args = append(args, text(c.value))
		}
	}
	for _, sum := range []string{"requests", "completed", "refused", "failed", "estimated",
		"prompt_tokens", "cached_tokens", "completion_tokens", "cost_microdollars",
		"written_tokens", "written_hour_tokens", "audio_prompt_tokens", "reasoning_tokens", "audio_completion_tokens",
		"stored", "saved_tokens", "saved_microdollars"} {
		columns = append(columns, "CAST(sum("+sum+") AS bigint)")
	}
	const names = "from_minute, of_tenant, of_key, of_model, of_deployment, of_price"
	return "SELECT " + strings.Join(columns, ", ") + "\nFROM usage_minute WHERE " + strings.Join(where, " AND ") +
		"\nGROUP BY " + names + "\nORDER BY " + names + "\nLIMIT ?", append(args, limit+1)
}
