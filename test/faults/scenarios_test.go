package faults

import (
	"strings"
	"testing"
	"time"
)

// scenario is one way for things to go wrong, as data: what the upstreams do,
// and what every side must have seen of it.
type scenario struct {
	name   string // also the model's
	fault  string // in words
	stream bool   // the caller asks for a stream
	times  int    // how often, one after the other; 0: once

	a      script // what the first upstream does
	second bool   // there is another, in the next tier
	b      script // what that does; nil: it is good
	beside string // it is in the same tier, and this is said of it in weir.yaml; "{}": nothing
	model  string // more of the model in weir.yaml

	timeouts timeouts      // of the first; 0: long
	http2    bool          // the first upstream is spoken to in HTTP/2
	attempts int           // the model's; 0: three
	slots    int           // requests at once per upstream; 0: unbounded
	within   time.Duration // bound of a time to come back
	rough    bool          // how many tokens depends on the machine's speed
	calls    int           // how many requests acts makes, for the ledger
	acts     func(*testing.T, *world) want

	want want
}

// want is what must have been seen. An empty string is not looked at.
type want struct {
	caller  string
	a, b    string // the upstreams' summaries
	metered string
}

func TestScenarios(t *testing.T) {
	for i := range scenarios {
		w := worlds[scenarios[i].name]
		t.Run(w.name, func(t *testing.T) {
			t.Parallel()
			w.run(t)
		})
	}
}

// run plays a scenario and compares.
func (w *world) run(t *testing.T) {
	ctx, cancel := contextOf(t)
	defer cancel()
	n := max(w.times, 1)
	var have want
	if w.acts != nil {
		have, n = w.acts(t, w), w.calls
	} else {
		var saw []string
		for range n {
			s := shared.call(ctx, w.name, w.stream)
			if s.err != nil {
				t.Logf("the caller: %v", s.err)
			}
			saw = append(saw, w.words(s))
		}
		have.caller = strings.Join(saw, "; ")
	}
	w.a.until(t, "its requests end", settled)
	if have.a == "" {
		have.a = w.a.summary()
	}
	adds := have.metered == ""
	if w.b != nil {
		w.b.until(t, "its requests end", settled)
		if have.b == "" {
			have.b = w.b.summary()
		}
	}
	if shared.admin != "" {
		shared.idle(t, w.name)
		n = max(n, w.calls)
		if m := shared.metered(t, w.name, n, w.rough); adds {
			have.metered = m
		}
	}
	w.compare(t, have)
	results.add(w.scenario, have)
}

func (w *world) compare(t *testing.T, have want) {
	t.Helper()
	wants := w.want
	if shared.admin == "" { // another gateway has other codes
		have.caller, wants.caller = kinds(have.caller), kinds(wants.caller)
	}
	for _, c := range []struct{ who, have, want string }{
		{"the caller", have.caller, wants.caller},
		{"the first upstream", have.a, wants.a},
		{"the second upstream", have.b, wants.b},
		{"metered", have.metered, wants.metered},
	} {
		if c.have != c.want && !(shared.admin == "" && c.who == "metered") {
			t.Errorf("%s: %s:\n  have %s\n  want %s", w.name, c.who, c.have, c.want)
		}
	}
}

// kinds leaves the first word of each answer.
func kinds(words string) string {
	var out []string
	for answer := range strings.SplitSeq(words, "; ") {
		kind, _, _ := strings.Cut(answer, " ")
		out = append(out, kind)
	}
	return strings.Join(out, "; ")
}

// words tells what the caller saw, as far as it is the same on every machine.
func (w *world) words(s seen) string {
	if w.rough && s.tokens > 0 {
		s.tokens = -1
	}
	return s.words(w.within)
}
