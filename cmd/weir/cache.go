package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"weir/cache"
	"weir/cache/operate"
)

func newCache() *cobra.Command {
	var sel cache.Selector
	var admin string
	purge := &cobra.Command{
		Use: "purge", Short: "End the stored answers of a model, tenant, namespace or tag",
		Long: `Ends stored answers; the next request for each asks its model. Give exactly one of
the flags that select. The token of the admin address is read from ` + operate.TokenVariable + `.`,
		Example: "  weir cache purge --tag faq\n  weir cache purge --all --admin 127.0.0.1:8081",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := sel.Name()
			for flag, name := range map[string]string{"tag": sel.Tag, "namespace": sel.Namespace} {
				if !cache.Named(name) {
					err = fmt.Errorf("--%s %q: at most %d letters, digits and . _ - : / =", flag, name, cache.MaxName)
				}
			}
			if err != nil {
				return usageError{cmd.CommandPath(), err}
			}
			return operate.Purge(cmd.Context(), cmd.OutOrStdout(), admin, sel)
		},
	}
	f := purge.Flags()
	f.StringVar(&admin, "admin", "127.0.0.1:8081", "admin `address` of the running Weir")
	for name, at := range map[string]*string{"model": &sel.Model, "tenant": &sel.Tenant, "namespace": &sel.Namespace, "tag": &sel.Tag} {
		f.StringVar(at, name, "", "end the answers of this `"+name+"`")
	}
	f.BoolVar(&sel.All, "all", false, "end all answers")
	cmd := group(&cobra.Command{Use: "cache", Short: "Purge and warm the stored answers of a running Weir, and report on those by meaning", Example: "  weir cache purge --model gpt-4o"})
	cmd.AddCommand(purge, newCacheReport(), newCacheWarm())
	return cmd
}

func newCacheReport() *cobra.Command {
	var admin string
	cmd := &cobra.Command{
		Use: "report", Short: "Hits, errors and money of stored answers by meaning, by model",
		Long: `Says for each model with cache.semantic how many requests got the stored answer of
other words since Weir started, how many of these answers are expected and were measured
to be wrong, and what they saved. The token of the admin address is read from ` + operate.TokenVariable + `.`,
		Example: "  weir cache report --admin 127.0.0.1:8081",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return operate.Report(cmd.Context(), cmd.OutOrStdout(), admin)
		},
	}
	cmd.Flags().StringVar(&admin, "admin", "127.0.0.1:8081", "admin `address` of the running Weir")
	return cmd
}

func newCacheWarm() *cobra.Command {
	var w operate.Warming
	cmd := &cobra.Command{
		Use: "warm FILE", Short: "Send a file of prompts, so that their answers are stored",
		Long: `Sends requests as an ordinary caller does: limits, budgets and the model's cache rules
hold. FILE has a JSON object on each line: the body of a chat completion, or
{"path": "/v1/embeddings", "body": {...}}. The caller's key is read from ` + operate.KeyVariable + `.
Lines that failed are named, and the exit code is then 1; a second run asks only for
what is not stored yet.`,
		Example: "  weir cache warm prompts.jsonl --rate 2 --tags faq",
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usageError{cmd.CommandPath(), fmt.Errorf("takes one file, have %d: weir cache warm prompts.jsonl", len(args))}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := w.Validate(); err != nil {
				return usageError{cmd.CommandPath(), err}
			}
			w.File = args[0]
			return operate.Warm(cmd.Context(), cmd.OutOrStdout(), w)
		},
	}
	f := cmd.Flags()
	f.StringVar(&w.URL, "url", "http://127.0.0.1:8080", "`address` of the gateway")
	f.Float64Var(&w.Rate, "rate", 5, "requests begun per second")
	f.StringVar(&w.Tags, "tags", "", "`names` of the answers for purges, separated by commas")
	f.StringVar(&w.Space, "namespace", "", "a separate set of answers")
	return cmd
}
