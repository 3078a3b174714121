package main

import (
	"bytes"
	"context"
	"flag"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/spf13/cobra"

	"weir/internal/term"
)

var update = flag.Bool("update", false, "rewrite what the scripts expect")

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"weir": main})
}

// testdata/script holds a story per command: the command line, its output, and
// the exit code. Regenerate the output with -update.
func TestCommands(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		UpdateScripts:       *update,
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"exits": exits,
		},
	})
}

func TestEveryCommandsHelpShowsAnExample(t *testing.T) {
	commands := 0
	var walk func(*cobra.Command)
	walk = func(cmd *cobra.Command) {
		commands++
		if !strings.Contains(cmd.Example, "weir") {
			t.Errorf("%s has no example", cmd.CommandPath())
		}
		if cmd.Short == "" {
			t.Errorf("%s does not say what it does", cmd.CommandPath())
		}
		for _, sub := range cmd.Commands() {
			walk(sub)
		}
	}
	walk(newRoot())
	if commands < 8 {
		t.Errorf("only %d commands", commands)
	}
}

// exits runs weir and checks its exit code: exits CODE ARGS...
func exits(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) < 1 {
		ts.Fatalf("usage: exits CODE ARGS...")
	}
	have := "0"
	if err := ts.Exec("weir", args[1:]...); err != nil {
		have = strings.TrimPrefix(err.Error(), "exit status ")
	}
	if have != args[0] {
		ts.Fatalf("weir %s: want exit code %s, have %s", strings.Join(args[1:], " "), args[0], have)
	}
}

func TestColourIsForTerminalsAlone(t *testing.T) {
	var out bytes.Buffer
	if term.Colourful(&out) {
		t.Error("a buffer is no terminal")
	}
	code := run(context.Background(), []string{"check", "-c", "testdata/broken.yaml"}, nil, &out, &out)
	if code != exitConfig || strings.Contains(out.String(), "\x1b") {
		t.Errorf("exit code %d, output %q", code, out.String())
	}
}
