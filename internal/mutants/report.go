package main

import (
	"fmt"
	"io"
	"text/tabwriter"
)

// floor is the share of mutants that the tests must catch.
const floor = 0.85

// A score counts mutants and those that were caught.
type score struct{ caught, all int }

func (s score) share() float64 { return float64(s.caught) / float64(max(s.all, 1)) }

func (s score) String() string {
	return fmt.Sprintf("%d of %d, %.0f %%", s.caught, s.all, 100*s.share())
}

// A tally is what became of the mutants that were run.
type tally struct {
	packs     []string // in the order of the list
	by        map[string]*score
	all       score
	survivors []*mutant
	excused   []*mutant // said to survive, yet caught
}

func (t *tally) add(m *mutant, o outcome) {
	s := t.by[m.suite.pack]
	if s == nil {
		s = new(score)
		t.by[m.suite.pack] = s
		t.packs = append(t.packs, m.suite.pack)
	}
	s.all++
	t.all.all++
	if o == survived {
		t.survivors = append(t.survivors, m)
		return
	}
	s.caught++
	t.all.caught++
	if m.survives != "" {
		t.excused = append(t.excused, m)
	}
}

// print writes the scores and the survivors, and says whether that will do: at
// least floor is caught, and every survivor has a reason in the list.
func (t *tally) print(w io.Writer) (ok bool) {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(tw, "\npackage\tcaught\n")
	for _, p := range t.packs {
		fmt.Fprintf(tw, "%s\t%v\n", p, t.by[p])
	}
	fmt.Fprintf(tw, "all\t%v\n", t.all)
	tw.Flush()
	ok = true
	if t.all.share() < floor {
		ok = false
		fmt.Fprintf(w, "\nfewer than %.0f %% are caught\n", 100*floor)
	}
	if len(t.survivors) > 0 {
		fmt.Fprintf(w, "\nsurvivors\n")
	}
	for _, m := range t.survivors {
		why := "harmless: " + m.survives
		if m.survives == "" {
			ok = false
			why = "write the test that fails with it, or say in the list (survives ...) why it is harmless"
		}
		fmt.Fprintf(w, "  %s: %s: %s\n    breaks: %s\n    %s\n", m.where, m.suite.pack, m.name, m.breaks, why)
	}
	for _, m := range t.excused {
		fmt.Fprintf(w, "  %s: %s: %s: caught, though the list says it survives: delete that line\n", m.where, m.suite.pack, m.name)
	}
	return ok
}
