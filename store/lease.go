package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"
)

// Term is one time of office: who holds a lease, and the token that fences off
// those who held it before. Tokens of one lease only rise.
type Term struct {
	Holder string `json:"holder"` // one run of one gateway
	Token  int64  `json:"token"`
}

// ErrNotInOffice: the lease is another's, or was taken by another since.
var ErrNotInOffice = errors.New("not in office")

// takeLease takes a lease that is free or over, or prolongs one's own. By the
// server's clock alone: those of gateways may differ.
const takeLease = `
INSERT INTO lease (name, holder, token, expires) VALUES (?, ?, 1, clock_timestamp() + CAST(? AS interval))
ON CONFLICT (name) DO UPDATE SET
    holder  = excluded.holder,
    token   = lease.token + CASE WHEN lease.holder = excluded.holder AND lease.expires > clock_timestamp() THEN 0 ELSE 1 END,
    expires = excluded.expires
WHERE lease.holder = excluded.holder OR lease.expires <= clock_timestamp()
RETURNING token`

// TakeLease takes the lease of that name for holder, or prolongs it, until ttl
// from now. It returns ErrNotInOffice while another holds it. PostgreSQL only,
// as all in this file.
func (d *DB) TakeLease(ctx context.Context, name, holder string, ttl time.Duration) (Term, error) {
	t := Term{Holder: holder}
	err := d.write.QueryRowContext(ctx, d.sql(takeLease), name, holder, interval(ttl)).Scan(&t.Token)
	if errors.Is(err, sql.ErrNoRows) {
		return Term{}, ErrNotInOffice
	}
	if err != nil {
		return Term{}, fmt.Errorf("store: take the lease %q in %s: %w", name, d.name, err)
	}
	return t, nil
}

// Holder is the term of whoever holds the lease now; zero: nobody does.
func (d *DB) Holder(ctx context.Context, name string) (t Term, err error) {
	err = d.read.QueryRowContext(ctx, d.sql("SELECT holder, token FROM lease WHERE name = ? AND expires > clock_timestamp()"), name).Scan(&t.Holder, &t.Token)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return Term{}, fmt.Errorf("store: who holds the lease %q in %s: %w", name, d.name, err)
	}
	return t, nil
}

// GiveLease ends a term before its time, so that another need not wait for it.
func (d *DB) GiveLease(ctx context.Context, name string, t Term) error {
	_, err := d.change(ctx, "UPDATE lease SET expires = clock_timestamp() WHERE name = ? AND holder = ? AND token = ?", name, t.Holder, t.Token)
	if err != nil {
		return fmt.Errorf("store: give the lease %q in %s back: %w", name, d.name, err)
	}
	return nil
}

// inOffice runs do in a transaction that holds only if nobody has taken the
// lease from t until it is over: another waits with taking it that long.
func (d *DB) inOffice(ctx context.Context, name string, t Term, do func(*sql.Tx) error) error {
	return d.within(ctx, func(tx *sql.Tx) error {
		var one int
		err := tx.QueryRowContext(ctx, d.sql("SELECT 1 FROM lease WHERE name = ? AND holder = ? AND token = ? FOR SHARE"),
			name, t.Holder, t.Token).Scan(&one)
		if errors.Is(err, sql.ErrNoRows) {
			return ErrNotInOffice
		}
		if err != nil {
			return err
		}
		return do(tx)
	})
}

// interval words a duration as PostgreSQL takes it.
func interval(d time.Duration) string { return fmt.Sprintf("%d microseconds", d.Microseconds()) }
