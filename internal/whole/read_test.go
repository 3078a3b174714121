package whole

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestAFileAboveTheLimitIsNotReadInPart(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, []byte("12345"), 0o600); err != nil {
		t.Fatal(err)
	}
	if text, err := Read(path, 5); err != nil || string(text) != "12345" {
		t.Errorf("have %q, %v", text, err)
	}
	if text, err := Read(path, 4); text != nil || err == nil || !strings.Contains(err.Error(), "more than the 4 bytes") {
		t.Errorf("have %q, %v", text, err)
	}
	if _, err := Read(path+".missing", 5); !os.IsNotExist(err) {
		t.Errorf("have %v", err)
	}
}
