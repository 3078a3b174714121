package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"weir/config"
	"weir/price/pricefile"
	"weir/report/words"
	"weir/wire"
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
			return check(cmd, o)
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

// check prints what is wrong with a file, or what it describes.
func check(cmd *cobra.Command, o checkOptions) error {
	file, strict := o.file, o.strict
	c, err := config.Open(file)
	if err != nil {
		return configError{err}
	}
	warnings, findings, err := judge(cmd.Context(), c, o.simulate)
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
	if bad := writeContacts(cmd.OutOrStdout(), connect(cmd.Context(), c)); bad > 0 {
		return fmt.Errorf("%s cannot be used: see the table above", words.Count(bad, "upstream"))
	}
	return nil
}

// judge says what is doubtful of a configuration whose text is right, and what
// a simulation has found out; the error is what is wrong.
func judge(ctx context.Context, c *config.Config, simulate bool) (warnings config.Faults, findings []string, err error) {
	warnings = c.Warnings
	if len(c.Unfinished) > 0 {
		return nil, nil, configError{c.Unfinished}
	}
	var missing config.Faults
	if err := c.Resolve(); errors.As(err, &missing) {
		warnings = append(warnings, missing...)
	} else if err != nil {
		return nil, nil, configError{err}
	}
	if err := wire.CheckQuotas(c); err != nil {
		return nil, nil, configError{err}
	}
	prices, err := pricefile.Catalogue("")
	if err != nil {
		return nil, nil, configError{err}
	}
	bad, tight := misfits(c, prices)
	bad = append(bad, wire.Unpriced(c)...)
	dear, bounded := unaffordable(c, prices)
	if bad = append(bad, dear...); len(bad) == 0 {
		bad = invalid(c, prices)
	}
	if len(bad) > 0 {
		return nil, nil, configError{bad.InOrder()}
	}
	warnings = append(append(warnings, tight...), bounded...)
	warnings = append(warnings, oddUnits(c, prices)...)
	if simulate {
		var found config.Faults
		if found, findings, err = unworkable(ctx, c, prices); err != nil {
			return nil, nil, err
		}
		warnings = instead(warnings, found)
	}
	return warnings.InOrder(), findings, nil
}

func deployments(c *config.Config) int {
	n := 0
	for _, m := range c.Models {
		n += len(m.Deployments)
	}
	return n
}
