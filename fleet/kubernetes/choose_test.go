package kubernetes

import (
	"context"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"weir"
	_ "weir/internal/seed"
)

// pool reads members, oldest first: r ready, s starting on a node, p waiting
// for a node, f failed; a d after it: drains, D: has drained.
func pool(text string) []member {
	var ms []member
	for i, word := range strings.Fields(text) {
		m := member{id: string(rune('a' + i)), onNode: true, ordinal: i}
		switch word[0] {
		case 'r':
			m.state = weir.Ready
		case 's':
			m.state = weir.Starting
		case 'p':
			m.state, m.onNode = weir.Starting, false
		case 'f':
			m.state = weir.Failed
		}
		m.leaving = len(word) > 1
		m.done = strings.HasSuffix(word, "D")
		ms = append(ms, m)
	}
	return ms
}

func ids(ms []member) string {
	text := ""
	for _, m := range ms {
		text += m.id
	}
	return text
}

func TestWhoLeaves(t *testing.T) {
	f := func(text string, by int, victims, want string) {
		t.Helper()
		var named []string
		for _, c := range victims {
			named = append(named, string(c))
		}
		if have := ids(chosen(pool(text), by, named, false)); have != want {
			t.Errorf("%q, %d of %q: %q, want %q", text, by, victims, have, want)
		}
	}
	f("r r r r", 2, "", "dc")    // the newest
	f("r r r r", 2, "bd", "bd")  // the victims, in their order
	f("r r r r", 2, "ba", "ba")  //
	f("r r r r", 1, "xa", "a")   // an unknown victim is passed over
	f("r r r r", 3, "a", "adc")  // then its own choice
	f("r f r r", 2, "a", "ba")   // a failed one goes before any that serves
	f("r s p r", 2, "", "cb")    // one without a node before one with a node
	f("r s p r", 2, "d", "dc")   // but after the victims
	f("r rd r rd", 1, "bd", "c") // a leaving pod is not chosen again
	f("r rd", 5, "", "a")        // no more than there are
	f("r r", 0, "a", "")         //
	f("r r", -1, "a", "")        //
	f("", 3, "a", "")            //
}

func TestTheHighestNumbersGoFirstWhereTheyMust(t *testing.T) {
	if have := ids(chosen(pool("r r f r"), 2, []string{"a"}, true)); have != "dc" {
		t.Errorf("chosen %q, want dc", have)
	}
	if have := ids(taken(pool("r r rd rd"), 1, true)); have != "c" {
		t.Errorf("taken back %q, want c: d goes first", have)
	}
	if have := ids(goodbyes(pool("r rD rd rD"), 4, true).leave); have != "d" {
		t.Errorf("%q go, want d: c still works", have)
	}
	if have := ids(goodbyes(pool("r rD rD rD"), 4, true).leave); have != "dcb" {
		t.Errorf("%q go, want dcb", have)
	}
}

func TestTheNewestIsTakenBackFirst(t *testing.T) {
	if have := ids(taken(pool("rd r rd rD"), 2, false)); have != "dc" {
		t.Errorf("taken back %q, want dc", have)
	}
}

func TestWhoGoesNow(t *testing.T) {
	f := func(text string, n int, leave, spare string) {
		t.Helper()
		g := goodbyes(pool(text), n, false)
		if ids(g.leave) != leave || ids(g.spare) != spare {
			t.Errorf("%q of %d: %q go and %q are spared, want %q and %q", text, n, ids(g.leave), ids(g.spare), leave, spare)
		}
	}
	f("r rd r", 3, "", "")   // still works
	f("r rD r", 3, "b", "")  //
	f("r rD s", 3, "", "")   // the controller would take c
	f("r rD p", 3, "", "")   //
	f("r rD f", 3, "", "b")  // and so it shall, if c failed
	f("r sD s", 3, "b", "")  // none that serves is touched
	f("r rD r", 4, "", "")   // one is still to be created: a lower number would spare that one
	f("rD rD f", 3, "", "a") // one failed, one is spared: the next look handles the other
}

// TestALowerNumberTakesNoneThatServes: the number is lowered only by pods that
// are not ready or have drained, and the controller has no reason to take
// another.
func TestALowerNumberTakesNoneThatServes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		words := rapid.SliceOfN(rapid.SampledFrom([]string{"r", "rd", "rD", "s", "sD", "p", "pD", "f", "fD"}), 0, 8).Draw(t, "pods")
		ms := pool(strings.Join(words, " "))
		g := goodbyes(ms, len(ms), false)
		by := len(g.leave) + len(g.spare)
		// As a ReplicaSet orders them: pods that are not ready, then by
		// deletion cost.
		order := slices.Clone(ms)
		class := func(m member) int {
			switch {
			case m.state != weir.Ready:
				return 0
			case slices.ContainsFunc(g.leave, func(l member) bool { return l.id == m.id }):
				return 1
			}
			return 2
		}
		slices.SortStableFunc(order, func(a, b member) int { return class(a) - class(b) })
		for _, m := range order[:by] {
			if class(m) == 2 {
				t.Fatalf("%v: %s would go, which serves", words, m.id)
			}
			if m.state == weir.Starting && !m.leaving && !slices.ContainsFunc(g.leave, func(l member) bool { return l.state != weir.Ready }) {
				t.Fatalf("%v: %s would go, which is on its way", words, m.id)
			}
		}
	})
}

// After an outage of the API server the number is not lowered for a pod that serves,
// until every controller has seen which one is to go.
func TestADrainedPodWaitsForControllersAfterAnOutage(t *testing.T) {
	now := time.Unix(1000, 0)
	f := func(kind string, away, shown time.Duration, want bool) {
		t.Helper()
		w := &workload{d: Deployment{Kind: kind, DrainDeadline: time.Hour}, away: now.Add(-away)}
		p := &pod{since: now.Add(-time.Minute), quiet: now.Add(-time.Minute), shown: now.Add(-shown)}
		if got := w.drained(p, weir.Ready, now); got != want {
			t.Errorf("%s, %v after the outage, %v after the cost: drained %v", kind, away, shown, got)
		}
	}
	f("Deployment", time.Hour, 2*time.Second, true)
	f("Deployment", time.Hour, heardOf/2, false)
	f("Deployment", rejoined-time.Second, 2*time.Second, false)
	f("Deployment", rejoined, 2*time.Second, true)
	f("StatefulSet", 0, 0, true) // the highest number goes, whatever its cost
}

func TestAnOutageIsNotedByTheWatchOfTheWorkload(t *testing.T) {
	w := &workload{}
	ended, end := context.WithCancel(t.Context())
	end()
	w.reached(t.Context(), nil)
	w.reached(ended, io.EOF)
	if !w.away.IsZero() {
		t.Error("an answer, or the end of the watch, is taken for an outage")
	}
	if w.reached(t.Context(), io.EOF); w.away.IsZero() {
		t.Error("an outage is not noted")
	}
	w.away = time.Time{}
	if w.reached(t.Context(), nil); w.away.IsZero() {
		t.Error("the end of an outage is not noted: it may be longer ago that a call last failed")
	}
	w.away = time.Time{}
	if w.reached(t.Context(), nil); !w.away.IsZero() {
		t.Error("a second answer is taken for the end of an outage")
	}
}
