// Package store keeps what must outlive the process: the usage ledger, in a
// SQLite file by default, in PostgreSQL for several gateways. It implements
// meter.Ledger and owns the schema, the migrations and the Writer that carries
// rows from memory to the ledger. It knows nothing of requests in flight or of
// limits.
//
// # What survives what
//
// A write is one transaction that is on disk before the write returns (SQLite:
// a write-ahead log with synchronous=FULL; PostgreSQL: its default,
// synchronous_commit=on). At the Writer's pace that is one sync a second, and
// no request waits for it. A written row survives the death of the process and
// of the machine. Unwritten rows, at most those of Every and of the write under
// way, are lost only on kill -9: a clean stop writes everything. While the
// database cannot be reached, all rows since then are unwritten, and a kill -9
// loses them.
package store

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/pressly/goose/v3"
)

//go:embed migrations
var migrations embed.FS

// DB is a meter.Ledger in a database. It is safe for concurrent use, also by
// several processes.
type DB struct {
	dialect
	name    string  // for errors: a path, or host and database
	gateway string  // of the rows it writes
	write   *sql.DB // apart from read: a long query never holds up a write
	read    *sql.DB

	path   string      // of a SQLite file; "": PostgreSQL
	opened os.FileInfo // the file as it was opened
	lock   *os.File    // held while this process is the writer; nil: not asked for
}

// dialect is the differences between the databases, except how they are opened.
type dialect struct {
	goose      goose.Dialect
	migrations string // their folder
	numbered   bool   // parameters are $1, $2, not ?
	closing    string // a last statement; "": none
}

// readers bounds concurrent queries, readLimit the duration of one.
const (
	readers   = 4
	readLimit = 30 * time.Second
)

func (d *DB) migrate(ctx context.Context, o ...goose.ProviderOption) error {
	files, err := fs.Sub(migrations, "migrations/"+d.migrations)
	if err != nil {
		return err
	}
	p, err := goose.NewProvider(d.dialect.goose, d.write, files, append(o, goose.WithDisableGlobalRegistry(true))...)
	if err != nil {
		return fmt.Errorf("read migrations: %w", err)
	}
	have, want, err := p.GetVersions(ctx)
	if err != nil {
		return fmt.Errorf("read schema version: %w", err)
	}
	if have > want {
		return fmt.Errorf("its schema is version %d and this weir knows %d: use the newer weir that wrote it, or another database", have, want)
	}
	if _, err := p.Up(ctx); err != nil {
		return fmt.Errorf("migrate schema from version %d to %d: %w", have, want, err)
	}
	return nil
}

// Close closes the database. A SQLite file has its write-ahead log folded in.
func (d *DB) Close() error {
	var err error
	if d.closing != "" {
		if _, err = d.write.Exec(d.closing); err != nil {
			err = fmt.Errorf("store: close %s: %w", d.name, err)
		}
	}
	err = errors.Join(err, d.read.Close(), d.write.Close())
	if d.lock != nil {
		err = errors.Join(err, d.lock.Close())
	}
	return err
}

// within runs do in a transaction: all of it or, on an error, nothing. The
// exception is an error of a commit whose answer was lost: then the outcome is
// unknown.
func (d *DB) within(ctx context.Context, do func(*sql.Tx) error) (err error) {
	tx, err := d.write.BeginTx(ctx, nil)
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
	if err := do(tx); err != nil {
		return err
	}
	return tx.Commit()
}

// sql translates a statement, written with ?, for the database.
func (d dialect) sql(text string) string {
	if !d.numbered {
		return text
	}
	var b strings.Builder
	n := 0
	for _, r := range text {
		if r != '?' {
			b.WriteRune(r)
			continue
		}
		n++
		b.WriteByte('$')
		b.WriteString(strconv.Itoa(n))
	}
	return b.String()
}

// text makes a name fit for any database: PostgreSQL accepts neither zero bytes
// nor invalid UTF-8, and one bad name must not make a batch unwritable.
func text(name string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(name, "\uFFFD"), "\x00", "\uFFFD")
}
