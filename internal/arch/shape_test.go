package arch

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Bounds for readability.
const (
	maxFunction = 70  // lines
	maxCommand  = 125 // lines of cmd/weir for each command, its tests aside
	maxFile     = 250 // lines of one file of cmd/weir
)

// TestFunctionsAreShort: no function of this module has more than 70 lines, its
// first and last included.
func TestFunctionsAreShort(t *testing.T) {
	functions := 0
	for _, s := range parseModule(t, filepath.Join("..", "..")) {
		n, long := longFunctions(s)
		functions += n
		for _, line := range long {
			t.Errorf("%s: name a part of it", line)
		}
	}
	if functions < 1000 {
		t.Errorf("found %d functions: the walk is broken", functions)
	}
}

// longFunctions counts the functions of a file and names those that are too
// long.
func longFunctions(s source) (n int, long []string) {
	for _, d := range s.file.Decls {
		f, ok := d.(*ast.FuncDecl)
		if !ok {
			continue
		}
		n++
		from, to := s.fset.Position(f.Pos()), s.fset.Position(f.End())
		if lines := to.Line - from.Line + 1; lines > maxFunction {
			long = append(long, s.name+": "+f.Name.Name+" is too long")
		}
	}
	return n, long
}

func TestALongFunctionIsFound(t *testing.T) {
	f := func(lines, want int) {
		t.Helper()
		fset := token.NewFileSet()
		file, err := parser.ParseFile(fset, "x.go", "package x\nfunc f() {"+strings.Repeat("\n", lines-1)+"}\n", 0)
		if err != nil {
			t.Fatal(err)
		}
		if n, long := longFunctions(source{name: "x.go", file: file, fset: fset}); n != 1 || len(long) != want {
			t.Errorf("%d lines: %d functions, too long are %q", lines, n, long)
		}
	}
	f(70, 0)
	f(71, 1)
}

// TestTheCommandIsFlagsHelpAndExitCodes: anything more belongs to a package
// that can be tested without a command line.
func TestTheCommandIsFlagsHelpAndExitCodes(t *testing.T) {
	files, err := filepath.Glob(filepath.Join("..", "..", "cmd", "weir", "*.go"))
	if err != nil || len(files) == 0 {
		t.Fatalf("found %d files, %v: the walk is broken", len(files), err)
	}
	lines, commands := 0, 0
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		n := strings.Count(string(text), "\n")
		if n > maxFile {
			t.Errorf("%s has %d lines, want at most %d: move what is no flag, help or exit code", file, n, maxFile)
		}
		lines += n
		commands += strings.Count(string(text), "&cobra.Command{")
	}
	if commands < 20 {
		t.Fatalf("found %d commands: the walk is broken", commands)
	}
	if lines > maxCommand*commands {
		t.Errorf("cmd/weir has %d lines for %d commands, want at most %d for each: move what is no flag, help or exit code", lines, commands, maxCommand)
	}
}
