package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"

	"github.com/pressly/goose/v3"
	_ "modernc.org/sqlite" // registers the driver "sqlite"
)

var sqlite = dialect{goose: goose.DialectSQLite3, migrations: "sqlite", closing: "PRAGMA wal_checkpoint(TRUNCATE)"}

// Open opens the SQLite file, creates it and its folder if needed (readable by
// its owner only) and brings its schema up to date. A file written by a newer
// version of Weir is refused.
func Open(path string) (*DB, error) {
	d, err := open(path)
	if err != nil {
		return nil, fmt.Errorf("store: open %s: %w", path, err)
	}
	return d, nil
}

func open(path string) (*DB, error) {
	if err := create(path); err != nil {
		return nil, err
	}
	opened, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	d := &DB{dialect: sqlite, name: path, path: path, opened: opened}
	if d.write, err = sql.Open("sqlite", source(path, "synchronous(FULL)")); err != nil {
		return nil, err
	}
	d.write.SetMaxOpenConns(1) // SQLite has one writer
	if d.read, err = sql.Open("sqlite", source(path, "query_only(true)")); err != nil {
		return nil, errors.Join(err, d.write.Close())
	}
	d.read.SetMaxOpenConns(readers)
	if err := d.migrate(context.Background()); err != nil {
		return nil, errors.Join(named(err), d.Close())
	}
	return d, nil
}

// OpenFile opens a SQLite file of another package, and creates it and its folder if needed
// (readable by its owner only): one connection that writes, and several that read. sync is
// SQLite's synchronous. The caller makes the schema.
func OpenFile(path, sync string) (write, read *sql.DB, err error) {
	if err := create(path); err != nil {
		return nil, nil, err
	}
	if write, err = sql.Open("sqlite", source(path, "synchronous("+sync+")")); err != nil {
		return nil, nil, err
	}
	write.SetMaxOpenConns(1)
	if read, err = sql.Open("sqlite", source(path, "query_only(true)")); err != nil {
		return nil, nil, errors.Join(err, write.Close())
	}
	read.SetMaxOpenConns(readers)
	return write, read, nil
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

// source is the data source name. A writer waits up to five seconds for another
// process's write, and takes the write lock when it begins: no transaction
// fails half way for lack of the lock.
func source(path, pragma string) string {
	q := url.Values{"_txlock": {"immediate"}}
	q["_pragma"] = []string{"busy_timeout(5000)", "journal_mode(WAL)", "foreign_keys(true)", pragma}
	return "file:" + (&url.URL{Path: path}).EscapedPath() + "?" + q.Encode()
}
