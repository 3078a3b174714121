package main

import (
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"weir/check"
	"weir/config"
	"weir/internal/paint"
	"weir/price/pricefile"
	"weir/report/words"
)

// checkOptions are the arguments of the command line.
type checkOptions struct {
	file                                      string
	strict, simulate, connect, cluster, azure bool
}

func newCheck() *cobra.Command {
	var o checkOptions
	var schema bool
	cmd := &cobra.Command{
		Use:   "check",
		Short: "Check a weir.yaml and report all its errors",
		Long: `Check reads a configuration like "weir serve" and reports all errors at once:
position, problem and allowed values.

Secrets and certificates that are missing on this machine are only warnings, so
a file can be checked where it is written; "weir serve" refuses to start without
them. With --strict, warnings fail too.

If hardware (process.runs_on) and slo are known, the scaling is simulated with the
lengths of scaling.profile. This takes some tenths of a second and gives the same
result each time. Targets above the capacity of a replica, and a minimum of zero
where a cold start would miss the slo, are warnings with values that work.

With --connect it also sends every upstream a request that costs no tokens: the
list of models to a server, and to an Azure OpenAI deployment a chat without
messages, which is refused only if key and name are right. All requests run in
parallel, each for at most 15 s. If one upstream cannot be used, the exit code is 1.

With --cluster it asks the Kubernetes cluster about every workload: whether it is
there and can be scaled, what else writes its number, which rights Weir lacks, and
whether a replica would find a node and quota. It changes nothing.

With --azure it asks the subscription of azure: whether its quotas are enough for the
most that each deployment may have, and what to request; and about every managed
online deployment whether it is there and can be scaled, what else writes its
instances, which rights Weir lacks, and what an instance takes. It changes nothing.

With --schema it prints the JSON Schema of weir.yaml instead. Editors with a YAML
language server find it through a comment in the file:

  # yaml-language-server: $schema=weir.schema.json

` + exitHelp,
		Example: `  weir check                                 # ./weir.yaml
  weir check -c production.yaml --strict     # in CI, with its secrets
  weir check -c production.yaml --connect    # are the upstreams reachable?
  weir check -c production.yaml --cluster    # can the workloads be scaled?
  weir check -c production.yaml --azure      # are the quotas enough?
  weir check --schema > weir.schema.json     # for your editor`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if schema {
				_, err := cmd.OutOrStdout().Write(config.Schema())
				return err
			}
			return o.run(cmd)
		},
	}
	cmd.Flags().StringVarP(&o.file, "config", "c", "weir.yaml", "configuration `file`")
	cmd.Flags().BoolVar(&schema, "schema", false, "print the JSON Schema of weir.yaml and check nothing")
	cmd.Flags().BoolVar(&o.strict, "strict", false, "fail on warnings, including missing secrets")
	cmd.Flags().BoolVar(&o.connect, "connect", false, "contact every upstream: address, key, model or deployment name; costs no tokens")
	cmd.Flags().BoolVar(&o.cluster, "cluster", false, "ask the Kubernetes cluster about every workload: target, other writers, rights, nodes, quota")
	cmd.Flags().BoolVar(&o.azure, "azure", false, "ask the Azure subscription about quotas and managed online deployments")
	cmd.Flags().BoolVar(&o.simulate, "simulate", true, "simulate the scaling of replicas with known hardware and slo")
	_ = cmd.MarkFlagFilename("config", "yaml", "yml")
	return cmd
}

// run prints the faults of a file, or a description of it.
func (o checkOptions) run(cmd *cobra.Command) error {
	file, strict := o.file, o.strict
	c, err := config.Open(file)
	if err != nil {
		return configError{err}
	}
	prices, err := pricefile.Catalogue("")
	if err != nil {
		return configError{err}
	}
	warnings, findings, err := check.Judge(cmd.Context(), c, prices, o.simulate)
	if err != nil {
		return err
	}
	if strict && len(warnings) > 0 {
		return configError{warnings}
	}
	paint.Faults(cmd.ErrOrStderr(), "warning", warnings)
	fmt.Fprintf(cmd.OutOrStdout(), "%s is valid: %s, %s, %s\n", file,
		words.Count(len(c.Tenants), "tenant"), words.Count(len(c.Models), "model"), words.Count(deployments(c), "deployment"))
	for _, line := range findings {
		fmt.Fprintln(cmd.OutOrStdout(), line)
	}
	var found []check.Contact
	if o.connect {
		found = check.Connect(cmd.Context(), c)
	}
	if o.cluster {
		found = append(found, check.Cluster(cmd.Context(), c)...)
	}
	if o.azure {
		found = append(found, check.Azure(cmd.Context(), c, prices)...)
	}
	if bad := writeContacts(cmd.OutOrStdout(), found); bad > 0 {
		return fmt.Errorf("%s cannot be used: see the table above", words.Count(bad, "upstream"))
	}
	return nil
}

func deployments(c *config.Config) int {
	n := 0
	for _, m := range c.Models {
		n += len(m.Deployments)
	}
	return n
}

// writeContacts prints the table and returns how many upstreams failed.
func writeContacts(w io.Writer, found []check.Contact) (bad int) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, c := range found {
		verdict := "ok"
		if !c.OK {
			verdict, bad = "FAILS", bad+1
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%v\n", verdict, c.Deployment, c.Address, c.Said, c.Took.Round(time.Millisecond))
	}
	_ = t.Flush() // to a terminal or buffer
	return bad
}
