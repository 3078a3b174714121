package chunks

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"

	"weir/index"
	"weir/index/nearest"
)

// loaded are the vectors of the space that is searched, made small, in memory.
type loaded struct {
	mu     sync.RWMutex
	change int64 // of the file, that is loaded
	space  int64
	of     index.Space
	set    *nearest.Set
	ids    []int64  // of each vector's chunk, ascending
	docs   []string // of each
	dead   []bool   // the chunk is gone
	gone   int
}

// maxSearches is how often a search begins again because what it found was replaced before
// it was read.
const maxSearches = 3

// Search implements index.Store.
func (s *SQLite) Search(ctx context.Context, q index.Query) (hits []index.Hit, err error) {
	for range maxSearches {
		var gone int
		if hits, gone, err = s.search(ctx, q); err != nil || gone == 0 {
			break
		}
	}
	return hits, err
}

// search also returns how many of the chunks found were gone when they were read.
func (s *SQLite) search(ctx context.Context, q index.Query) (hits []index.Hit, gone int, err error) {
	if err := s.refresh(ctx); err != nil {
		return nil, 0, err
	}
	space, ids, err := s.near(ctx, q)
	if err != nil || len(ids) == 0 {
		return nil, 0, err
	}
	return s.compare(ctx, space, ids, q)
}

// near finds the chunks that may be the nearest.
func (s *SQLite) near(ctx context.Context, q index.Query) (space int64, ids []any, err error) {
	l := &s.loaded
	l.mu.RLock()
	defer l.mu.RUnlock()
	if q.Space != (index.Space{}) && q.Space != l.of {
		return 0, nil, index.ErrSwapped
	}
	allowed, err := s.allowed(ctx, q.Filter)
	if err != nil {
		return 0, nil, err
	}
	if l.set.Len() > 0 && len(q.Vector) != l.set.Dims() {
		return 0, nil, fmt.Errorf("the query's vector has %d numbers, those of the index have %d: the model is another one than the index was built with", len(q.Vector), l.set.Dims())
	}
	found := l.set.Search(q.Vector, q.Limit(), allowed)
	for _, f := range found {
		ids = append(ids, l.ids[f.At])
	}
	return l.space, ids, nil
}

// allowed says which vectors count. The lock is held while it is used.
func (s *SQLite) allowed(ctx context.Context, f *index.Filter) (func(at int) bool, error) {
	l := &s.loaded
	if f == nil {
		if l.gone == 0 {
			return nil, nil
		}
		return func(at int) bool { return !l.dead[at] }, nil
	}
	all, err := pairs(ctx, s.read, "SELECT id, attributes FROM document WHERE space = ?", l.space)
	if err != nil {
		return nil, err
	}
	takes, err := selected(all, f)
	if err != nil {
		return nil, err
	}
	return func(at int) bool { return !l.dead[at] && takes[l.docs[at]] }, nil
}

// selected are the documents that a filter takes, of their attributes as JSON.
func selected(all map[string]string, f *index.Filter) (map[string]bool, error) {
	takes := map[string]bool{}
	for id, text := range all {
		var attributes map[string]any
		if err := json.Unmarshal([]byte(text), &attributes); err != nil {
			return nil, fmt.Errorf("the attributes of document %q: %w", id, err)
		}
		if f.Takes(attributes) {
			takes[id] = true
		}
	}
	return takes, nil
}

// compare reads what was found, and compares it exactly.
func (s *SQLite) compare(ctx context.Context, space int64, ids []any, q index.Query) (hits []index.Hit, gone int, err error) {
	rows, err := s.read.QueryContext(ctx, "SELECT c.document, d.attributes, c.first, c.last, c.heading, c.body, c.vector FROM chunk c JOIN document d ON d.space = c.space AND d.id = c.document WHERE +c.space = ? AND c.id IN (?"+ // the plus: by their IDs, not by the space
		strings.Repeat(",?", len(ids)-1)+") ORDER BY c.id", append([]any{space}, ids...)...)
	if err != nil {
		return nil, 0, err
	}
	defer rows.Close()
	gone = len(ids)
	for rows.Next() {
		gone--
		var h index.Hit
		var attributes string
		var data sql.RawBytes
		if err := rows.Scan(&h.Document, &attributes, &h.Start, &h.End, &h.Heading, &h.Text, &data); err != nil {
			return nil, 0, err
		}
		if len(data) != 4*len(q.Vector) {
			continue
		}
		if err := json.Unmarshal([]byte(attributes), &h.Attributes); err != nil {
			return nil, 0, err
		}
		if h.Score = nearest.Dot(q.Vector, nearest.Floats(data)); q.Least == 0 || h.Score >= q.Least {
			hits = append(hits, h)
		}
	}
	index.Sort(hits)
	return hits[:min(len(hits), q.Limit())], gone, rows.Err()
}

// refresh loads what has changed in the file since the last search.
func (s *SQLite) refresh(ctx context.Context) error {
	l := &s.loaded
	var change int64
	if err := s.read.QueryRowContext(ctx, "SELECT change FROM state").Scan(&change); err != nil {
		return err
	}
	l.mu.RLock()
	is := l.set != nil && l.change == change
	l.mu.RUnlock()
	if is {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	tx, err := s.read.BeginTx(ctx, &sql.TxOptions{ReadOnly: true}) // all of it as at one moment
	if err != nil {
		return err
	}
	defer tx.Rollback()
	return l.load(ctx, tx)
}

func (l *loaded) load(ctx context.Context, tx *sql.Tx) error {
	var change, space int64
	if err := tx.QueryRowContext(ctx, "SELECT change FROM state").Scan(&change); err != nil {
		return err
	}
	var of index.Space
	err := tx.QueryRowContext(ctx, "SELECT id, model, version, chunks FROM space WHERE live = 1").Scan(&space, &of.Model, &of.Version, &of.Chunks)
	if errors.Is(err, sql.ErrNoRows) {
		return index.ErrEmpty
	} else if err != nil {
		return err
	}
	l.of = of
	if l.set == nil || l.space != space || l.gone > len(l.ids)/2 {
		l.set, l.space, l.ids, l.docs, l.dead, l.gone = &nearest.Set{}, space, nil, nil, nil, 0
	}
	if err := l.bury(ctx, tx); err != nil {
		return err
	}
	if err := l.more(ctx, tx); err != nil {
		return err
	}
	l.change = change
	return nil
}

// bury notes which chunks are gone.
func (l *loaded) bury(ctx context.Context, tx *sql.Tx) error {
	if len(l.ids) == 0 {
		return nil
	}
	rows, err := tx.QueryContext(ctx, "SELECT id FROM chunk WHERE space = ? AND id <= ?", l.space, l.ids[len(l.ids)-1])
	if err != nil {
		return err
	}
	defer rows.Close()
	there := make(map[int64]bool, len(l.ids))
	for rows.Next() {
		var id int64
		if err := rows.Scan(&id); err != nil {
			return err
		}
		there[id] = true
	}
	l.gone = 0
	for i, id := range l.ids {
		if l.dead[i] = !there[id]; l.dead[i] {
			l.gone++
		}
	}
	return rows.Err()
}

// more loads new chunks: their IDs are larger than any before.
func (l *loaded) more(ctx context.Context, tx *sql.Tx) error {
	last := int64(-1)
	if n := len(l.ids); n > 0 {
		last = l.ids[n-1]
	}
	rows, err := tx.QueryContext(ctx, "SELECT id, document, vector FROM chunk WHERE space = ? AND id > ? ORDER BY id", l.space, last)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var id int64
		var doc string
		var data sql.RawBytes
		if err := rows.Scan(&id, &doc, &data); err != nil {
			return err
		}
		if !l.set.Add(nearest.Floats(data)) {
			continue
		}
		if n := len(l.docs); n > 0 && l.docs[n-1] == doc {
			doc = l.docs[n-1] // one text for all chunks of a document
		}
		l.ids, l.docs, l.dead = append(l.ids, id), append(l.docs, doc), append(l.dead, false)
	}
	return rows.Err()
}
