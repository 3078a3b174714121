package main

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// A mutant is one small wrong change to a package.
type mutant struct {
	name     string
	suite    *suite
	breaks   string   // the broken promise, in the words of the code's comment
	from, to []string // lines; indentation does not matter
	survives string   // why no test needs to catch it; "" if one must
	where    string   // file and line of the list, for messages
}

// A suite is a package and the tests that must catch its mutants.
type suite struct {
	pack  string   // folder from the module's root
	tests []string // folders of the tests to run; the package's own by default
	slow  string   // tests run only if the others pass, as for go test -run; "": none
}

// readLists reads every list below dir, in the order of their names.
func readLists(dir string) ([]*mutant, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.txt"))
	if err != nil {
		return nil, err
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("no list *.txt in %s; run it from the root of the module", dir)
	}
	var all []*mutant
	var faults []error
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		ms, err := parse(file, string(text))
		all, faults = append(all, ms...), append(faults, err)
	}
	seen := map[string]string{}
	for _, m := range all {
		key := m.suite.pack + ": " + m.name
		if other := seen[key]; other != "" {
			faults = append(faults, fmt.Errorf("%s: %q is also the name of %s; a report could not tell them apart", m.where, key, other))
		}
		seen[key] = m.where
	}
	return all, errors.Join(faults...)
}

// parse reads one list: a line "package FOLDER", optionally "tests FOLDER..." and
// "slow REGEXP", then for each mutant "mutant NAME", "breaks SENTENCE", lines
// "- from" and "+ to", and, where no test needs to catch it, "survives REASON".
// Empty lines and lines that begin with # are skipped.
func parse(file, text string) ([]*mutant, error) {
	var all []*mutant
	var faults []error
	var s *suite
	var m *mutant
	lines := bufio.NewScanner(strings.NewReader(text))
	for n := 1; lines.Scan(); n++ {
		line := lines.Text()
		if strings.TrimSpace(line) == "" || line[0] == '#' {
			continue
		}
		where := fmt.Sprintf("%s:%d", file, n)
		word, rest, _ := strings.Cut(line, " ")
		switch {
		case word == "package":
			s, m = &suite{pack: rest, tests: []string{rest}}, nil
		case word == "tests" && s != nil && m == nil:
			s.tests = strings.Fields(rest)
		case word == "slow" && s != nil && m == nil:
			s.slow = rest
		case word == "mutant" && s != nil:
			m = &mutant{name: rest, suite: s, where: where}
			all = append(all, m)
		case m == nil || !m.read(word, rest):
			faults = append(faults, fmt.Errorf("%s: %q is none of package, tests, slow, mutant, breaks, -, +, survives, or stands before what it belongs to", where, line))
		}
	}
	for _, m := range all {
		if m.name == "" || m.breaks == "" || len(m.from) == 0 || slices.Equal(m.from, m.to) {
			faults = append(faults, fmt.Errorf("%s: a mutant has a name, a line %q, and lines %q and %q that differ", m.where, "breaks", "-", "+"))
		}
	}
	return all, errors.Join(faults...)
}

// read takes one line of a mutant; false if it is not one.
func (m *mutant) read(word, rest string) bool {
	switch word {
	case "breaks":
		m.breaks = rest
	case "survives":
		m.survives = rest
	case "-":
		m.from = append(m.from, strings.TrimSpace(rest))
	case "+":
		m.to = append(m.to, strings.TrimSpace(rest))
	default:
		return false
	}
	return true
}

// pattern matches the mutant's lines with any indentation.
func (m *mutant) pattern() *regexp.Regexp {
	quoted := make([]string, len(m.from))
	for i, line := range m.from {
		quoted[i] = regexp.QuoteMeta(line)
	}
	return regexp.MustCompile(strings.Join(quoted, `\n[ \t]*`))
}

// apply returns the file of the package that holds the mutant's text, and the
// file with the change made. The text must occur exactly once in the package.
func (m *mutant) apply(root string) (file string, changed []byte, err error) {
	dir := filepath.Join(root, m.suite.pack)
	pattern := m.pattern()
	var found []string
	for _, f := range sources(dir) {
		text, err := os.ReadFile(f)
		if err != nil {
			return "", nil, err
		}
		for _, at := range pattern.FindAllIndex(text, -1) {
			found = append(found, f)
			file = f
			changed = slices.Concat(text[:at[0]], []byte(strings.Join(m.to, "\n")), text[at[1]:])
		}
	}
	if len(found) != 1 {
		return "", nil, fmt.Errorf("%s: %q: the text occurs %d times in package %s; it must occur once. %s", m.where, m.name, len(found), m.suite.pack, m.hint(root, found))
	}
	return file, changed, nil
}

// hint is the remedy for a text that is missing or occurs twice.
func (m *mutant) hint(root string, found []string) string {
	if len(found) > 0 {
		return "It stands in " + strings.Join(found, ", ") + ": give it a line more"
	}
	pattern := m.pattern()
	var elsewhere []string
	filepath.WalkDir(root, func(path string, d os.DirEntry, err error) error {
		if err != nil || !d.IsDir() {
			return nil
		}
		if strings.HasPrefix(d.Name(), ".") && path != root {
			return filepath.SkipDir
		}
		for _, f := range sources(path) {
			if text, err := os.ReadFile(f); err == nil && pattern.Match(text) {
				elsewhere = append(elsewhere, f)
			}
		}
		return nil
	})
	if len(elsewhere) > 0 {
		return "It stands in " + strings.Join(elsewhere, ", ") + ": move the mutant below that package"
	}
	return "If the code was reworded, reword the mutant; if what it breaks is no longer promised, delete it"
}

// sources lists the Go files of a folder, without tests.
func sources(dir string) []string {
	files, _ := filepath.Glob(filepath.Join(dir, "*.go"))
	return slices.DeleteFunc(files, func(f string) bool { return strings.HasSuffix(f, "_test.go") })
}

// check returns every mutant that cannot be made, joined.
func check(root string, all []*mutant) error {
	var faults []error
	for _, m := range all {
		_, _, err := m.apply(root)
		faults = append(faults, err)
	}
	return errors.Join(faults...)
}
