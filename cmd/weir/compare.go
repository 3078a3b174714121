package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"weir/cheaper/compare"
)

func newCompare() *cobra.Command {
	var c compare.Comparison
	var quality, level float64
	cmd := &cobra.Command{
		Use: "compare FILE", Short: "How many requests a smaller model could serve, how well, and what that saves",
		Long: `Sends requests to two models of a running Weir and compares the answers. FILE has the
body of a chat completion on each line; its model does not matter. Answers agree if they
are the same but for case, punctuation and white space, or the same JSON; with --judge if
that model says so, else with --embed if their embeddings are near. For each rule of
` + "`cheaper:`" + ` (docs/guide/routing.md) it says how many requests the smaller model would serve,
how many of those answers agree at least, and what it saves at the catalogue's prices.
The caller's key is read from ` + compare.KeyVariable + `, and pays for all of it.`,
		Example: "  weir compare prompts.jsonl --large gpt-4o --small gpt-4o-mini --judge gpt-4o",
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usageError{cmd.CommandPath(), fmt.Errorf("takes one file, have %d: weir compare prompts.jsonl --large gpt-4o --small gpt-4o-mini", len(args))}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			var err error
			switch {
			case c.Large == "" || c.Small == "" || c.Large == c.Small:
				err = fmt.Errorf("name two models by --large and --small")
			case c.Sample < 1 || c.Sample > compare.MaxSample:
				err = fmt.Errorf("--sample %d: want 1 to %d", c.Sample, compare.MaxSample)
			case !(quality >= 0 && quality <= 100) || !(level >= 50 && level < 100):
				err = fmt.Errorf("--quality %v, --confidence %v: want percentages, 0 to 100 and 50 to below 100", quality, level)
			case !(c.Alike > 0 && c.Alike <= 1) || !(c.Month > 0):
				err = fmt.Errorf("--alike %v, --month %v: want a cosine above 0 and at most 1, and a number above 0", c.Alike, c.Month)
			}
			if err != nil {
				return usageError{cmd.CommandPath(), err}
			}
			c.File, c.Quality, c.Level = args[0], quality/100, level/100
			return compare.Run(cmd.Context(), cmd.OutOrStdout(), c)
		},
	}
	f := cmd.Flags()
	f.StringVar(&c.URL, "url", "http://127.0.0.1:8080", "`address` of the gateway")
	f.StringVar(&c.Large, "large", "", "the `model` that callers ask for")
	f.StringVar(&c.Small, "small", "", "the smaller `model`")
	f.StringVar(&c.Judge, "judge", "", "`model` that says whether two answers say the same")
	f.StringVar(&c.Embed, "embed", "", "`model` whose embeddings compare answers, without a judge")
	f.Float64Var(&c.Alike, "alike", 0.95, "`cosine` from which embeddings are near")
	f.IntVar(&c.Sample, "sample", 1000, "most lines to use")
	f.Float64Var(&quality, "quality", 95, "least `percentage` of the smaller model's answers that must agree")
	f.Float64Var(&level, "confidence", 95, "`percentage` of confidence in the bounds")
	f.Float64Var(&c.Month, "month", 1e6, "`requests` a month")
	f.StringVar(&c.PriceLarge, "price-large", "", "catalogue `model` whose price the larger one has (default: its own name)")
	f.StringVar(&c.PriceSmall, "price-small", "", "the same of the smaller `model`")
	return cmd
}
