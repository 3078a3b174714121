package operate

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"weir/index"
)

// Neither a dry run nor a question makes an index that is not there.
func TestNothingIsMadeByADryRunOrAQuestion(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "a.txt"), []byte("A text."), 0o600); err != nil {
		t.Fatal(err)
	}
	opened := 0
	var out bytes.Buffer
	o := Options{Into: filepath.Join(t.TempDir(), "new", "docs.db"), Out: &out, Err: &bytes.Buffer{},
		Open: func(string, string) (index.Store, error) { opened++; return nil, os.ErrInvalid }}
	if err := Build(t.Context(), BuildOptions{Options: o, Source: dir, Model: "m", Dry: true}); err != nil || !strings.Contains(out.String(), "1 to be embedded") {
		t.Errorf("%v: %s", err, &out)
	}
	if err := Query(t.Context(), QueryOptions{Options: o, Text: "x"}); err == nil || !strings.Contains(err.Error(), "there is no index at "+o.Into) {
		t.Error(err)
	}
	if opened != 0 {
		t.Error("the index was opened")
	}
}
