// Package story plays the text files that tests tell their stories in: what is done
// stands in them beside what came of it, to be read as prose and written again with
// -update. It knows files, lines and the difference, and nothing of what is told.
package story

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Update says that what the stories come to is written into their files.
var Update = flag.Bool("update", false, "write what the stories come to into their files; then read the difference")

// Play tells every file that pattern names, each in a test of its own, and holds it
// against what tell makes of its text. Fewer than least files fail the test.
func Play(t *testing.T, pattern string, least int, tell func(t *testing.T, text string) string) {
	t.Helper()
	files, err := filepath.Glob(pattern)
	if err != nil || len(files) < least {
		t.Fatalf("%s names %d stories, want at least %d: %v", pattern, len(files), least, err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			Hold(t, file, tell(t, string(text)))
		})
	}
}

// Hold holds a file against what it should say; with -update it writes that.
func Hold(t *testing.T, file, have string) {
	t.Helper()
	if *Update {
		if err := os.WriteFile(file, []byte(have), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := difference(string(want), have); diff != "" {
		t.Errorf("%s is another story now (go test -run %s -update, then read the difference)\n%s", file, t.Name(), diff)
	}
}

// difference shows the first line in which two texts differ; "" where none does.
func difference(want, have string) string {
	if want == have {
		return ""
	}
	w, h := strings.Split(want, "\n"), strings.Split(have, "\n")
	for i := range min(len(w), len(h)) {
		if w[i] != h[i] {
			return fmt.Sprintf("line %d\nwant %s\nhave %s", i+1, w[i], h[i])
		}
	}
	return fmt.Sprintf("want %d lines, have %d", len(w), len(h))
}

// Lines reads a story of commands with what came of each indented below. Comments
// and empty lines are copied to out, what came of it before is left out, and do is
// called with every command, whose line it writes itself when it likes.
func Lines(text string, out *strings.Builder, do func(line string, words []string)) {
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\n")
		if strings.HasPrefix(line, "  ") {
			continue
		}
		if words := strings.Fields(line); len(words) > 0 && words[0] != "#" {
			do(line, words)
		} else {
			out.WriteString(line + "\n")
		}
	}
}
