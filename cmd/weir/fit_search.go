package main

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"weir"
	"weir/engine"
	"weir/fit"
	"weir/price"
	"weir/report"
	"weir/saturate"
)

// loadFlags are the load of a search.
type loadFlags struct {
	slo, region string
	rps         float64
	in, out     int
	keep        float64
	top         int
}

func (f *loadFlags) add(cmd *cobra.Command) {
	fs := cmd.Flags()
	fs.StringVar(&f.slo, "slo", "", "service level objective, as `ttft=2s,tpot=100ms`")
	fs.Float64Var(&f.rps, "rps", 0, "requests a second to serve")
	tokensVar(fs, &f.in, "in", 1000, "prompt tokens of a request")
	tokensVar(fs, &f.out, "out", 200, "answer tokens of a request")
	fs.StringVar(&f.region, "region", "eastus", "`region` of the prices")
	fs.Float64Var(&f.keep, "spare", 0.2, "headroom: fraction of the capacity kept free")
	fs.IntVar(&f.top, "top", 10, "number of choices to show, 0: all")
}

func (f *loadFlags) asked() bool { return f.slo != "" || f.rps != 0 }

func parseSLO(text string) (weir.SLO, error) {
	var slo weir.SLO
	for _, field := range strings.Split(text, ",") {
		if field == "" {
			continue
		}
		name, value, _ := strings.Cut(strings.TrimSpace(field), "=")
		d, err := time.ParseDuration(value)
		if err != nil || d <= 0 {
			return slo, fmt.Errorf("--slo %q: %q is not a duration above 0; write ttft=2s,tpot=100ms", text, value)
		}
		switch name {
		case "ttft":
			slo.TTFT = d
		case "tpot":
			slo.TPOT = d
		default:
			return slo, fmt.Errorf("--slo %q: %q is not known; write ttft=2s,tpot=100ms", text, name)
		}
	}
	return slo, nil
}

func (f *loadFlags) run(cmd *cobra.Command, c *price.Catalogue, m fit.Model, s fit.Setup, asJSON bool) error {
	slo, err := parseSLO(f.slo)
	if err != nil {
		return usageError{cmd.CommandPath(), err}
	}
	if f.rps <= 0 || f.in < 1 || f.out < 1 {
		return usageError{cmd.CommandPath(), errors.New("--rps, --in and --out must be above 0, for example --rps 10 --in 1000 --out 200")}
	}
	load := fit.Load{SLO: slo, Rate: f.rps, In: f.in, Out: f.out, Headroom: f.keep}
	options, rejected, err := fit.Search(c, m, s, load, f.region, weir.At(time.Now()), engine.Steps(c), saturate.Does(c))
	if err != nil {
		return err
	}
	engine.Tell(c, options)
	found := report.Search{Model: m.Name, Region: f.region, Options: options, Rejected: rejected}
	if asJSON {
		err = report.JSON(cmd.OutOrStdout(), found, "  ")
	} else {
		err = report.FitSearch(cmd.OutOrStdout(), found, load, f.top)
	}
	if err == nil && len(options) == 0 {
		err = errors.New("no VM size meets that")
	}
	return err
}
