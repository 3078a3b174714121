package main

import (
	"errors"

	"github.com/spf13/cobra"

	"weir/index/operate"
	"weir/store/chunks"
)

func newIndex() *cobra.Command {
	cmd := group(&cobra.Command{Use: "index", Short: "Keep an index of documents up to date, and search it", Example: "  weir index build docs --into docs.db --model embed\n  weir index query --into docs.db \"how is it installed?\""})
	cmd.AddCommand(newIndexBuild(), newIndexQuery())
	return cmd
}

// indexFlags are the flags of both commands.
func indexFlags(cmd *cobra.Command, o *operate.Options) {
	f := cmd.Flags()
	f.StringVar(&o.Into, "into", "", "`place` of the index: a file, or postgres://... with pgvector")
	f.StringVar(&o.Name, "name", "default", "`name` of the index, where several share a database")
	f.StringVar(&o.URL, "url", "http://127.0.0.1:8080", "`address` of the running Weir")
	f.BoolVar(&o.JSON, "json", false, "print JSON")
}

// indexStreams completes the options of a command that runs.
func indexStreams(cmd *cobra.Command, o *operate.Options) error {
	o.Open, o.Out, o.Err = chunks.At, cmd.OutOrStdout(), cmd.ErrOrStderr()
	if o.Into == "" {
		return usageError{cmd.CommandPath(), errors.New("--into is missing: say where the index is, such as --into docs.db")}
	}
	return nil
}

func newIndexBuild() *cobra.Command {
	var o operate.BuildOptions
	cmd := &cobra.Command{
		Use: "build SOURCE", Short: "Embed what is new or has changed, and remove what is gone",
		Long: `Brings an index up to date with a folder, a .jsonl file ({"id", "text", "attributes"} on
each line) or a list of addresses (--urls). Only chunks that are new or have changed
are embedded, by a running Weir, in class batch. A run that was ended is run again: it
goes on. Another --model or --model-version fills a new index beside the old one,
which is searched until the new one is whole. The key is read from ` + operate.KeyVariable + `.`,
		Example: "  weir index build docs --into docs.db --model embed --dry-run --price 0.02\n  weir index build docs --into docs.db --model embed",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := indexStreams(cmd, &o.Options); err != nil {
				return err
			}
			if o.Model == "" {
				return usageError{cmd.CommandPath(), errors.New("--model is missing: name a model of the running Weir")}
			}
			o.Source = args[0]
			return operate.Build(cmd.Context(), o)
		},
	}
	indexFlags(cmd, &o.Options)
	f := cmd.Flags()
	f.StringVar(&o.Model, "model", "", "`name` of the embedding model")
	f.StringVar(&o.Version, "model-version", "", "`version` of the model, as you name it; another one embeds everything again")
	f.IntVar(&o.Dimensions, "dimensions", 0, "`numbers` of a vector; 0: the model's own")
	f.IntVar(&o.Tokens, "tokens", 400, "most `tokens` of a chunk, estimated")
	f.IntVar(&o.Overlap, "overlap", 40, "most `tokens` of a chunk's end that the next one repeats")
	f.Float64Var(&o.Price, "price", 0, "`dollars` for a million tokens, for the cost")
	f.BoolVar(&o.List, "urls", false, "SOURCE is a list of addresses, one a line")
	f.BoolVar(&o.Dry, "dry-run", false, "say what would be embedded and what it costs, and change nothing")
	return cmd
}

func newIndexQuery() *cobra.Command {
	var o operate.QueryOptions
	cmd := &cobra.Command{
		Use: "query TEXT", Short: "Print the chunks nearest to a text",
		Long:    "Embeds the text with the index's model, and prints the nearest chunks. The key is read\nfrom " + operate.KeyVariable + ".",
		Example: "  weir index query --into docs.db \"how is it installed?\"",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := indexStreams(cmd, &o.Options); err != nil {
				return err
			}
			o.Text = args[0]
			return operate.Query(cmd.Context(), o)
		},
	}
	indexFlags(cmd, &o.Options)
	cmd.Flags().IntVar(&o.Most, "most", 5, "`number` of chunks")
	cmd.Flags().StringVar(&o.Filter, "filter", "", "`JSON` that selects documents, such as {\"type\":\"eq\",\"key\":\"folder\",\"value\":\"guide\"}")
	return cmd
}
