package config

import (
	"errors"
	"os"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

// Whatever the bytes: Parse ends, without panic, with a configuration or with
// faults, each at a place inside of the file and on one line.
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

// Time is bounded by the size of the file, also where the parser's own is not.
func TestDeeplyNestedFilesAreRefused(t *testing.T) {
	for _, part := range []string{"[", "{", "- ", "? ", "a: [", "{a: ", "!!a ", "&a ", "*a ", "-\n", "[a,", "\"", "'", "|", "a:\n", "%"} {
		src := []byte(strings.Repeat(part, 20_000))
		_, err := Parse("deep.yaml", src)
		var faults Faults
		if !errors.As(err, &faults) {
			t.Fatalf("%q: %v", part, err)
		}
		checkFaults(t, src, faults)
	}
	var b strings.Builder
	for i := range 2000 {
		b.WriteString(strings.Repeat(" ", i) + "a:\n")
	}
	if _, err := Parse("indented.yaml", []byte(b.String())[:MaxBytes]); err == nil {
		t.Error("a file nested 1000 deep was accepted")
	}
	if _, err := Parse("large.yaml", make([]byte, MaxBytes+1)); err == nil {
		t.Error("a file larger than MaxBytes was accepted")
	}
}
