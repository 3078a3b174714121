package story

import (
	"strings"
	"testing"
)

func TestCommandsAreDoneAndTheRestIsCopied(t *testing.T) {
	var out strings.Builder
	Lines("# begins\n\na b\n  came of it before\nc\n", &out, func(line string, words []string) {
		out.WriteString(line + "\n  " + strings.Join(words, "+") + "\n")
	})
	if want := "# begins\n\na b\n  a+b\nc\n  c\n"; out.String() != want {
		t.Errorf("%q, want %q", out.String(), want)
	}
}

func TestTheFirstDifferenceIsShown(t *testing.T) {
	for _, f := range [][3]string{
		{"a\nb\n", "a\nb\n", ""},
		{"a\nb\n", "a\nc\n", "line 2\nwant b\nhave c"},
		{"a\n", "a", "want 2 lines, have 1"},
	} {
		if diff := difference(f[0], f[1]); diff != f[2] {
			t.Errorf("%q beside %q: %q, want %q", f[0], f[1], diff, f[2])
		}
	}
}
