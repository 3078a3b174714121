package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"strings"

	"weir/meter"
)

const addRow = `
INSERT INTO usage_minute (minute, tenant, model, deployment, requests, completed, refused, failed, estimated,
    prompt_tokens, cached_tokens, completion_tokens, cost_microdollars)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (minute, tenant, model, deployment) DO UPDATE SET
    requests          = requests + excluded.requests,
    completed         = completed + excluded.completed,
    refused           = refused + excluded.refused,
    failed            = failed + excluded.failed,
    estimated         = estimated + excluded.estimated,
    prompt_tokens     = prompt_tokens + excluded.prompt_tokens,
    cached_tokens     = cached_tokens + excluded.cached_tokens,
    completion_tokens = completion_tokens + excluded.completion_tokens,
    cost_microdollars = cost_microdollars + excluded.cost_microdollars`

// Write adds the rows to the ledger in one transaction: all or, with an error,
// none.
func (s *SQLite) Write(ctx context.Context, rows []meter.Row) error {
	if len(rows) == 0 {
		return nil
	}
	if err := s.add(ctx, rows); err != nil {
		return fmt.Errorf("store: write %d rows of usage to %s: %w", len(rows), s.path, err)
	}
	return nil
}

func (s *SQLite) add(ctx context.Context, rows []meter.Row) (err error) {
	tx, err := s.write.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			if undo := tx.Rollback(); undo != nil && !errors.Is(undo, sql.ErrTxDone) {
				err = errors.Join(err, undo)
			}
		}
	}()
	add, err := tx.PrepareContext(ctx, addRow)
	if err != nil {
		return err
	}
	for _, r := range rows {
		if _, err := add.ExecContext(ctx, r.Minute, r.Tenant, r.Model, r.Deployment, r.Requests, r.Completed, r.Refused,
			r.Failed, r.Estimated, r.Prompt, r.Cached, r.Completion, int64(r.Cost)); err != nil {
			return err
		}
	}
	return tx.Commit()
}

// Usage sums rows as the query asks. See meter.Ledger.
func (s *SQLite) Usage(ctx context.Context, q meter.Query) ([]meter.Row, error) {
	rows, err := s.usage(ctx, q)
	if err != nil {
		return nil, fmt.Errorf("store: read usage from %s: %w", s.path, err)
	}
	return rows, nil
}

func (s *SQLite) usage(ctx context.Context, q meter.Query) (_ []meter.Row, err error) {
	limit := q.Limit
	if limit <= 0 {
		limit = meter.DefaultRows
	}
	text, args := selectUsage(q, limit)
	found, err := s.read.QueryContext(ctx, text, args...)
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
		if err := found.Scan(&r.Minute, &r.Tenant, &r.Model, &r.Deployment, &r.Requests, &r.Completed, &r.Refused, &r.Failed,
			&r.Estimated, &r.Prompt, &r.Cached, &r.Completion, &r.Cost); err != nil {
			return nil, err
		}
		rows = append(rows, r)
	}
	return rows, found.Err()
}

// selectUsage builds the statement; values travel as arguments, never as text.
func selectUsage(q meter.Query, limit int) (string, []any) {
	to := q.To
	if to <= 0 {
		to = math.MaxInt64
	}
	minute, args := "CAST(? AS INTEGER)", []any{q.From}
	if step := q.Step.Minutes(); step > 0 {
		minute, args = "minute / ? * ?", []any{step, step}
	}
	where := []string{"minute >= ?", "minute < ?"}
	args = append(args, q.From, to)
	columns := []string{minute + " AS at"}
	for _, c := range []struct {
		name, value string
		merged      bool
	}{{"tenant", q.Tenant, q.AllTenants}, {"model", q.Model, q.AllModels}, {"deployment", q.Deployment, q.AllDeployments}} {
		column := c.name
		if c.merged {
			column = "''"
		}
		columns = append(columns, column+" AS of_"+c.name)
		if c.value != "" {
			where = append(where, c.name+" = ?")
			args = append(args, c.value)
		}
	}
	text := "SELECT " + strings.Join(columns, ", ") + `, sum(requests), sum(completed), sum(refused), sum(failed), sum(estimated),
    sum(prompt_tokens), sum(cached_tokens), sum(completion_tokens), sum(cost_microdollars)
FROM usage_minute WHERE ` + strings.Join(where, " AND ") + `
GROUP BY at, of_tenant, of_model, of_deployment
ORDER BY at, of_tenant, of_model, of_deployment
LIMIT ?`
	return text, append(args, limit+1)
}
