// Command mutants asks the tests whether they would notice. It owns a list of
// small wrong changes, each with the promise of a comment that it breaks; it
// makes one at a time, runs the package's tests, and counts those that fail. The
// lists (list/*.txt) are kept by hand and chosen by what the code promises, not by
// what a test happens to catch: a score says something only of such a list. The
// tree is never changed (go test -overlay). It knows nothing of what the packages
// do.
//
//	go run ./internal/mutants            all of them
//	go run ./internal/mutants -check     only that each text still occurs once
//	go run ./internal/mutants -run dispatch
//	go run ./internal/mutants -sample 12 -seed 7
//
// It exits 1 if fewer than 85 % are caught or a survivor has no reason in the
// list, and 2 if a mutant cannot be made or tests fail without one.
package main

import (
	"cmp"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"time"
)

func main() {
	ok, err := mutants()
	if err != nil {
		fmt.Fprintln(os.Stderr, "mutants:", err)
		os.Exit(2)
	}
	if !ok {
		os.Exit(1)
	}
}

func mutants() (ok bool, err error) {
	only := flag.String("run", "", "only mutants whose \"package: name\" this regular expression matches")
	size := flag.Int("sample", 0, "only so many, drawn among those a test must catch; 0 means all")
	seed := flag.Uint64("seed", 0, "what the sample is drawn from; 0 means the time, printed")
	checks := flag.Bool("check", false, "only check that each mutant's text occurs exactly once in its package")
	fast := flag.Bool("fast", false, "leave out the slow tests of a package: what survives may be caught by them")
	flag.Parse()

	all, err := readLists(filepath.Join("internal", "mutants", "list"))
	if err != nil {
		return false, err
	}
	match, err := regexp.Compile(*only)
	if err != nil {
		return false, fmt.Errorf("-run: %w", err)
	}
	all = slices.DeleteFunc(all, func(m *mutant) bool { return !match.MatchString(m.suite.pack + ": " + m.name) })
	if err := check(".", all); err != nil {
		return false, err
	}
	if *checks {
		fmt.Printf("%d mutants: the text of each occurs once in its package\n", len(all))
		return true, nil
	}
	if *size > 0 {
		s := cmp.Or(*seed, uint64(time.Now().UnixNano())%1e6)
		all = sample(all, *size, s)
		fmt.Printf("%d mutants drawn with -seed %d\n", len(all), s)
	}
	return runAll(all, *fast)
}

// sample draws n of those that have no reason to survive, in the list's order.
func sample(all []*mutant, n int, seed uint64) []*mutant {
	all = slices.DeleteFunc(slices.Clone(all), func(m *mutant) bool { return m.survives != "" })
	drawn := map[*mutant]bool{}
	for _, i := range rand.New(rand.NewPCG(seed, 0)).Perm(len(all))[:min(n, len(all))] {
		drawn[all[i]] = true
	}
	return slices.DeleteFunc(all, func(m *mutant) bool { return !drawn[m] })
}

// runAll tries one mutant after another and prints what became of each.
func runAll(all []*mutant, fast bool) (ok bool, err error) {
	dir, err := os.MkdirTemp("", "mutants-")
	if err != nil {
		return false, err
	}
	defer os.RemoveAll(dir)
	r := &runner{root: ".", dir: dir, took: map[string]time.Duration{}, fast: fast}
	t := &tally{by: map[string]*score{}}
	var faults []error
	for _, m := range all {
		began := time.Now()
		o, by, err := r.try(m)
		if err != nil {
			faults = append(faults, err)
			continue
		}
		t.add(m, o)
		fmt.Printf("%-18s %5.1f s  %s: %s  %s\n", o, time.Since(began).Seconds(), m.suite.pack, m.name, by)
	}
	return t.print(os.Stdout), errors.Join(faults...)
}
