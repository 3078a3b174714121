package vectors

import (
	"context"
	"database/sql"
	"strings"

	"weir/cache"
	"weir/embed"
)

// perQuery is how many keys one query looks for.
const perQuery = 128

func selectOf(n int) string {
	return "SELECT key, data, tokens, used FROM vector WHERE key IN (?" + strings.Repeat(",?", n-1) + ")"
}

// find reads the vectors that are far from the file.
func (s *Store) find(ctx context.Context, keys []cache.Key, far []int, into []embed.Vector) error {
	var old []cache.Key
	for len(far) > 0 {
		n, stmt := 1, s.one
		if len(far) > 1 {
			n, stmt = min(len(far), perQuery), s.many
		}
		got, err := query(ctx, stmt, keys, far[:n])
		if err != nil {
			return err
		}
		for _, i := range far[:n] {
			if row, ok := got[keys[i]]; ok {
				into[i] = row.v
				s.near.put(keys[i], row.v)
				if row.used != today() {
					old = append(old, keys[i])
				}
			}
		}
		far = far[n:]
	}
	if len(old) > 0 {
		s.tell(job{keys: old}) // or it is noted another time
	}
	return nil
}

type found struct {
	v    embed.Vector
	used int64
}

// query looks for keys. The last one fills the places that are left.
func query(ctx context.Context, stmt *sql.Stmt, keys []cache.Key, far []int) (map[cache.Key]found, error) {
	args := make([]any, 0, perQuery)
	for _, i := range far {
		args = append(args, keys[i][:])
	}
	for len(far) > 1 && len(args) < perQuery {
		args = append(args, args[len(args)-1])
	}
	rows, err := stmt.QueryContext(ctx, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	got := map[cache.Key]found{}
	for rows.Next() {
		var key, data []byte
		var f found
		if err := rows.Scan(&key, &data, &f.v.Tokens, &f.used); err != nil {
			return nil, err
		}
		if len(key) == len(cache.Key{}) && len(data) > 0 && len(data)%4 == 0 {
			f.v.Data = data
			got[cache.Key(key)] = f
		}
	}
	return got, rows.Err()
}

// maxJobsInOne bounds the jobs of one transaction.
const maxJobsInOne = 64

// run writes until the queue is closed and empty.
func (s *Store) run() {
	for first := range s.queue {
		jobs := []job{first}
	more:
		for len(jobs) < maxJobsInOne {
			select {
			case j, ok := <-s.queue:
				if !ok {
					break more
				}
				jobs = append(jobs, j)
			default:
				break more
			}
		}
		err := s.save(jobs)
		if err != nil {
			s.failed("written", err)
		} else {
			s.failing.Store(false)
		}
		for _, j := range jobs {
			for _, v := range j.vectors {
				s.queued.Add(-int64(len(v.Data)))
			}
			if err != nil {
				s.dropped.Add(uint64(len(j.vectors)))
			}
			if j.done != nil {
				close(j.done)
			}
		}
	}
}

func (s *Store) save(jobs []job) error {
	tx, err := s.write.Begin()
	if err != nil {
		return err
	}
	defer tx.Rollback() // after a commit it does nothing
	for _, j := range jobs {
		if err := saveOne(tx, j); err != nil {
			return err
		}
	}
	if err := tx.Commit(); err != nil {
		return err
	}
	return s.shrink()
}

func saveOne(tx *sql.Tx, j job) error {
	for i := range j.keys {
		var err error
		switch key := j.keys[i][:]; {
		case j.vectors != nil:
			_, err = tx.Exec("INSERT INTO vector (key, data, tokens, used) VALUES (?, ?, ?, ?) ON CONFLICT (key) DO UPDATE SET data = excluded.data, tokens = excluded.tokens, used = excluded.used",
				key, j.vectors[i].Data, j.vectors[i].Tokens, today())
		case j.forget:
			_, err = tx.Exec("DELETE FROM vector WHERE key = ?", key)
		default:
			_, err = tx.Exec("UPDATE vector SET used = ? WHERE key = ?", today(), key)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// perShrink is how many vectors are dropped at a time.
const perShrink = 512

// shrink drops the vectors unused for longest while the file is too large. Its free pages
// are used again: it does not get smaller.
func (s *Store) shrink() error {
	for {
		n, err := used(s.write)
		if err != nil || n <= s.o.Disk {
			return err
		}
		r, err := s.write.Exec("DELETE FROM vector WHERE rowid IN (SELECT rowid FROM vector ORDER BY used, rowid LIMIT ?)", perShrink)
		if err != nil {
			return err
		}
		if gone, err := r.RowsAffected(); err != nil || gone == 0 {
			return err
		}
	}
}

// used is how many bytes of the file hold something.
func used(db *sql.DB) (n int64, err error) {
	err = db.QueryRow("SELECT (SELECT page_count FROM pragma_page_count()) - (SELECT freelist_count FROM pragma_freelist_count())").Scan(&n)
	return n * pageSize, err
}

// pageSize is SQLite's default.
const pageSize = 4096
