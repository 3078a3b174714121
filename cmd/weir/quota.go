package main

import (
	"encoding/json"
	"errors"

	"github.com/spf13/cobra"

	"weir/config"
	"weir/price/pricefile"
	"weir/quota/needs"
	"weir/report"
)

func newQuota() *cobra.Command {
	var file string
	var locations []string
	var asJSON, all bool
	cmd := &cobra.Command{
		Use: "quota", Short: "List what Azure allows the subscription, and what the deployments need",
		Long: `Reads the quotas of the subscription named by azure: in the file, in the regions of its
deployments: vCPUs of machine families, those of Azure Machine Learning with the caps
of workspaces, PTUs and tokens per minute, and what regions have in stock. Then it says
for each deployment what it needs at its most, what is free, and what to request.

It changes nothing. If a deployment needs more than there is, the exit code is 1.`,
		Example: `  weir quota -c weir.yaml
  weir quota -c weir.yaml --location swedencentral --json > quota.json`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := config.Open(file)
			if err != nil {
				return configError{err}
			}
			if err := c.Resolve(); err != nil {
				return configError{err}
			}
			prices, err := pricefile.Catalogue("")
			if err != nil {
				return configError{err}
			}
			page, err := needs.Of(cmd.Context(), c, prices, locations...)
			if errors.Is(err, needs.ErrNoSubscription) {
				return configError{err}
			}
			if err != nil {
				return err
			}
			if asJSON {
				e := json.NewEncoder(cmd.OutOrStdout())
				e.SetIndent("", "  ")
				err = e.Encode(page)
			} else {
				err = report.Quotas(cmd.OutOrStdout(), &page.Book, page.Shown(), page.Troubles(), all)
			}
			return errors.Join(err, page.Short())
		},
	}
	cmd.Flags().StringVarP(&file, "config", "c", "weir.yaml", "configuration `file`")
	cmd.Flags().StringArrayVar(&locations, "location", nil, "also read everything of this `region`; may be repeated")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	cmd.Flags().BoolVar(&all, "all", false, "list quotas that are not in use, too")
	_ = cmd.MarkFlagFilename("config", "yaml", "yml")
	return cmd
}
