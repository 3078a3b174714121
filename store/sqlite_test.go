package store_test

import (
	"path/filepath"
	"testing"

	"weir/meter"
	"weir/store"
	"weir/store/storetest"
)

func TestSQLiteIsALedger(t *testing.T) {
	storetest.Ledger(t, func(t *testing.T) meter.Ledger { return openIn(t, t.TempDir()) })
}

func openIn(t *testing.T, dir string) *store.SQLite {
	t.Helper()
	s, err := store.Open(filepath.Join(dir, "ledger file?#.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}
