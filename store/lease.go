package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"
)

// Term is one period of a leader: the holder of a lease, and the token that
// fences off earlier holders. Tokens of one lease only rise.
type Term struct {
	Holder string `json:"holder"` // one run of one gateway
	Token  int64  `json:"token"`
}

// ErrNotLeader: another gateway holds the lease, or has taken it since.
var ErrNotLeader = errors.New("this gateway is not the leader")

// takeLease takes a free or expired lease, or renews one's own. It uses the
// server's clock alone, because those of gateways may differ.
const takeLease = `
INSERT INTO lease (name, holder, token, expires) VALUES (?, ?, 1, clock_timestamp() + CAST(? AS interval))
ON CONFLICT (name) DO UPDATE SET
    holder  = excluded.holder,
    token   = lease.token + CASE WHEN lease.holder = excluded.holder AND lease.expires > clock_timestamp() THEN 0 ELSE 1 END,
    expires = excluded.expires
WHERE lease.holder = excluded.holder OR lease.expires <= clock_timestamp()
RETURNING token`

// TakeLease takes or renews the named lease for holder, until ttl from now. It
// returns ErrNotLeader while another holds it. PostgreSQL only, like everything
// in this file.
func (d *DB) TakeLease(ctx context.Context, name, holder string, ttl time.Duration) (Term, error) {
	t := Term{Holder: holder}
	err := d.write.QueryRowContext(ctx, d.sql(takeLease), name, holder, interval(ttl)).Scan(&t.Token)
	if errors.Is(err, sql.ErrNoRows) {
		return Term{}, ErrNotLeader
	}
	if err != nil {
		return Term{}, fmt.Errorf("store: take the lease %q in %s: %w", name, d.name, err)
	}
	return t, nil
}

// Holder returns the current term of the lease; zero if no gateway holds it.
func (d *DB) Holder(ctx context.Context, name string) (t Term, err error) {
	err = d.read.QueryRowContext(ctx, d.sql("SELECT holder, token FROM lease WHERE name = ? AND expires > clock_timestamp()"), name).Scan(&t.Holder, &t.Token)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return Term{}, fmt.Errorf("store: read the holder of the lease %q in %s: %w", name, d.name, err)
	}
	return t, nil
}

// GiveLease releases a lease early, which saves another gateway the wait for
// its end.
func (d *DB) GiveLease(ctx context.Context, name string, t Term) error {
	_, err := d.change(ctx, "UPDATE lease SET expires = clock_timestamp() WHERE name = ? AND holder = ? AND token = ?", name, t.Holder, t.Token)
	if err != nil {
		return fmt.Errorf("store: release the lease %q in %s: %w", name, d.name, err)
	}
	return nil
}

// asLeader runs do in a transaction that commits only if t still holds the
// lease. Another gateway that takes the lease waits for its end.
func (d *DB) asLeader(ctx context.Context, name string, t Term, do func(*sql.Tx) error) error {
	return d.within(ctx, func(tx *sql.Tx) error {
		var one int
		err := tx.QueryRowContext(ctx, d.sql("SELECT 1 FROM lease WHERE name = ? AND holder = ? AND token = ? FOR SHARE"),
			name, t.Holder, t.Token).Scan(&one)
		if errors.Is(err, sql.ErrNoRows) {
			return ErrNotLeader
		}
		if err != nil {
			return err
		}
		return do(tx)
	})
}

// interval formats a duration for PostgreSQL.
func interval(d time.Duration) string { return fmt.Sprintf("%d microseconds", d.Microseconds()) }
