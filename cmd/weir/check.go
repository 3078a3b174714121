package main

import (
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"weir/check"
	"weir/config"
	"weir/price/pricefile"
	"weir/report/words"
)

// checkOptions are what the command line says.
type checkOptions struct {
	file                      string
	strict, simulate, connect bool
}

func newCheck() *cobra.Command {
	var o checkOptions
	var schema bool
	cmd := &cobra.Command{
		Use:   "check",
		Short: "Check a weir.yaml and name every fault of it",
		Long: `Check reads a configuration as "weir serve" would, and names every fault at
once: where it is, what is wrong, what is allowed.

Secrets and certificates the file refers to but this machine does not have are
warnings here, so that a file can be checked where it is written; "weir serve"
refuses to start without them. With --strict, warnings fail too.

Where it is known what replicas run on (process.runs_on) and what is promised
(slo), their scaling is tried in virtual time, with the usual lengths of
scaling.profile, in some tenths of a second and with the same result each time:
targets above what a replica can do, and a minimum of zero that a cold start
makes late, are warnings with the figures that would do.

With --connect it then asks every upstream something that costs no token: the
list of models of a server, and a chat without messages of an Azure OpenAI
deployment, which is refused once key and name are known to be right. All are
asked at once, each for 15 s at most; where one cannot be used the exit code is 1.

With --schema it prints the JSON Schema of weir.yaml instead. Editors that
speak the YAML language server take it from a comment in the file:

  # yaml-language-server: $schema=weir.schema.json

` + exitHelp,
		Example: `  weir check                                 # ./weir.yaml
  weir check -c production.yaml --strict     # in CI, with the secrets there
  weir check -c production.yaml --connect    # are they there, with these keys and names?
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
	cmd.Flags().BoolVar(&o.strict, "strict", false, "fail on warnings, missing secrets included")
	cmd.Flags().BoolVar(&o.connect, "connect", false, "reach every upstream: address, key, model or deployment name; costs no token")
	cmd.Flags().BoolVar(&o.simulate, "simulate", true, "try the scaling of replicas whose hardware and slo are known in virtual time")
	_ = cmd.MarkFlagFilename("config", "yaml", "yml")
	return cmd
}

// run prints what is wrong with a file, or what it describes.
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
	newPainter(cmd.ErrOrStderr()).faults("warning", warnings)
	fmt.Fprintf(cmd.OutOrStdout(), "%s is valid: %s, %s, %s\n", file,
		words.Count(len(c.Tenants), "tenant"), words.Count(len(c.Models), "model"), words.Count(deployments(c), "deployment"))
	for _, line := range findings {
		fmt.Fprintln(cmd.OutOrStdout(), line)
	}
	if !o.connect {
		return nil
	}
	if bad := writeContacts(cmd.OutOrStdout(), check.Connect(cmd.Context(), c)); bad > 0 {
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

// writeContacts prints the table and returns how many could not be used.
func writeContacts(w io.Writer, found []check.Contact) (bad int) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, c := range found {
		verdict := "ok"
		if !c.OK {
			verdict, bad = "FAILS", bad+1
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%v\n", verdict, c.Deployment, c.Address, c.Said, c.Took.Round(time.Millisecond))
	}
	_ = t.Flush() // of a terminal or buffer
	return bad
}
