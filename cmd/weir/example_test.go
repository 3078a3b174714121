package main

import (
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// Every example must be a command line Weir understands.
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
				if strings.ContainsAny(arg, "<>|&") && !strings.HasPrefix(arg, "'") {
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
