package node

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestABrokenFileOfCanariesIsSaid(t *testing.T) {
	f := newCanaries(filepath.Join(t.TempDir(), "canaries.json"), slog.New(slog.DiscardHandler))
	if states, err := f.read(); states != nil || err != nil {
		t.Errorf("%v %v", states, err)
	}
	if err := os.WriteFile(f.path, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := f.read(); err == nil || !strings.Contains(err.Error(), "remove the file") {
		t.Error(err)
	}
}
