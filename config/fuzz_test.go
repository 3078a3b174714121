package config

import (
	"errors"
	"os"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

// Whatever the bytes: Parse ends without panic, with a configuration or with
// faults, each at a position inside the file and on one line.
func FuzzParse(f *testing.F) {
	for _, pattern := range []string{"testdata/bad/", "testdata/good/", "../examples/"} {
		entries, err := os.ReadDir(pattern)
		if err != nil {
			f.Fatal(err)
		}
		for _, e := range entries {
			if src, err := os.ReadFile(pattern + e.Name()); err == nil && strings.HasSuffix(e.Name(), ".yaml") {
				f.Add(src)
			}
		}
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		if len(src) > 64<<10 {
			return
		}
		timer := time.AfterFunc(time.Minute, func() { panic("Parse hangs") })
		defer timer.Stop()
		c, err := Parse("fuzz.yaml", src)
		if err == nil {
			checkFaults(t, src, c.Warnings)
			return
		}
		var faults Faults
		if !errors.As(err, &faults) || len(faults) == 0 {
			t.Fatalf("an error without faults: %v", err)
		}
		checkFaults(t, src, faults)
	})
}

func checkFaults(t *testing.T, src []byte, faults Faults) {
	t.Helper()
	text := strings.TrimPrefix(string(src), "\ufeff")
	text = strings.ReplaceAll(strings.ReplaceAll(text, "\r\n", "\n"), "\r", "\n")
	lines := strings.Split(text, "\n")
	for _, f := range faults {
		if f.Line < 1 || f.Line > len(lines) {
			t.Errorf("line %d of %d: %v", f.Line, len(lines), f)
			continue
		}
		if width := utf8.RuneCountInString(lines[f.Line-1]); f.Column < 1 || f.Column > width+1 {
			t.Errorf("column %d of %d: %v", f.Column, width, f)
		}
		if f.Problem == "" || strings.Contains(f.Error(), "\n") {
			t.Errorf("not one line: %q", f.Error())
		}
		if f.Mark < 0 || strings.Contains(f.Excerpt, "\n") {
			t.Errorf("excerpt %q, mark %d", f.Excerpt, f.Mark)
		}
	}
}

// The parser's own time has no bound; Parse's time has one.
func TestFilesBeyondABoundAreRefused(t *testing.T) {
	var stairs strings.Builder
	for i := range 1400 {
		stairs.WriteString(strings.Repeat(" ", i) + "a:\n")
	}
	for name, row := range map[string]struct{ src, want string }{
		"brackets":  {strings.Repeat("[", 20_000), "nested more than 50 deep"},
		"maps":      {strings.Repeat("{a: ", 20_000), "nested more than 50 deep"},
		"dashes":    {strings.Repeat("- ", 20_000), "nested more than 50 deep"},
		"stairs":    {stairs.String(), "indented by more than 200"},
		"keys":      {strings.Repeat("a: b\n", 200_000), "more than 1000 keys"},
		"questions": {strings.Repeat("? a\n", 200_000), "more than 1000 keys"},
		"texts":     {strings.Repeat("'a' ", 200_000), "more than 50 texts"},
		"documents": {strings.Repeat("---\na: b\n", 100_000), "after the first 10"},
		"bytes":     {strings.Repeat("#", MaxBytes+1), "at most 16777216 are read"},
	} {
		_, err := Parse("excess.yaml", []byte(row.src))
		var faults Faults
		if !errors.As(err, &faults) || len(faults) != 1 || !strings.Contains(err.Error(), row.want) {
			t.Errorf("%s: want one fault with %q, have %.200v", name, row.want, err)
			continue
		}
		checkFaults(t, []byte(row.src), faults)
	}
}
