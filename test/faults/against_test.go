package faults

import (
	"cmp"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// Another gateway is known by its address alone: what callers saw and what
// upstreams saw. It has other codes, so of callers only the kind of their answer
// counts, and other habits: how often the same upstream is asked is each
// gateway's policy, and is told apart from what is wrong.

// verdicts of callers and upstreams.
const (
	holds   = "holds"
	policy  = "policy"
	differs = "differs"
	never   = "never came to it"
)

// against is what was seen of the gateway at -gateway.
var against verdictList

type verdictList struct {
	mu      sync.Mutex
	rows    map[string]verdict
	skipped map[string]string // why, by scenario
}

type verdict struct {
	have              want
	caller, upstreams string
}

func (l *verdictList) put(name string, v verdict) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.rows == nil {
		l.rows = map[string]verdict{}
	}
	l.rows[name] = v
}

func (l *verdictList) skip(name, why string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.skipped == nil {
		l.skipped = map[string]string{}
	}
	l.skipped[name] = why
}

// lacking says why a scenario is not for the gateway under the suite; "": it is.
func (w *world) lacking() string {
	switch {
	case *foreign == "" || w.needs == "":
		return ""
	case w.needs == "canaries":
		return "what became of the canary is asked at Weir's own address for operators"
	case slices.Contains(strings.Split(*lacks, ","), w.needs):
		return "the gateway has no " + w.needs
	}
	return ""
}

// settling bounds how long upstreams wait for another gateway to leave them.
const settling = 20 * time.Second

// runAgainst plays a scenario against another gateway, and notes both verdicts.
func (w *world) runAgainst(t *testing.T) {
	v := verdict{caller: never, upstreams: never}
	defer func() { // acts end the test where what they wait for does not come
		w.summarise(&v.have)
		against.put(w.name, v)
	}()
	_, v.have = w.play(t)
	for _, u := range w.upstreams() {
		u.sees(settling, settled)
	}
	w.summarise(&v.have)
	v.caller, v.upstreams = judgeCaller(v.have, w.want), judgeUpstreams(v.have, w.want)
	if v.caller != holds || v.upstreams == differs {
		t.Errorf("%s: caller %s, upstreams %s\n  have %+v\n  want %+v", w.name, v.caller, v.upstreams, v.have, w.want)
	}
}

func judgeCaller(have, want want) string {
	if kinds(have.caller) == kinds(want.caller) {
		return holds
	}
	return differs
}

// judgeUpstreams tells what is wrong from what is policy: the same upstreams, and
// every request ended as it should, but there were more or fewer of them.
func judgeUpstreams(have, want want) string {
	if want.b == spared { // of copies, at least one must come
		want.b = cmp.Or(have.b, want.b)
	}
	switch {
	case have.a == want.a && have.b == want.b:
		return holds
	case slices.Equal(hows(have.a), hows(want.a)) && slices.Equal(hows(have.b), hows(want.b)):
		return policy
	}
	return differs
}

// hows are the ways in which an upstream's requests ended, without how often.
func hows(summary string) (ways []string) {
	for part := range strings.SplitSeq(summary, ", ") {
		if times.MatchString(part) {
			_, part, _ = strings.Cut(part, " ")
		} else if strings.HasPrefix(part, "429 ") {
			part = "429" // a storm's are bounded, not counted
		}
		ways = append(ways, part)
	}
	slices.Sort(ways)
	return slices.Compact(ways)
}

// write makes the table.
func (l *verdictList) write(file string) error {
	var b, rest strings.Builder
	var good, asked, bad int
	for _, s := range scenarios {
		v, ok := l.rows[s.name]
		if !ok {
			continue
		}
		switch {
		case v.caller == holds && v.upstreams == holds:
			good++
		case v.caller == holds && v.upstreams == policy:
			asked++
		default:
			bad++
		}
		cells := []string{s.name, s.fault, v.caller, v.have.caller, v.upstreams, upstreams(v.have), upstreams(s.want)}
		for i := range cells {
			cells[i] = strings.ReplaceAll(cells[i], "|", "\\|")
		}
		fmt.Fprintf(&rest, "| %s |\n", strings.Join(cells, " | "))
	}
	fmt.Fprintf(&b, againstHead, *foreign, good+asked+bad, good, asked, bad)
	b.WriteString(rest.String())
	b.WriteString("\nNot played:\n\n")
	for _, name := range order() {
		if why, ok := l.skipped[name]; ok {
			fmt.Fprintf(&b, "- %s: %s\n", name, why)
		}
	}
	if err := os.WriteFile(file, []byte(b.String()), 0o644); err != nil {
		return err
	}
	fmt.Printf("%d scenarios: %d hold, %d more but for how often upstreams were asked, %d do not; %d were not played. The table is in %s\n",
		good+asked+bad, good, asked, bad, len(l.skipped), file)
	return nil
}

const againstHead = `# What goes wrong, and what the gateway at %s makes of it

Of %d scenarios played, in %d callers and upstreams both saw what they should. In %d more the callers
did, and an upstream was asked more or less often than Weir asks it (*policy*: the same upstreams, and
each request ended the same way). %d do not hold.

A caller's verdict is about the kind of its answers: *answered* whole with a finish, *refused* with an
error status, *broken* by an error or a cut, *unfinished* as if all were well, *left* by the caller.
Codes and texts are each gateway's own. GETs at upstreams are not counted.

| scenario | what goes wrong | callers | what they saw | upstreams | what they saw | what Weir's see |
|---|---|---|---|---|---|---|
`
