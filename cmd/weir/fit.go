package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"weir/fit"
	"weir/fit/files"
	"weir/internal/term"
	"weir/price"
	"weir/price/pricefile"
	"weir/report"
)

// fitFlags are the flags of `weir fit`.
type fitFlags struct {
	gpu, quant, kv, engine, context, prices string
	memory, free, utilisation               float64
	tp, pp, concurrency, seqs, batch        int
	loras, rank                             int
	ep, eager, json, mig                    bool
	pack                                    string
	headroom                                float64
	source                                  modelFlags
	load                                    loadFlags
}

func newFit() *cobra.Command {
	var f fitFlags
	cmd := &cobra.Command{
		Use:   "fit [MODEL]",
		Short: "Tell whether a model fits a GPU, and what it takes to serve it",
		Long: `Fit answers three questions about GPU memory before you buy.

Does it fit: weights, workspace and KV cache of a model on a GPU, line by line,
the longest context, the most requests at once, and when it does not fit, the
nearest changes that do. MODEL is a name of the catalogue ("weir price list
models") or of a variant of one, a folder with a config.json and weights beside
it, a config.json, a GGUF file, or anything you like together with --layers, --hidden and the other counts.

What serves a load (--slo, --rps): every VM size and parallelism, ranked by price, with the quota each needs.

How several models share GPUs (--pack): the fewest GPUs, MIG slices with --mig.

The exit code is 1 if it does not fit.

` + exitHelp,
		Example: `  weir fit Llama-3.1-70B --gpu H100-80GB --tp 2 --quant fp8 --context 32k
  weir fit config.json --weights model.safetensors.index.json --gpu A100-80GB
  weir fit model-q4_k_m.gguf --gpu T4 --context 8k
  weir fit Llama-3.1-8B --slo ttft=2s,tpot=100ms --rps 10 --in 1000 --out 200
  weir fit --pack models.yaml --gpu A100-80GB --mig`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 1 {
				return usageError{"weir fit", fmt.Errorf("takes the name of one model, have %q: quote a name with spaces", args)}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error { return f.run(cmd, args) },
	}
	f.add(cmd)
	return cmd
}

func (f *fitFlags) add(cmd *cobra.Command) {
	fs := cmd.Flags()
	fs.StringVar(&f.gpu, "gpu", "", "`GPU` from the catalogue, such as H100-80GB")
	fs.Float64Var(&f.memory, "gpu-memory", 0, "memory in `GiB` that a framework reports, for a GPU that is not in the catalogue")
	fs.Float64Var(&f.free, "free", 0, "free memory in `GiB`, if other processes use the GPU")
	fs.IntVar(&f.tp, "tp", 1, "tensor parallel size")
	fs.IntVar(&f.pp, "pp", 1, "pipeline parallel size")
	fs.BoolVar(&f.ep, "ep", false, "expert parallel: each GPU holds whole experts")
	fs.StringVar(&f.quant, "quant", "", "quantisation `format` of the weights (default: as published): "+strings.Join(fit.Quants(), ", "))
	fs.StringVar(&f.kv, "kv", "", "storage `format` of the KV cache: fp8, bf16, q8_0 (default: that of the model)")
	fs.StringVar(&f.engine, "engine", fit.DefaultEngine.String(), "inference `server` and version: "+strings.Join(fit.Engines(), ", "))
	fs.StringVar(&f.context, "context", "", "longest request, prompt and answer, `tokens`; 32k is 32,768 here (default: the model's)")
	fs.IntVar(&f.concurrency, "concurrency", 1, "requests of that length at once")
	fs.Float64Var(&f.utilisation, "utilisation", 0, "fraction of the GPU's memory for the engine, 0 to 1 (default: the engine's)")
	fs.IntVar(&f.seqs, "max-seqs", 0, "maximum sequences in a batch (default: the engine's)")
	tokensVar(fs, &f.batch, "max-batch-tokens", 0, "maximum tokens in a step (default: the engine's)")
	fs.BoolVar(&f.eager, "eager", false, "no CUDA graphs")
	fs.IntVar(&f.loras, "loras", 0, "LoRA adapters resident at once")
	fs.IntVar(&f.rank, "lora-rank", 16, "their rank")
	fs.StringVar(&f.pack, "pack", "", "`file` of models to place on the fewest GPUs")
	fs.BoolVar(&f.mig, "mig", false, "with --pack: a MIG slice for each")
	fs.Float64Var(&f.headroom, "headroom", 0.05, "with --pack: fraction of each GPU kept free")
	fs.StringVar(&f.prices, "prices", "", "`file` of prices and shapes over the catalogue (default: those in your folder)")
	fs.BoolVar(&f.json, "json", false, "print JSON; sizes are bytes, amounts micro-dollars")
	f.source.add(cmd)
	f.load.add(cmd)
}

func (f *fitFlags) run(cmd *cobra.Command, args []string) error {
	usage := func(err error) error { return usageError{cmd.CommandPath(), err} }
	c, err := pricefile.Catalogue(f.prices)
	if err != nil {
		return configError{err}
	}
	if f.pack != "" {
		if len(args) > 0 || f.load.asked() {
			return usage(errors.New("--pack takes its models from its file: remove MODEL and --slo"))
		}
		return f.runPack(cmd, c)
	}
	if len(args) != 1 {
		return usage(errors.New("takes the name of one model, or a file of it"))
	}
	m, q, err := f.source.model(c, args[0])
	if err != nil {
		return err
	}
	s, err := f.setup(q)
	if err != nil {
		return usage(err)
	}
	if f.load.asked() {
		if f.gpu != "" {
			return usage(errors.New("with --slo and --rps every size is tried: remove --gpu"))
		}
		return f.load.run(cmd, c, m, s, f.json)
	}
	if s.GPU, err = device(cmd, c, f.gpu, f.memory); err != nil {
		return err
	}
	a, err := fit.Check(m, s, fit.Sold(c)...)
	if err != nil {
		return err
	}
	return f.show(cmd, a)
}

func (f *fitFlags) show(cmd *cobra.Command, a fit.Answer) error {
	out := cmd.OutOrStdout()
	var err error
	if f.json {
		err = report.JSON(out, a, "  ")
	} else {
		err = report.Fit(out, a, report.Ink(term.Colourful(out)))
	}
	switch {
	case err == nil && a.Verdict == fit.RunsOut:
		err = fmt.Errorf("%s starts on %s and runs out of memory", a.Model, a.GPU)
	case err == nil && !a.Verdict.Serves():
		err = fmt.Errorf("%s does not fit %s", a.Model, a.GPU)
	}
	return err
}

// setup reads the flags about how the model is served.
func (f *fitFlags) setup(q fit.Quant) (fit.Setup, error) {
	s := fit.Setup{
		Quant: q, KV: f.kv, TP: f.tp, PP: f.pp, EP: f.ep, Utilisation: f.utilisation, FreeBytes: int64(f.free * fit.GiB), Concurrency: f.concurrency,
		MaxSeqs: f.seqs, BatchTokens: f.batch, Eager: f.eager, LoRAs: f.loras, LoRARank: f.rank,
	}
	var err, none error
	if f.quant != "" {
		s.Quant, none = fit.ParseQuant(f.quant)
	}
	if s.Engine, err = fit.ParseEngine(f.engine); err != nil {
		return s, errors.Join(none, err)
	}
	s.Context, err = fit.ParseTokens(f.context)
	return s, errors.Join(none, err)
}

// device is a GPU by name, or by its memory in GiB.
func device(cmd *cobra.Command, c *price.Catalogue, name string, memory float64) (fit.GPU, error) {
	gpu, err := files.Device(c, name, memory)
	if unclear := (files.Unclear("")); errors.As(err, &unclear) {
		err = usageError{cmd.CommandPath(), err}
	}
	return gpu, err
}
