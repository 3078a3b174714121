package store

import (
	"context"
	"fmt"
	"log/slog"
	"time"
)

const (
	trimEvery = time.Hour
	trimPause = 100 * time.Millisecond // between deletes, to let writes in
	trimRows  = 5000                   // of one delete, up to the end of a minute

	// forgetWriter is how long after its last batch a writer is forgotten, in
	// minutes: a batch tried again even later would count twice.
	forgetWriter = 7 * 24 * 60
)

// oldest deletes whole minutes, oldest first, with about trimRows rows in all.
const oldest = `
DELETE FROM usage_minute WHERE minute < ? AND minute <= (
    SELECT max(minute) FROM (SELECT minute FROM usage_minute WHERE minute < ? ORDER BY minute LIMIT ?) AS first)`

// Trim deletes usage of minutes before the given one, a few thousand rows at a
// time, and the entries of writers that ended long ago. It returns how many
// rows of usage it has deleted, also with an error.
func (d *DB) Trim(ctx context.Context, before, now int64) (deleted int64, err error) {
	for {
		n, err := d.change(ctx, oldest, before, before, trimRows)
		deleted += n
		if err == nil && n == 0 {
			_, err = d.change(ctx, "DELETE FROM usage_writer WHERE wrote < ?", now-forgetWriter)
			if err == nil {
				return deleted, nil
			}
		}
		if err != nil {
			return deleted, fmt.Errorf("store: delete old usage from %s: %w", d.name, err)
		}
		select {
		case <-ctx.Done():
			return deleted, ctx.Err()
		case <-time.After(trimPause):
		}
	}
}

// change runs one statement and returns how many rows it touched.
func (d *DB) change(ctx context.Context, statement string, args ...any) (int64, error) {
	ctx, cancel := context.WithTimeout(ctx, readLimit)
	defer cancel()
	result, err := d.write.ExecContext(ctx, d.sql(statement), args...)
	if err != nil {
		return 0, err
	}
	return result.RowsAffected()
}

// Retain deletes usage older than keep, every hour until ctx ends. A failed
// delete is tried again an hour later.
func (d *DB) Retain(ctx context.Context, keep time.Duration, log *slog.Logger) error {
	tick := time.NewTicker(trimEvery)
	defer tick.Stop()
	for {
		now := time.Now()
		n, err := d.Trim(ctx, now.Add(-keep).Unix()/60, now.Unix()/60)
		switch {
		case err != nil && ctx.Err() == nil:
			log.Error("old usage cannot be deleted; tried again in an hour", "error", err, "deleted", n)
		case n > 0:
			log.Info("old usage deleted", "rows", n, "older_than", keep.String())
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}
