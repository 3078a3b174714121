package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A list whose texts are gone tests nothing. Moving a file inside its package
// breaks none; moving code to another package, or rewording it, requires a
// change of the list.
func TestEveryMutantCanBeMade(t *testing.T) {
	all, err := readLists("list")
	if err != nil {
		t.Fatal(err)
	}
	if err := check(filepath.Join("..", ".."), all); err != nil {
		t.Error(err)
	}
	if len(all) < 80 {
		t.Errorf("%d mutants are listed, there should be 80 at least", len(all))
	}
}

func TestAMutantChangesOneTextOfItsPackage(t *testing.T) {
	root := tree(t, map[string]string{
		"a/one.go":      "package a\n\nfunc f(n int) bool {\n\tif n > 1 {\n\t\treturn true\n\t}\n\treturn false\n}\n",
		"a/two.go":      "package a\n\nvar twice, again = 2, 2\n",
		"a/one_test.go": "package a\n\n// n > 1\n",
		"b/b.go":        "package b\n\nvar gone = 3\n",
	})
	for _, c := range []struct{ from, to, want string }{
		{"- n > 1", "+ n > 2", "if n > 2 {"},
		{"- if n > 1 {\n- return true", "+ if n > 1 {\n+ return false", "return false\n\t}\n\treturn false"}, // however it is indented
		{"- twice, again = 2, 2", "", "var \n"},
		{"- 2", "+ 3", "occurs 2 times"},
		{"- gone = 3", "+ gone = 4", "move the mutant below that package"},
		{"- never was", "+ x", "occurs 0 times"},
	} {
		all, err := parse("list", "package a\nmutant m\nbreaks p\n"+c.from+"\n"+c.to+"\n")
		if err != nil {
			t.Fatal(err)
		}
		_, changed, err := all[0].apply(root)
		if err != nil {
			changed = []byte(err.Error())
		}
		if !strings.Contains(string(changed), c.want) {
			t.Errorf("%q to %q: %q is not in:\n%s", c.from, c.to, c.want, changed)
		}
	}
}

func TestAListWithFaultsIsRefused(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"mutant before any package\n", "none of package"},
		{"package a\nmutant m\n- x\n+ y\n", `a line "breaks"`},
		{"package a\nmutant m\nbreaks p\n- x\n+ x\n", "that differ"},
		{"package a\nmutant m\nbreak p\n- x\n+ y\n", "none of package"},
	} {
		if _, err := parse("list", c.text); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: %v, want %q", c.text, err, c.want)
		}
	}
	dir := tree(t, map[string]string{"a.txt": "package a\nmutant m\nbreaks p\n- x\n+ y\n", "b.txt": "package a\nmutant m\nbreaks q\n- z\n+ y\n"})
	if _, err := readLists(dir); err == nil || !strings.Contains(err.Error(), "is also the name of") {
		t.Errorf("two mutants of one name: %v", err)
	}
}

func TestASampleIsSettledByItsSeedAndNeedsToBeCaught(t *testing.T) {
	s := &suite{pack: "a"}
	var all []*mutant
	for _, name := range strings.Split("abcdefghijklmnop", "") {
		all = append(all, &mutant{name: name, suite: s})
	}
	all[3].survives = "harmless"
	names := func(seed uint64) (n string) {
		for _, m := range sample(all, 5, seed) {
			n += m.name
		}
		return n
	}
	if a, b := names(1), names(1); a != b || len(a) != 5 {
		t.Errorf("seed 1 draws %q, then %q", a, b)
	}
	for seed := range uint64(50) {
		if strings.Contains(names(seed), "d") {
			t.Fatalf("seed %d draws one that may survive", seed)
		}
	}
}

func TestASurvivorWithoutAReasonFailsAndSoDoesALowScore(t *testing.T) {
	s := &suite{pack: "a"}
	excused := &mutant{name: "e", suite: s, survives: "why"}
	for _, c := range []struct {
		caught, excused, open int
		want                  bool
	}{{20, 0, 0, true}, {17, 3, 0, true}, {16, 4, 0, false}, {99, 0, 1, false}} {
		tally := tally{by: map[string]*score{}}
		for range c.caught {
			tally.add(&mutant{suite: s}, caught)
		}
		for range c.excused {
			tally.add(excused, survived)
		}
		for range c.open {
			tally.add(&mutant{suite: s}, survived)
		}
		var text strings.Builder
		if got := tally.print(&text); got != c.want {
			t.Errorf("%+v: %v\n%s", c, got, text.String())
		}
	}
}

func tree(t *testing.T, files map[string]string) string {
	t.Helper()
	root := t.TempDir()
	for name, text := range files {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return root
}
