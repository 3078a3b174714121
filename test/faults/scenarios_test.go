package faults

import (
	"regexp"
	"strings"
	"testing"
	"time"
)

// scenario is one kind of fault, as data: what the upstreams do, and what every
// side must see.
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
	needs    string        // what the gateway must have; "": nothing that another may lack
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
	for _, w := range setUp(t) {
		if why := w.lacking(); why != "" {
			against.skip(w.name, why)
			continue
		}
		t.Run(w.name, func(t *testing.T) {
			t.Parallel()
			w.run(t)
		})
	}
}

// run plays a scenario and compares.
func (w *world) run(t *testing.T) {
	if *foreign != "" {
		w.runAgainst(t)
		return
	}
	n, have := w.play(t)
	adds := have.metered == ""
	for _, u := range w.upstreams() {
		u.until(t, "its requests end", settled)
	}
	w.summarise(&have)
	shared.idle(t, w.name)
	if m := shared.metered(t, w.name, max(n, w.calls), w.rough); adds {
		have.metered = m
	}
	w.compare(t, have)
	results.add(w.scenario, have)
}

// play asks as the scenario says, and tells how often and what callers saw.
func (w *world) play(t *testing.T) (n int, have want) {
	ctx, cancel := contextOf(t)
	defer cancel()
	if w.acts != nil {
		have = w.acts(t, w)
		return w.calls, have
	}
	var saw []string
	for range max(w.times, 1) {
		s := shared.call(ctx, w.name, w.stream)
		if s.err != nil {
			t.Logf("the caller: %v", s.err)
		}
		saw = append(saw, w.words(s))
	}
	have.caller = strings.Join(saw, "; ")
	return max(w.times, 1), have
}

func (w *world) upstreams() []*upstream {
	if w.b == nil {
		return []*upstream{w.a}
	}
	return []*upstream{w.a, w.b}
}

// summarise fills in the upstreams' summaries that are still empty.
func (w *world) summarise(have *want) {
	if have.a == "" {
		have.a = w.a.summary()
	}
	if w.b != nil && have.b == "" {
		have.b = w.b.summary()
	}
}

func (w *world) compare(t *testing.T, have want) {
	t.Helper()
	for _, c := range []struct{ who, have, want string }{
		{"the caller", have.caller, w.want.caller},
		{"the first upstream", have.a, w.want.a},
		{"the second upstream", have.b, w.want.b},
		{"metered", have.metered, w.want.metered},
	} {
		if c.have != c.want {
			t.Errorf("%s: %s:\n  have %s\n  want %s", w.name, c.who, c.have, c.want)
		}
	}
}

// kinds leaves the first word of each answer, and how often it was where answers
// are counted.
func kinds(words string) string {
	var out []string
	for answer := range strings.SplitSeq(words, "; ") {
		if !times.MatchString(answer) {
			kind, _, _ := strings.Cut(answer, " ")
			out = append(out, kind)
			continue
		}
		for part := range strings.SplitSeq(answer, ", ") {
			if times.MatchString(part) { // else it is the rest of the one before
				f := strings.Fields(part)
				out = append(out, f[0]+" "+f[1])
			}
		}
	}
	return strings.Join(out, "; ")
}

// times is how often something counted was.
var times = regexp.MustCompile(`^\d+x \S`)

// words tells what the caller saw, as far as it is the same on every machine.
func (w *world) words(s seen) string {
	if w.rough && s.tokens > 0 {
		s.tokens = -1
	}
	return s.words(w.within)
}
