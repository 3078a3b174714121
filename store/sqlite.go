// Package store keeps what must outlive the process: the usage ledger, in a
// SQLite file by default. It implements meter.Ledger and owns the schema, the
// migrations and the Writer that carries rows from memory to the ledger. It
// knows nothing of requests in flight or of limits.
//
// # What survives what
//
// A write is one transaction in a write-ahead log that is synced before the
// write returns (synchronous=FULL): one sync a second at the Writer's pace, and
// no request waits for it. So a written row survives the death of the process
// and of the machine. What the Writer has not written yet, at most Every and
// the write that is under way, is lost with the process on kill -9, and on
// nothing less: a clean stop writes everything.
package store

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"

	"github.com/pressly/goose/v3"
	_ "modernc.org/sqlite" // registers the driver "sqlite"
)

//go:embed migrations/*.sql
var migrations embed.FS

// SQLite is a meter.Ledger in one file. It is safe for concurrent use; several
// processes may have the file open.
type SQLite struct {
	path  string
	write *sql.DB // one connection: SQLite has one writer
	read  *sql.DB // a long query never holds up a write
}

// readers bounds the queries that run at once.
const readers = 4

// Open opens the file, creates it and its folder if needed (readable by its
// owner only) and brings its schema up to date. A file written by a newer
// version of Weir is refused.
func Open(path string) (*SQLite, error) {
	s, err := open(path)
	if err != nil {
		return nil, fmt.Errorf("store: open %s: %w", path, err)
	}
	return s, nil
}

func open(path string) (*SQLite, error) {
	if err := create(path); err != nil {
		return nil, err
	}
	s := &SQLite{path: path}
	var err error
	if s.write, err = sql.Open("sqlite", source(path, "synchronous(FULL)")); err != nil {
		return nil, err
	}
	s.write.SetMaxOpenConns(1)
	if s.read, err = sql.Open("sqlite", source(path, "query_only(true)")); err != nil {
		return nil, errors.Join(err, s.write.Close())
	}
	s.read.SetMaxOpenConns(readers)
	if err := s.migrate(context.Background()); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// create makes the file with tight permissions before SQLite would with loose ones.
func create(path string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	return f.Close()
}

// source is the data source name. Writers wait up to five seconds for another
// process's write and take the write lock when they begin, so that a
// transaction never fails half way for want of it.
func source(path, pragma string) string {
	q := url.Values{"_txlock": {"immediate"}}
	q["_pragma"] = []string{"busy_timeout(5000)", "journal_mode(WAL)", "foreign_keys(true)", pragma}
	return "file:" + (&url.URL{Path: path}).EscapedPath() + "?" + q.Encode()
}

func (s *SQLite) migrate(ctx context.Context) error {
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return err
	}
	p, err := goose.NewProvider(goose.DialectSQLite3, s.write, files, goose.WithDisableGlobalRegistry(true))
	if err != nil {
		return fmt.Errorf("read migrations: %w", err)
	}
	have, want, err := p.GetVersions(ctx)
	if err != nil {
		return fmt.Errorf("read schema version: %w", err)
	}
	if have > want {
		return fmt.Errorf("its schema is version %d and this weir knows %d: use the newer weir that wrote it, or another file", have, want)
	}
	if _, err := p.Up(ctx); err != nil {
		return fmt.Errorf("migrate schema from version %d to %d: %w", have, want, err)
	}
	return nil
}

// Close folds the write-ahead log into the file and closes it.
func (s *SQLite) Close() error {
	_, err := s.write.Exec("PRAGMA wal_checkpoint(TRUNCATE)")
	if err != nil {
		err = fmt.Errorf("store: checkpoint %s: %w", s.path, err)
	}
	return errors.Join(err, s.read.Close(), s.write.Close())
}
