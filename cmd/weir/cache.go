package main

import (
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
			if _, err := sel.Name(); err != nil {
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
	cmd := group(&cobra.Command{Use: "cache", Short: "Purge the stored answers of a running Weir, and report on those by meaning", Example: "  weir cache purge --model gpt-4o"})
	cmd.AddCommand(purge, newCacheReport())
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
