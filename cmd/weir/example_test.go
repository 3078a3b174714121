package main

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"weir/config"
)

// An example that is not a command line Weir understands teaches nothing.
func TestEveryExampleParses(t *testing.T) {
	var walk func(*cobra.Command)
	walk = func(cmd *cobra.Command) {
		for line := range strings.Lines(cmd.Example) {
			line, _, _ = strings.Cut(line, "#")
			args := strings.Fields(line)
			if len(args) == 0 || args[0] != "weir" {
				continue
			}
			root := newRoot()
			found, rest, err := root.Find(args[1:])
			if err != nil {
				t.Errorf("%q: %v", line, err)
				continue
			}
			for i, arg := range rest {
				if strings.ContainsAny(arg, "<>|&") {
					rest = rest[:i]
					break
				}
			}
			if err := found.ParseFlags(rest); err != nil {
				t.Errorf("%q: %v", line, err)
			}
		}
		for _, sub := range cmd.Commands() {
			walk(sub)
		}
	}
	walk(newRoot())
}

// What --emulate makes of any configuration needs no GPU, cloud or secret.
func TestEmulationLeavesNothingThatIsNotHere(t *testing.T) {
	files, err := filepath.Glob(filepath.Join("..", "..", "examples", "*.yaml"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no examples: %v", err)
	}
	for _, file := range files {
		load, key, err := serveFlags{file: file, emulate: true}.loader()
		if err != nil {
			t.Fatal(err)
		}
		c, err := load()
		if err != nil {
			t.Fatal(err)
		}
		if keys := c.Tenants[0].Keys; keys[len(keys)-1].Hash != config.HashKey(key) {
			t.Errorf("%s: the key that is printed opens nothing", file)
		}
		for _, m := range c.Models {
			for _, d := range m.Deployments {
				p := d.Process
				if d.External != nil || d.AzureOpenAI != nil || p == nil || p.GPUs > 0 || p.APIKey.Set() || !slices.Contains(p.Command, "emulate") {
					t.Errorf("%s: %s is not emulated: %+v", file, d.Name, p)
				}
			}
		}
	}
}
