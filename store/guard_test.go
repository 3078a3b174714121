package store

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"weir/meter"
)

func TestTwoWeirsDoNotWriteToOneFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "weir.db")
	if err := os.Symlink(path, filepath.Join(dir, "same.db")); err != nil {
		t.Fatal(err)
	}
	first := openAt(t, path)
	if err := first.Own(); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"weir.db", "same.db"} {
		second := openAt(t, filepath.Join(dir, name)) // readers need no ownership
		if err := second.Own(); !errors.Is(err, ErrInUse) || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
		second.Close()
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	third := openAt(t, path)
	if err := third.Own(); err != nil {
		t.Error("the lock outlives its holder: ", err)
	}
	third.Close()
}

func openAt(t *testing.T, path string) *DB {
	t.Helper()
	d, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// Whatever happens to the file while Weir runs, the next write reports it.
func TestADamagedLedgerSaysWhatHappenedToIt(t *testing.T) {
	rows := []meter.Row{{Minute: 1, Tenant: "a", Requests: 1, Completed: 1}}
	for name, c := range map[string]struct {
		damage func(t *testing.T, d *DB, path string) error
		want   string
	}{
		"removed": {func(_ *testing.T, _ *DB, path string) error { return os.Remove(path) }, "the file was removed"},
		"emptied": {func(_ *testing.T, d *DB, path string) error {
			_, err := d.write.Exec("PRAGMA wal_checkpoint(TRUNCATE)")
			return errors.Join(err, os.Truncate(path, 0))
		}, "the file was emptied"},
		"replaced": {func(t *testing.T, _ *DB, path string) error {
			other := openAt(t, path+".other")
			other.Close()
			return os.Rename(path+".other", path)
		}, "it was replaced by another file"},
		"dropped": {func(_ *testing.T, d *DB, _ string) error {
			_, err := d.write.Exec("DROP TABLE usage_minute")
			return err
		}, "its tables are gone"},
		"corrupt": {func(_ *testing.T, d *DB, path string) error {
			if _, err := d.write.Exec("PRAGMA wal_checkpoint(TRUNCATE)"); err != nil {
				return err
			}
			f, err := os.OpenFile(path, os.O_RDWR, 0)
			if err != nil {
				return err
			}
			defer f.Close()
			info, err := f.Stat()
			if err != nil {
				return err
			}
			_, err = f.WriteAt([]byte(strings.Repeat("garbage ", int(info.Size())/8)), 0)
			return err
		}, "the file is corrupt"},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "weir.db")
			d := openAt(t, path)
			defer d.Close()
			if err := d.Write(t.Context(), meter.Batch{Writer: "w", Number: 1, Rows: rows}); err != nil {
				t.Fatal(err)
			}
			if err := c.damage(t, d, path); err != nil {
				t.Fatal(err)
			}
			d.write.SetMaxIdleConns(0) // no idle connection remembers it
			d.write.SetMaxIdleConns(1)
			err := d.Write(t.Context(), meter.Batch{Writer: "w", Number: 2, Rows: rows})
			if !errors.Is(err, ErrDamaged) || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), path) {
				t.Errorf("%v, want %q", err, c.want)
			}
		})
	}
}
