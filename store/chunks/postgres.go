package chunks

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"weir/index"
	"weir/index/nearest"
	"weir/store"
)

// Postgres is an index in PostgreSQL with pgvector. It is safe for concurrent use.
type Postgres struct {
	db   *sql.DB
	name string // of the index
}

const postgresSchema = `
CREATE EXTENSION IF NOT EXISTS vector;
CREATE TABLE IF NOT EXISTS weir_index_space (id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY, index TEXT NOT NULL, model TEXT NOT NULL, version TEXT NOT NULL, chunks TEXT NOT NULL, live BOOLEAN NOT NULL DEFAULT false, UNIQUE (index, model, version, chunks));
CREATE TABLE IF NOT EXISTS weir_index_document (space BIGINT NOT NULL REFERENCES weir_index_space ON DELETE CASCADE, id TEXT NOT NULL, hash TEXT NOT NULL, attributes JSONB NOT NULL, PRIMARY KEY (space, id));
CREATE TABLE IF NOT EXISTS weir_index_chunk (space BIGINT NOT NULL, document TEXT NOT NULL, place INT NOT NULL, hash TEXT NOT NULL, first BIGINT NOT NULL, last BIGINT NOT NULL, heading TEXT NOT NULL, body TEXT NOT NULL, vector vector NOT NULL,
  PRIMARY KEY (space, document, place), FOREIGN KEY (space, document) REFERENCES weir_index_document (space, id) ON DELETE CASCADE);
CREATE INDEX IF NOT EXISTS weir_index_chunk_hash ON weir_index_chunk (space, hash);`

// schemaLock serialises processes that make the schema; its number is Weir's own.
const schemaLock = 0x77656972_01

// connections bounds those that one index opens.
const connections = 4

// OpenPostgres opens an index, and makes the tables if they are not there. The user needs
// the right to create them, and the extension unless it is there.
func OpenPostgres(url, name string) (*Postgres, error) {
	db, where, err := store.OpenPool(url, connections)
	if err != nil {
		return nil, fmt.Errorf("open the index: %w", err)
	}
	p := &Postgres{db: db, name: name}
	err = p.within(context.Background(), func(tx *sql.Tx) error {
		if _, err := tx.Exec("SELECT pg_advisory_xact_lock($1)", int64(schemaLock)); err != nil {
			return err
		}
		_, err := tx.Exec(postgresSchema)
		return err
	})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open the index in PostgreSQL database %s (it needs the extension pgvector): %w", where, err), p.db.Close())
	}
	return p, nil
}

// Close implements index.Store.
func (p *Postgres) Close() error { return p.db.Close() }

func (p *Postgres) within(ctx context.Context, do func(*sql.Tx) error) error {
	tx, err := p.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback() // after a commit it does nothing
	if err := do(tx); err != nil {
		return err
	}
	return tx.Commit()
}

// Open implements index.Store.
func (p *Postgres) Open(ctx context.Context, s index.Space) (id int64, err error) {
	if _, err := p.db.ExecContext(ctx, "INSERT INTO weir_index_space (index, model, version, chunks) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING", p.name, s.Model, s.Version, s.Chunks); err != nil {
		return 0, err
	}
	return id, p.db.QueryRowContext(ctx, "SELECT id FROM weir_index_space WHERE index = $1 AND model = $2 AND version = $3 AND chunks = $4", p.name, s.Model, s.Version, s.Chunks).Scan(&id)
}

// Documents implements index.Store.
func (p *Postgres) Documents(ctx context.Context, space int64) (map[string]string, error) {
	return pairs(ctx, p.db, "SELECT id, hash FROM weir_index_document WHERE space = $1", space)
}

// Vectors implements index.Store.
func (p *Postgres) Vectors(ctx context.Context, space int64, hashes []string) (map[string][]float32, error) {
	texts, err := pairs(ctx, p.db, "SELECT DISTINCT ON (hash) hash, vector::text FROM weir_index_chunk WHERE space = $1 AND hash = ANY($2)", space, hashes)
	if err != nil {
		return nil, err
	}
	out := map[string][]float32{}
	for hash, text := range texts {
		var v []float32
		if err := json.Unmarshal([]byte(text), &v); err != nil {
			return nil, err
		}
		out[hash] = v
	}
	return out, nil
}

// Put implements index.Store.
func (p *Postgres) Put(ctx context.Context, space int64, docs []index.Stored) error {
	return p.within(ctx, func(tx *sql.Tx) error {
		var have int
		if err := tx.QueryRowContext(ctx, "SELECT vector_dims(vector) FROM weir_index_chunk WHERE space = $1 LIMIT 1", space).Scan(&have); err != nil && !errors.Is(err, sql.ErrNoRows) {
			return err
		}
		if err := oneLength(have, docs); err != nil {
			return err
		}
		add, err := tx.PrepareContext(ctx, "INSERT INTO weir_index_chunk (space, document, place, hash, first, last, heading, body, vector) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9::vector)")
		if err != nil {
			return err
		}
		defer add.Close()
		for _, d := range docs {
			attributes, err := json.Marshal(d.Attributes)
			if err != nil {
				return err
			}
			if _, err := tx.ExecContext(ctx, "DELETE FROM weir_index_document WHERE space = $1 AND id = $2", space, d.ID); err != nil {
				return err
			}
			if _, err := tx.ExecContext(ctx, "INSERT INTO weir_index_document (space, id, hash, attributes) VALUES ($1, $2, $3, $4::jsonb)", space, d.ID, d.Hash, string(attributes)); err != nil {
				return err
			}
			for i, c := range d.Chunks {
				if _, err := add.ExecContext(ctx, space, d.ID, i, c.Hash, c.Start, c.End, noZero(c.Heading), noZero(c.Text), vectorText(c.Vector)); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

// noZero takes out zero bytes, which PostgreSQL does not keep in texts.
func noZero(s string) string { return strings.ReplaceAll(s, "\x00", "\uFFFD") }

// vectorText is a vector as pgvector reads it.
func vectorText(v []float32) string {
	b := append(make([]byte, 0, 12*len(v)), '[')
	for i, f := range v {
		if i > 0 {
			b = append(b, ',')
		}
		b = strconv.AppendFloat(b, float64(f), 'g', -1, 32)
	}
	return string(append(b, ']'))
}

// Delete implements index.Store.
func (p *Postgres) Delete(ctx context.Context, space int64, ids []string) error {
	_, err := p.db.ExecContext(ctx, "DELETE FROM weir_index_document WHERE space = $1 AND id = ANY($2)", space, ids)
	return err
}

// Publish implements index.Store.
func (p *Postgres) Publish(ctx context.Context, space int64) error {
	return p.within(ctx, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, "UPDATE weir_index_space SET live = (id = $2) WHERE index = $1", p.name, space); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, "DELETE FROM weir_index_space WHERE index = $1 AND id <> $2", p.name, space)
		return err
	})
}

// Live implements index.Store.
func (p *Postgres) Live(ctx context.Context) (s index.Space, err error) {
	_, s, err = p.live(ctx, p.db)
	return s, err
}

func (p *Postgres) live(ctx context.Context, db queries) (id int64, s index.Space, err error) {
	err = db.QueryRowContext(ctx, "SELECT id, model, version, chunks FROM weir_index_space WHERE index = $1 AND live", p.name).Scan(&id, &s.Model, &s.Version, &s.Chunks)
	if errors.Is(err, sql.ErrNoRows) {
		err = index.ErrEmpty
	}
	return id, s, err
}

// Search implements index.Store. pgvector compares every vector of the space: the answer is
// exact. All is read as at one moment.
func (p *Postgres) Search(ctx context.Context, q index.Query) (hits []index.Hit, err error) {
	tx, err := p.db.BeginTx(ctx, &sql.TxOptions{Isolation: sql.LevelRepeatableRead, ReadOnly: true})
	if err != nil {
		return nil, err
	}
	defer tx.Rollback()
	space, of, err := p.live(ctx, tx)
	if err != nil {
		return nil, err
	}
	if q.Space != (index.Space{}) && q.Space != of {
		return nil, index.ErrSwapped
	}
	var only []string // nil: all
	if q.Filter != nil {
		all, err := pairs(ctx, tx, "SELECT id, attributes::text FROM weir_index_document WHERE space = $1", space)
		if err != nil {
			return nil, err
		}
		takes, err := selected(all, q.Filter)
		if err != nil {
			return nil, err
		}
		only = make([]string, 0, len(takes))
		for id := range takes {
			only = append(only, id)
		}
	}
	rows, err := tx.QueryContext(ctx, `SELECT c.document, d.attributes::text, c.first, c.last, c.heading, c.body, c.vector::text
		FROM weir_index_chunk c JOIN weir_index_document d ON d.space = c.space AND d.id = c.document
		WHERE c.space = $1 AND ($3::text[] IS NULL OR c.document = ANY($3)) ORDER BY c.vector <=> $2::vector, c.document, c.first LIMIT $4`,
		space, vectorText(q.Vector), only, q.Limit())
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var h index.Hit
		var attributes, text string
		if err := rows.Scan(&h.Document, &attributes, &h.Start, &h.End, &h.Heading, &h.Text, &text); err != nil {
			return nil, err
		}
		var v []float32
		if err := errors.Join(json.Unmarshal([]byte(attributes), &h.Attributes), json.Unmarshal([]byte(text), &v)); err != nil {
			return nil, err
		}
		if h.Score = nearest.Dot(q.Vector, v); q.Least == 0 || h.Score >= q.Least {
			hits = append(hits, h)
		}
	}
	index.Sort(hits)
	return hits, rows.Err()
}
