// Package chunks keeps an index's documents, chunks and vectors in a SQLite file or in
// PostgreSQL with pgvector. It implements index.Store.
//
// It owns the schemas and how the nearest chunks are found: SQLite's are searched in this
// process (package nearest) and then compared exactly, PostgreSQL's by pgvector, exactly.
// It refuses to know what a document is, and who embeds it.
package chunks

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"weir/index"
	"weir/index/nearest"
	"weir/store"
)

// SQLite is an index in a file. It is safe for concurrent use.
type SQLite struct {
	path        string
	write, read *sql.DB
	loaded      loaded
}

const schema = `
CREATE TABLE IF NOT EXISTS space (id INTEGER PRIMARY KEY AUTOINCREMENT, model TEXT NOT NULL, version TEXT NOT NULL, chunks TEXT NOT NULL, live INTEGER NOT NULL DEFAULT 0, UNIQUE (model, version, chunks));
CREATE TABLE IF NOT EXISTS document (space INTEGER NOT NULL REFERENCES space ON DELETE CASCADE, id TEXT NOT NULL, hash TEXT NOT NULL, attributes TEXT NOT NULL, PRIMARY KEY (space, id)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS chunk (id INTEGER PRIMARY KEY AUTOINCREMENT, space INTEGER NOT NULL, document TEXT NOT NULL, place INTEGER NOT NULL, hash TEXT NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL, heading TEXT NOT NULL, body TEXT NOT NULL, vector BLOB NOT NULL,
  FOREIGN KEY (space, document) REFERENCES document (space, id) ON DELETE CASCADE);
CREATE INDEX IF NOT EXISTS chunk_document ON chunk (space, document);
CREATE INDEX IF NOT EXISTS chunk_hash ON chunk (space, hash);
CREATE TABLE IF NOT EXISTS state (one INTEGER PRIMARY KEY CHECK (one = 1), change INTEGER NOT NULL);
INSERT OR IGNORE INTO state VALUES (1, 0);`

// Open opens the index in a file, and creates it if needed.
func Open(path string) (*SQLite, error) {
	s := &SQLite{path: path}
	var err error
	if s.write, s.read, err = store.OpenFile(path, "FULL"); err != nil {
		return nil, fmt.Errorf("open the index in %s: %w", path, err)
	}
	if _, err = s.write.Exec(schema); err != nil {
		return nil, errors.Join(fmt.Errorf("open the index in %s: %w", path, err), s.Close())
	}
	return s, nil
}

// Close closes the file.
func (s *SQLite) Close() error { return errors.Join(s.read.Close(), s.write.Close()) }

// within runs do in one transaction, which also counts as a change.
func (s *SQLite) within(ctx context.Context, do func(*sql.Tx) error) error {
	tx, err := s.write.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback() // after a commit it does nothing
	if err := do(tx); err != nil {
		return fmt.Errorf("write the index in %s: %w", s.path, err)
	}
	if _, err := tx.ExecContext(ctx, "UPDATE state SET change = change + 1"); err != nil {
		return err
	}
	return tx.Commit()
}

// Open implements index.Store.
func (s *SQLite) Open(ctx context.Context, sp index.Space) (id int64, err error) {
	err = s.within(ctx, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, "INSERT INTO space (model, version, chunks) VALUES (?, ?, ?) ON CONFLICT DO NOTHING", sp.Model, sp.Version, sp.Chunks); err != nil {
			return err
		}
		return tx.QueryRowContext(ctx, "SELECT id FROM space WHERE model = ? AND version = ? AND chunks = ?", sp.Model, sp.Version, sp.Chunks).Scan(&id)
	})
	return id, err
}

// Documents implements index.Store.
func (s *SQLite) Documents(ctx context.Context, space int64) (map[string]string, error) {
	return pairs(ctx, s.read, "SELECT id, hash FROM document WHERE space = ?", space)
}

// queries is a database or a transaction.
type queries interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// pairs reads rows of two texts.
func pairs(ctx context.Context, db queries, query string, args ...any) (map[string]string, error) {
	rows, err := db.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	out := map[string]string{}
	for rows.Next() {
		var id, value string
		if err := rows.Scan(&id, &value); err != nil {
			return nil, err
		}
		out[id] = value
	}
	return out, rows.Err()
}

// perQuery is how many values one query lists.
const perQuery = 200

// Vectors implements index.Store.
func (s *SQLite) Vectors(ctx context.Context, space int64, hashes []string) (map[string][]float32, error) {
	out := map[string][]float32{}
	for len(hashes) > 0 {
		n := min(len(hashes), perQuery)
		args := []any{space}
		for _, h := range hashes[:n] {
			args = append(args, h)
		}
		rows, err := s.read.QueryContext(ctx, "SELECT hash, vector FROM chunk WHERE space = ? AND hash IN (?"+strings.Repeat(",?", n-1)+")", args...)
		if err != nil {
			return nil, err
		}
		for rows.Next() {
			var hash string
			var data sql.RawBytes
			if err := rows.Scan(&hash, &data); err != nil {
				rows.Close()
				return nil, err
			}
			out[hash] = nearest.Floats(data)
		}
		if err := errors.Join(rows.Err(), rows.Close()); err != nil {
			return nil, err
		}
		hashes = hashes[n:]
	}
	return out, nil
}

// Put implements index.Store.
func (s *SQLite) Put(ctx context.Context, space int64, docs []index.Stored) error {
	return s.within(ctx, func(tx *sql.Tx) error {
		var have int
		if err := tx.QueryRowContext(ctx, "SELECT length(vector) / 4 FROM chunk WHERE space = ? LIMIT 1", space).Scan(&have); err != nil && !errors.Is(err, sql.ErrNoRows) {
			return err
		}
		if err := oneLength(have, docs); err != nil {
			return err
		}
		add, err := tx.PrepareContext(ctx, "INSERT INTO chunk (space, document, place, hash, first, last, heading, body, vector) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)")
		if err != nil {
			return err
		}
		defer add.Close()
		for _, d := range docs {
			attributes, err := json.Marshal(d.Attributes)
			if err != nil {
				return err
			}
			if _, err := tx.ExecContext(ctx, "DELETE FROM document WHERE space = ? AND id = ?", space, d.ID); err != nil {
				return err
			}
			if _, err := tx.ExecContext(ctx, "INSERT INTO document (space, id, hash, attributes) VALUES (?, ?, ?, ?)", space, d.ID, d.Hash, string(attributes)); err != nil {
				return err
			}
			for i, c := range d.Chunks {
				if _, err := add.ExecContext(ctx, space, d.ID, i, c.Hash, c.Start, c.End, c.Heading, c.Text, nearest.Bytes(c.Vector)); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

// oneLength refuses vectors of another length than have, that of the space; 0: it has none.
// Vectors of two lengths are of two models.
func oneLength(have int, docs []index.Stored) error {
	for i := range docs {
		for _, c := range docs[i].Chunks {
			if have != 0 && len(c.Vector) != have {
				return fmt.Errorf("document %q: the model's vectors have %d numbers, those of the index have %d, so the model has changed: build with another --model-version", docs[i].ID, len(c.Vector), have)
			}
			have = len(c.Vector)
		}
	}
	return nil
}

// Delete implements index.Store.
func (s *SQLite) Delete(ctx context.Context, space int64, ids []string) error {
	return s.within(ctx, func(tx *sql.Tx) error {
		for _, id := range ids {
			if _, err := tx.ExecContext(ctx, "DELETE FROM document WHERE space = ? AND id = ?", space, id); err != nil {
				return err
			}
		}
		return nil
	})
}

// Publish implements index.Store.
func (s *SQLite) Publish(ctx context.Context, space int64) error {
	return s.within(ctx, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, "UPDATE space SET live = (id = ?)", space); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, "DELETE FROM space WHERE id <> ?", space)
		return err
	})
}

// Live implements index.Store.
func (s *SQLite) Live(ctx context.Context) (sp index.Space, err error) {
	err = s.read.QueryRowContext(ctx, "SELECT model, version, chunks FROM space WHERE live = 1").Scan(&sp.Model, &sp.Version, &sp.Chunks)
	if errors.Is(err, sql.ErrNoRows) {
		err = index.ErrEmpty
	}
	return sp, err
}
