package seed

import "testing"

// failing is a test that fails and keeps what it is told.
type failing struct {
	testing.TB
	name string
	said []any
	ends []func()
}

func (f *failing) Helper()           {}
func (f *failing) Failed() bool      { return true }
func (f *failing) Name() string      { return f.name }
func (f *failing) Log(args ...any)   { f.said = append(f.said, args...) }
func (f *failing) Cleanup(do func()) { f.ends = append(f.ends, do) }

func TestAFailureSaysHowToRepeatIt(t *testing.T) {
	t.Setenv(Variable, "12")
	f := &failing{TB: t, name: "TestA/b"}
	if have := Of(f); have != 12 {
		t.Errorf("the seed is %d, the environment says 12", have)
	}
	for _, end := range f.ends {
		end()
	}
	const want = "to repeat it: RAPID_SEED=12 go test -count=1 -run '^TestA$/^b$' ."
	if len(f.said) != 1 || f.said[0] != want {
		t.Errorf("it says %q, want %q", f.said, want)
	}
}

func TestSeedsThatAreNotFixedDiffer(t *testing.T) {
	for _, text := range []string{"", "0"} {
		t.Setenv(Variable, text)
		if a, b := Of(t), Of(t); a == b || a == 0 || b == 0 {
			t.Errorf("%s=%q: %d and %d were drawn", Variable, text, a, b)
		}
	}
}

func TestSeedsAreWholeNumbers(t *testing.T) {
	if _, err := parse("a lucky one"); err == nil {
		t.Error("words are no seed")
	}
}
