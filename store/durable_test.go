package store

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pressly/goose/v3"

	"weir/meter"
)

func opened(t *testing.T, path string) *DB {
	t.Helper()
	s, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() }) // closed twice where a test closes it itself
	return s
}

func aRow(tenant string) meter.Row {
	return meter.Row{Minute: 100, Tenant: tenant, Model: "m", Deployment: "d", Requests: 1, Completed: 1, Prompt: 10, Cost: 5}
}

func aBatch(rows ...meter.Row) meter.Batch {
	return meter.Batch{Writer: rand.Text(), Number: 1, Rows: rows}
}

func requests(t *testing.T, s *DB) (n int64) {
	t.Helper()
	rows, err := s.Usage(t.Context(), meter.Query{})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range rows {
		n += r.Requests
	}
	return n
}

func TestUsageIsThereAfterTheFileIsOpenedAgain(t *testing.T) {
	path := filepath.Join(t.TempDir(), "new", "folder", "weir.db")
	s := opened(t, path)
	if err := s.Write(t.Context(), aBatch(aRow("demo"))); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if got := requests(t, opened(t, path)); got != 1 {
		t.Fatal(got)
	}
}

func TestTheFileIsItsOwnersAlone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "weir.db")
	opened(t, path)
	for _, p := range []string{path, path + "-wal", path + "-shm"} {
		info, err := os.Stat(p)
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s is %s", filepath.Base(p), info.Mode())
		}
	}
}

func TestAFileOfTheSchemaWithoutKeysKeepsItsRows(t *testing.T) {
	path := filepath.Join(t.TempDir(), "weir.db")
	old, err := sql.Open("sqlite", source(path, "synchronous(FULL)"))
	if err != nil {
		t.Fatal(err)
	}
	files, err := fs.Sub(migrations, "migrations/sqlite")
	if err != nil {
		t.Fatal(err)
	}
	p, err := goose.NewProvider(goose.DialectSQLite3, old, files, goose.WithDisableGlobalRegistry(true))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.UpTo(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	must(t, old, "INSERT INTO usage_minute VALUES (100, 'demo', 'm', 'd', 10, 7, 2, 1, 3, 1000, 400, 200, 4000)")
	must(t, old, "INSERT INTO usage_minute VALUES (101, '', '', '', 1, 0, 1, 0, 0, 0, 0, 0, 0)")
	if err := old.Close(); err != nil {
		t.Fatal(err)
	}
	s := opened(t, path)
	got, err := s.Usage(t.Context(), meter.Query{})
	if err != nil {
		t.Fatal(err)
	}
	want := []meter.Row{
		{Minute: 100, Tenant: "demo", Model: "m", Deployment: "d", Requests: 10, Completed: 7, Refused: 2, Failed: 1, Estimated: 3,
			Prompt: 1000, Cached: 400, Completion: 200, Cost: 4000},
		{Minute: 101, Requests: 1, Refused: 1},
	}
	if !slices.Equal(got, want) {
		t.Fatalf("got  %+v\nwant %+v", got, want)
	}
	if err := s.Write(t.Context(), aBatch(aRow("demo"))); err != nil {
		t.Fatal(err)
	}
	if n := requests(t, s); n != 12 {
		t.Fatalf("%d requests, want 12", n)
	}
}

func TestAFileOfANewerWeirIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "weir.db")
	s := opened(t, path)
	if _, err := s.write.Exec("INSERT INTO goose_db_version (version_id, is_applied) VALUES (99, 1)"); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(path); err == nil || !strings.Contains(err.Error(), "version 99 and this weir knows 4") {
		t.Fatal(err)
	}
}

func TestAFileThatIsNoDatabaseIsRefusedAndLeftAlone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "notes.txt")
	text := strings.Repeat("not a database\n", 100)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(path); err == nil || !strings.Contains(err.Error(), path) {
		t.Fatal(err)
	}
	if now, err := os.ReadFile(path); err != nil || string(now) != text {
		t.Fatal("it was changed", err)
	}
}

func TestSyncsEachCommit(t *testing.T) {
	s := opened(t, filepath.Join(t.TempDir(), "weir.db"))
	var mode string
	var synchronous int
	if err := errors.Join(s.write.QueryRow("PRAGMA journal_mode").Scan(&mode), s.write.QueryRow("PRAGMA synchronous").Scan(&synchronous)); err != nil {
		t.Fatal(err)
	}
	if mode != "wal" || synchronous != 2 {
		t.Fatalf("journal %s, synchronous %d, want wal and 2 (FULL)", mode, synchronous)
	}
}

// A full disk, a read-only file and a file another process holds: the write
// fails with a clear error and changes nothing, the rows stay with the Writer,
// and are written when the trouble is over.
func TestWhatGoesWrongWithFilesLosesNothing(t *testing.T) {
	for name, trouble := range map[string]struct {
		begin func(t *testing.T, s *DB) (end func())
		says  string
	}{
		"disk full": {func(t *testing.T, s *DB) func() {
			must(t, s.write, "PRAGMA max_page_count = 1")
			return func() { must(t, s.write, "PRAGMA max_page_count = 1000000") }
		}, "full"},
		"read-only": {func(t *testing.T, s *DB) func() {
			must(t, s.write, "PRAGMA query_only = true")
			return func() { must(t, s.write, "PRAGMA query_only = false") }
		}, "readonly"},
		"locked": {func(t *testing.T, s *DB) func() {
			must(t, s.write, "PRAGMA busy_timeout = 1")
			blocker, err := sql.Open("sqlite", source(s.name, "synchronous(OFF)"))
			if err != nil {
				t.Fatal(err)
			}
			tx, err := blocker.Begin() // takes the write lock: _txlock=immediate
			if err != nil {
				t.Fatal(err)
			}
			return func() {
				if err := errors.Join(tx.Rollback(), blocker.Close()); err != nil {
					t.Fatal(err)
				}
			}
		}, "locked"},
	} {
		t.Run(name, func(t *testing.T) {
			s := opened(t, filepath.Join(t.TempDir(), "weir.db"))
			if err := s.Write(t.Context(), aBatch(aRow("before"))); err != nil {
				t.Fatal(err)
			}
			w := NewWriter(s, WriterOptions{WriteLimit: 5 * time.Second})
			var many []meter.Row
			for _, tenant := range []string{"before", "a", strings.Repeat("long", 3000)} {
				many = append(many, aRow(tenant))
			}
			w.unwritten.Return(many)
			end := trouble.begin(t, s)
			for range 3 {
				if err := w.Flush(context.Background()); err == nil || !strings.Contains(err.Error(), trouble.says) {
					t.Fatalf("want it to say %q, got %v", trouble.says, err)
				}
			}
			if got := requests(t, s); got != 1 {
				t.Fatalf("a failed write left %d requests", got)
			}
			end()
			if err := w.Flush(context.Background()); err != nil {
				t.Fatal(err)
			}
			if got := requests(t, s); got != 4 {
				t.Fatalf("%d requests, want 4", got)
			}
			if st := w.Stats(); st.Failures != 3 || st.Rows != 0 {
				t.Fatalf("%+v", st)
			}
		})
	}
}

func must(t *testing.T, db *sql.DB, statement string) {
	t.Helper()
	if _, err := db.Exec(statement); err != nil {
		t.Fatal(err)
	}
}

func TestALongQueryDoesNotHoldUpAWrite(t *testing.T) {
	s := opened(t, filepath.Join(t.TempDir(), "weir.db"))
	if err := s.Write(t.Context(), aBatch(aRow("a"), aRow("b"))); err != nil {
		t.Fatal(err)
	}
	reading, err := s.read.Query("SELECT tenant FROM usage_minute")
	if err != nil {
		t.Fatal(err)
	}
	if !reading.Next() {
		t.Fatal("nothing to read")
	}
	if err := s.Write(t.Context(), aBatch(aRow("c"))); err != nil {
		t.Fatal(err)
	}
	if err := reading.Close(); err != nil {
		t.Fatal(err)
	}
	if got := requests(t, s); got != 3 {
		t.Fatal(got)
	}
}
