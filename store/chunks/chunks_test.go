package chunks

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"weir/index"
	"weir/index/indextest"
)

func TestSQLiteIsAStore(t *testing.T) {
	path := filepath.Join(t.TempDir(), "index.db")
	indextest.Run(t, func(t *testing.T) index.Store {
		s, err := Open(path)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		})
		return s
	})
}

func TestASearchMakesNoFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "index.db")
	if _, err := Existing(path, ""); !errors.Is(err, index.ErrEmpty) {
		t.Error(err)
	}
	if _, err := os.Stat(path); err == nil {
		t.Error("it was made")
	}
}
