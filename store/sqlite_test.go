package store_test

import (
	"path/filepath"
	"testing"

	"weir/meter"
	"weir/store/storetest"
)

func TestSQLiteIsALedger(t *testing.T) {
	storetest.Ledger(t, func(t *testing.T) meter.Ledger { return openAt(t, filepath.Join(t.TempDir(), "a file?#.db")) })
}
