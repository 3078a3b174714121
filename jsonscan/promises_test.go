package jsonscan_test

import (
	"strings"
	"testing"

	"weir/jsonscan"
)

// Promises in the package's comments, seen from outside. internal/mutants has a wrong
// change for each.

func TestAPictureBesideDeepNestingIsCountedOnce(t *testing.T) {
	picture := strings.Repeat("iVBORw0KGgoAAAANSUhEUgAA", 4000)
	for _, depth := range []int{1, 70, 5000} {
		s := jsonscan.Scanner{B: []byte(`["` + picture + `",` + strings.Repeat("[", depth) + strings.Repeat("]", depth) + `]`)}
		if _, err := s.Value(0); err != nil || s.Binaries != 1 || s.Binary != len(picture) {
			t.Errorf("%d deep: %d pictures of %d bytes, %v; want one of %d", depth, s.Binaries, s.Binary, err, len(picture))
		}
	}
}

func TestWhatHasContent(t *testing.T) {
	for text, want := range map[string]bool{`""`: false, `"a"`: true, `[]`: false, `[ ]`: false, `[0]`: true, `{}`: false, `{"a":0}`: true,
		`null`: false, `12`: false, `123`: false, `true`: false} {
		if got := jsonscan.HasContent([]byte(text)); got != want {
			t.Errorf("%s: %v, want %v", text, got, want)
		}
	}
}
