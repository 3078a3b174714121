package main

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"
)

// run executes one command line and returns the exit code. All output goes to
// the given writers.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	root := newRoot()
	root.SetArgs(args)
	root.SetIn(stdin)
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := root.ExecuteContext(ctx)
	if err != nil {
		explain(stderr, err)
	}
	return exitCode(err)
}

// newRoot lists every subcommand.
func newRoot() *cobra.Command {
	root := group(&cobra.Command{
		Use:   "weir",
		Short: "Match AI traffic to capacity",
		Long: `Weir stands between the callers of models and everything that can serve them.
It decides where each request goes and how many replicas run, and accounts for
the cost.

` + exitHelp,
		Example: `  weir serve                      # two emulated models, nothing else needed
  weir check -c weir.yaml         # all errors of a configuration at once
  weir serve -c weir.yaml         # the real thing`,
		SilenceUsage:  true, // an error is one message, not a page of help
		SilenceErrors: true, // explain prints it
	})
	root.Version = readBuild().version
	root.SetVersionTemplate(readBuild().String())
	root.AddCommand(
		newServe(),
		newCheck(),
		newFit(),
		newManifest(),
		newSimulate(),
		newReplay(),
		newEmulate(),
		newKey(),
		newPlan(),
		newPrice(),
		newQuota(),
		newUsage(),
		newCache(),
		newCompare(),
		newIndex(),
		newVersion(),
	)
	root.SetFlagErrorFunc(flagError)
	addCobraCommands(root)
	complete(root)
	return root
}

// addCobraCommands gives cobra's own commands (help, completion) an example
// like all others.
func addCobraCommands(root *cobra.Command) {
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd()
	for _, cmd := range root.Commands() {
		switch cmd.Name() {
		case "help":
			cmd.Example = "  weir help check"
		case "completion":
			cmd.Example = "  source <(weir completion bash)      # for this shell; see weir completion bash --help to keep it"
			for _, shell := range cmd.Commands() {
				shell.Example = completionExamples[shell.Name()]
			}
		}
	}
}

var completionExamples = map[string]string{
	"bash":       "  weir completion bash > /etc/bash_completion.d/weir",
	"zsh":        `  weir completion zsh > "${fpath[1]}/_weir"`,
	"fish":       "  weir completion fish > ~/.config/fish/completions/weir.fish",
	"powershell": "  weir completion powershell | Out-String | Invoke-Expression",
}

// group makes cmd a group of commands: without arguments it shows its help, and
// it refuses unknown ones.
func group(cmd *cobra.Command) *cobra.Command {
	cmd.Args = cobra.ArbitraryArgs
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return cmd.Help()
		}
		problem := fmt.Errorf("unknown command %q", args[0])
		if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
			problem = fmt.Errorf("unknown command %q; did you mean %q?", args[0], near[0])
		}
		return usageError{cmd.CommandPath(), problem}
	}
	cmd.SuggestionsMinimumDistance = 2
	return cmd
}

// noArgs refuses arguments other than flags.
func noArgs(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	return usageError{cmd.CommandPath(), fmt.Errorf("takes no argument, have %q", args[0])}
}
