// Package seed gives the tests of this module that draw at random their seed,
// and has one that fails say how to repeat it. It reads the variable that
// pgregory.net/rapid reads, so that one setting fixes every draw of a test run:
// `make test` sets it, `make fuzz` draws one and prints it. It stands apart
// because tests of many packages need it and none of them owns it.
package seed

import (
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"
)

// Variable names the seed in the environment: a whole number. 0 or nothing: a
// seed is drawn.
const Variable = "RAPID_SEED"

// Of is the seed of a test, never 0. When the test fails, its log says how to
// draw the same again.
func Of(t testing.TB) uint64 {
	t.Helper()
	s, err := parse(os.Getenv(Variable))
	if err != nil {
		t.Fatalf("%s: %v", Variable, err)
	}
	for s == 0 {
		s = rand.Uint64()
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(repeat(t.Name(), s))
		}
	})
	return s
}

func parse(text string) (uint64, error) {
	if text == "" {
		return 0, nil
	}
	return strconv.ParseUint(text, 0, 64)
}

// repeat is the command that draws again what the named test drew.
func repeat(name string, s uint64) string {
	return "to repeat it: " + Variable + "=" + strconv.FormatUint(s, 10) +
		" go test -count=1 -run '^" + strings.ReplaceAll(name, "/", "$/^") + "$' ."
}
