package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"
)

var postgres = dialect{goose: goose.DialectPostgres, migrations: "postgres", numbered: true}

// PostgresOptions are the database and the name of the gateway that writes.
type PostgresOptions struct {
	// URL, or key=value pairs, as libpq takes them. It may hold a password.
	URL string
	// Gateway names this gateway in the rows it writes. Two with one name are
	// no error; they only wait for each other's writes.
	Gateway string
	// Wait is how long to wait for a server that is unreachable or starting; 0:
	// 30 s. There is no wait for one that refuses the user.
	Wait time.Duration
}

// The bounds of a connection: to connect, to hold a transaction open while its
// client is silent (a frozen gateway must not hold up the others), and to wait
// for rows another client has locked.
const (
	connectLimit   = 5 * time.Second
	idleLimit      = "10s"
	lockLimit      = "20s"
	connectionIdle = 5 * time.Minute // then it is closed
	writers        = 2               // connections, for the ledger and for other writes
)

// OpenPostgres connects and brings the schema up to date; of several gateways
// that start at once one does so and the others wait. A database written by a
// newer version of Weir is refused. The connection must be to the server, or to
// a pooler that keeps sessions.
func OpenPostgres(ctx context.Context, o PostgresOptions) (*DB, error) {
	c, err := pgx.ParseConfig(o.URL)
	if err != nil {
		return nil, fmt.Errorf("store: %w", err) // without the password: pgx leaves it out
	}
	d, err := openPostgres(ctx, c, o)
	if err != nil {
		return nil, fmt.Errorf("store: open PostgreSQL database %s as user %q: %w", address(c), c.User, err)
	}
	return d, nil
}

// OpenPool opens connections to PostgreSQL for tables of another package, at most so many.
// where names the database for errors, without the password. Nothing is connected yet.
func OpenPool(url string, most int) (db *sql.DB, where string, err error) {
	c, err := pgx.ParseConfig(url)
	if err != nil {
		return nil, "", err // without the password: pgx leaves it out
	}
	if c.ConnectTimeout == 0 || c.ConnectTimeout > connectLimit {
		c.ConnectTimeout = connectLimit
	}
	db = stdlib.OpenDB(*c)
	db.SetMaxOpenConns(most)
	db.SetConnMaxIdleTime(connectionIdle)
	return db, address(c), nil
}

func address(c *pgx.ConnConfig) string { return fmt.Sprintf("%q at %s:%d", c.Database, c.Host, c.Port) }

func openPostgres(ctx context.Context, c *pgx.ConnConfig, o PostgresOptions) (*DB, error) {
	if c.ConnectTimeout == 0 || c.ConnectTimeout > connectLimit {
		c.ConnectTimeout = connectLimit
	}
	if c.RuntimeParams["application_name"] == "" {
		c.RuntimeParams["application_name"] = "weir " + o.Gateway
	}
	session := stdlib.OptionAfterConnect(func(ctx context.Context, conn *pgx.Conn) error {
		_, err := conn.Exec(ctx, "SET idle_in_transaction_session_timeout = '"+idleLimit+"'; SET lock_timeout = '"+lockLimit+"'")
		return err
	})
	d := &DB{dialect: postgres, name: address(c), gateway: text(o.Gateway), write: stdlib.OpenDB(*c, session), read: stdlib.OpenDB(*c, session)}
	d.write.SetMaxOpenConns(writers)
	d.read.SetMaxOpenConns(readers)
	d.write.SetConnMaxIdleTime(connectionIdle)
	d.read.SetConnMaxIdleTime(connectionIdle)
	if err := d.reach(ctx, o.Wait); err != nil {
		return nil, errors.Join(err, d.Close())
	}
	one, err := lock.NewPostgresSessionLocker(lock.WithLockTimeout(1, 60))
	if err == nil {
		err = d.migrate(ctx, goose.WithSessionLocker(one))
	}
	if err != nil {
		return nil, errors.Join(err, d.Close())
	}
	return d, nil
}

// reach waits until the server answers.
func (d *DB) reach(ctx context.Context, wait time.Duration) error {
	if wait <= 0 {
		wait = 30 * time.Second
	}
	over := time.Now().Add(wait)
	for {
		attempt, cancel := context.WithTimeout(ctx, connectLimit)
		err := d.write.PingContext(attempt)
		cancel()
		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil || refused(err):
			return err
		case time.Now().After(over):
			return fmt.Errorf("not reached within %s; start the server, or correct store.postgres: %w", wait, err)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(500 * time.Millisecond):
		}
	}
}

// refused says whether the server answered with a refusal that waiting will not
// change: class 28 (the user may not connect) or 3D (no such database).
func refused(err error) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && len(pg.Code) == 5 && (pg.Code[:2] == "28" || pg.Code[:2] == "3D")
}
