package arch

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// source is one non-test Go file of the module.
type source struct {
	pkg  string // import path
	name string // path from the module's root
	file *ast.File
	fset *token.FileSet
}

// TestTheHouseRulesHold checks every Go file of this module (nested modules
// excluded) against the rules.
func TestTheHouseRulesHold(t *testing.T) {
	root := filepath.Join("..", "..")
	sources := parseModule(t, root)
	if len(sources) < 5 {
		t.Fatalf("found %d source files below %s: the walk is broken", len(sources), root)
	}
	for _, s := range sources {
		for _, fault := range check(s) {
			t.Error(fault)
		}
	}
}

// TestRulesNameOnlyWhatMayExist: an edge to a package that is not listed is a
// typo.
func TestRulesNameOnlyWhatMayExist(t *testing.T) {
	for pkg, p := range house {
		for _, dep := range p.imports {
			if _, ok := house[dep]; !ok {
				t.Errorf("%s may import %s, which is not listed", pkg, dep)
			}
		}
	}
}

// TestViolationsAreFound shows that each rule can fail.
func TestViolationsAreFound(t *testing.T) {
	f := func(pkg, src, want string) {
		t.Helper()
		fset := token.NewFileSet()
		file, err := parser.ParseFile(fset, "x.go", src, 0)
		if err != nil {
			t.Fatal(err)
		}
		faults := check(source{pkg: pkg, name: "x.go", file: file, fset: fset})
		if !strings.Contains(strings.Join(faults, "\n"), want) {
			t.Errorf("%s: %q not among %q", pkg, want, faults)
		}
	}
	f("weir/dispatch", `package dispatch; import "time"; var x = time.Now()`, "time.Now")
	f("weir/dispatch", `package dispatch; import clock "time"; var x = clock.Now()`, "time.Now")
	f("weir/dispatch", `package dispatch; func f() { go f() }`, "goroutine")
	f("weir/dispatch", `package dispatch; import "os"`, `"os"`)
	f("weir/dispatch", `package dispatch; import "math/rand/v2"; var x = rand.IntN(3)`, "rand.IntN")
	f("weir/dispatch", `package dispatch; import "weir/scale"`, "weir/scale")
	f("weir/dispatch", `package dispatch; import "github.com/google/uuid"`, "uuid")
	f("weir/gateway", `package gateway; import "modernc.org/sqlite"`, "weir/store")
	f("weir/gateway", `package gateway; import "weir/config"`, "weir/config")
	f("weir", `package weir; import "weir/scale"`, "weir/scale")
	f("weir/novelty", `package novelty`, "not listed")
	f("weir/control", `package control; import "weir/cmd/weir"`, "weir/cmd/weir")
	f("weir/cmd/weir", `package main; import "weir/dispatch"`, "weir/dispatch")
	f("weir/report", `package report; import "weir/config"`, "weir/config")
	f("weir/report", `package report; import "os"`, `"os"`)
	f("weir/price", `package price; import "sync"; var x sync.Mutex`, "sync.Mutex")
}

// check returns every rule that s breaks.
func check(s source) []string {
	p, ok := house[s.pkg]
	if !ok {
		return []string{fmt.Sprintf("%s: package %s is not listed in internal/arch: %s", s.name, s.pkg, whyListed)}
	}
	var faults []string
	at := func(n ast.Node, format string, args ...any) {
		pos := s.fset.Position(n.Pos())
		faults = append(faults, fmt.Sprintf("%s:%d: %s", s.name, pos.Line, fmt.Sprintf(format, args...)))
	}
	for _, imp := range s.file.Imports {
		dep, err := strconv.Unquote(imp.Path.Value)
		if err != nil {
			at(imp, "bad import %s", imp.Path.Value)
			continue
		}
		if msg := checkImport(s.pkg, p, dep); msg != "" {
			at(imp, "%s", msg)
		}
	}
	if p.pure {
		checkPure(s, at)
	}
	return faults
}

// checkImport says why pkg may not import dep, or "".
func checkImport(pkg string, p pack, dep string) string {
	switch {
	case dep == "weir":
		return ""
	case strings.HasPrefix(dep, "weir/"):
		if slices.Contains(p.imports, dep) {
			return ""
		}
		why := whyEdge
		switch {
		case pkg == "weir":
			why = whyRoot
		case dep == "weir/config":
			why = whyShape
		}
		return fmt.Sprintf("%s may not import %s: %s", pkg, dep, why)
	case isStandard(dep):
		if what, bad := impure[dep]; bad && p.pure && !(p.once && dep == "sync") {
			return fmt.Sprintf("pure package %s imports %q (%s): %s", pkg, dep, what, whyPure)
		}
		return ""
	}
	for module, only := range owner {
		if strings.HasPrefix(dep, module) && !slices.Contains(strings.Fields(only), pkg) {
			return fmt.Sprintf("%s imports %s, which belongs to %s alone: %s", pkg, dep, only, whySDK)
		}
	}
	if p.pure && !slices.ContainsFunc(p.sdks, func(prefix string) bool { return strings.HasPrefix(dep, prefix) }) {
		return fmt.Sprintf("pure package %s imports %s: %s", pkg, dep, whyPure)
	}
	return ""
}

// checkPure looks for clocks, goroutines and unseeded randomness.
func checkPure(s source, at func(ast.Node, string, ...any)) {
	names := map[string]string{} // local name -> import path
	for _, imp := range s.file.Imports {
		dep, _ := strconv.Unquote(imp.Path.Value)
		local := path.Base(dep)
		if dep == "math/rand/v2" {
			local = "rand"
		}
		if imp.Name != nil {
			local = imp.Name.Name
		}
		names[local] = dep
	}
	ast.Inspect(s.file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.GoStmt:
			at(n, "pure package %s starts a goroutine: %s", s.pkg, whyPure)
		case *ast.SelectorExpr:
			id, ok := n.X.(*ast.Ident)
			if !ok {
				return true
			}
			switch names[id.Name] {
			case "time":
				if clockFuncs[n.Sel.Name] {
					at(n, "pure package %s uses time.%s: %s", s.pkg, n.Sel.Name, whyPure)
				}
			case "sync":
				if !onceOnly[n.Sel.Name] {
					at(n, "pure package %s uses sync.%s: %s", s.pkg, n.Sel.Name, whyPure)
				}
			case "math/rand/v2":
				if !seededOnly[n.Sel.Name] {
					at(n, "pure package %s uses rand.%s, the global source: %s", s.pkg, n.Sel.Name, whyPure)
				}
			}
		}
		return true
	})
}

// isStandard recognises a standard-library path: its first element has no dot.
func isStandard(dep string) bool {
	first, _, _ := strings.Cut(dep, "/")
	return !strings.Contains(first, ".")
}

func parseModule(t *testing.T, root string) []source {
	t.Helper()
	var sources []source
	err := filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if name := d.Name(); p != root && (name == "testdata" || strings.HasPrefix(name, ".") || isModule(p)) {
				return filepath.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(p, ".go") || strings.HasSuffix(p, "_test.go") {
			return nil
		}
		rel, err := filepath.Rel(root, p)
		if err != nil {
			return err
		}
		fset := token.NewFileSet()
		file, err := parser.ParseFile(fset, p, nil, 0)
		if err != nil {
			return err
		}
		pkg := path.Join("weir", filepath.ToSlash(filepath.Dir(rel)))
		sources = append(sources, source{pkg: pkg, name: filepath.ToSlash(rel), file: file, fset: fset})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return sources
}

func isModule(dir string) bool {
	_, err := os.Stat(filepath.Join(dir, "go.mod"))
	return err == nil
}
