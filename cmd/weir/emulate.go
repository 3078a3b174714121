package main

import (
	"fmt"
	"log/slog"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"weir/config"
	"weir/emulate"
	"weir/wire/emulated"
)

const emulateHelp = `Emulate serves the OpenAI API and vLLM's metrics with the timing of continuous
batching on a named GPU: loading, prefill, decode, KV cache room, queueing and
preemption. Its answers are words drawn from the prompt's hash. It is for
demonstrations and tests; its headers and its log say so.

Faults (429, 5xx, stalls, cut streams, malformed events, slow headers) are set
through /admin/faults.

With --azure it emulates an Azure OpenAI resource: classic and v1 paths,
keys, provisioned deployments with their leaky bucket, standard ones with
their quota, spillover, content filters. Each --deployment is a list of
key=value: name, model, sku (ProvisionedManaged, GlobalStandard, ...), ptu, tpm,
rpm, spillover, context, max-prompt, window, utilisation. GET /admin/deployments
shows the counts of each. Prompts with ` + emulate.MarkPromptFiltered + `, ` + emulate.MarkAnswerFiltered + ` or
` + emulate.MarkFailsInStream + ` are treated so.

--azure-control adds the control plane: Entra ID and Azure Resource Manager with
long operations, quota, throttling and faults, and managed online endpoints that
answer. It prints the azure: block of a weir.yaml that reaches it, and writes it
to --azure-dir. GET /emulator/state there shows what is deployed; PUT
/emulator/faults lets things fail (docs/guide/azure.md).

`

func newEmulate() *cobra.Command {
	var o emulate.Options
	var a azureFlags
	var kind, task string
	cmd := &cobra.Command{
		Use:   "emulate",
		Short: "Emulate an inference server, without a GPU or a model",
		Long:  emulateHelp + exitHelp,
		Example: `  weir emulate --listen 127.0.0.1:9000 --model llama-3.1-8b --gpu H100-80GB
  weir emulate --listen 127.0.0.1:9000 --model llama-3.3-70b --gpu A100-80GB --tp 4 --load 90s
  weir emulate --azure --deployment name=gpt-4o-ptu,sku=ProvisionedManaged,ptu=100,model=gpt-4o,spillover=gpt-4o \
               --deployment name=gpt-4o,sku=GlobalStandard,tpm=450k,model=gpt-4o
  weir emulate --azure --azure-control 127.0.0.1:9443 --azure-speed 60 --azure-endpoint name=chat,concurrency=16,seconds=90
  curl -X PUT 127.0.0.1:9000/admin/faults -d '[{"kind":"cut","after_tokens":5,"probability":0.1}]'`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			o.Log = slog.New(slog.NewTextHandler(cmd.ErrOrStderr(), nil))
			var err error
			if o.Listen, err = config.Listen(o.Listen); err != nil {
				return usageError{"weir emulate", fmt.Errorf("--listen: %w", err)}
			}
			for _, name := range []string{"azure-endpoint", "azure-dir", "azure-speed"} {
				if cmd.Flags().Changed(name) && a.control.Listen == "" {
					return usageError{"weir emulate", fmt.Errorf("--%s: want --azure-control too", name)}
				}
			}
			o.Kind, o.Task = emulate.Kind(kind), emulate.Task(task)
			if a.on || len(a.deployments) > 0 || a.control.Listen != "" {
				return a.run(cmd, o)
			}
			server, err := emulate.New(o)
			if err != nil {
				return err
			}
			return server.Run(cmd.Context())
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.Listen, "listen", "127.0.0.1:9000", "listen `address`; a port alone means 127.0.0.1")
	f.StringVar(&o.Model, "model", "llama-3.1-8b", "`name` of the model, from the catalogue")
	f.StringVar(&o.GPU, "gpu", "H100-80GB", "`name` of the GPU, from the catalogue")
	f.IntVar(&o.TP, "tp", 1, "number of GPUs for the model")
	f.DurationVar(&o.Load, "load", 0, "`time` until it is ready; 0: the catalogue's estimate")
	f.Float64Var(&o.Speed, "speed", 1, "speed factor relative to the GPU")
	f.Uint64Var(&o.Seed, "seed", 1, "seed of its words and faults")
	f.IntVar(&o.MaxSeqs, "max-seqs", 0, "requests in one batch; 0: the engine's default")
	tokensVar(f, &o.KVTokens, "kv-tokens", 0, "size of the KV cache in tokens; 0: what fits the GPU")
	f.IntVar(&o.EmbeddingDim, "embedding-dim", 384, "length of embeddings")
	tokensVar(f, &o.Context, "context", 8192, "longest prompt and answer together, in tokens")
	f.StringVar(&kind, "protocol", "", "emulate a server of only this `protocol` (openai, anthropic) and refuse others; none: all")
	f.StringVar(&task, "task", "", "task of the model (generate, embed); with --protocol other tasks are refused")
	f.StringVar(&o.Served, "served-name", "", "served `name`; none: that of --model")
	f.StringVar(&o.Key, "api-key", "", "required `key`; none: any key is accepted")
	a.flags(f)
	return cmd
}

// azureFlags are the flags for --azure only.
type azureFlags struct {
	on                bool
	deployments, keys []string
	control           emulated.Control
}

func (a *azureFlags) flags(f *pflag.FlagSet) {
	f.BoolVar(&a.on, "azure", false, "emulate an Azure OpenAI resource")
	f.StringArrayVar(&a.deployments, "deployment", nil, "with --azure, a `deployment` as key=value,...; may be repeated")
	f.StringSliceVar(&a.keys, "azure-key", nil, "`keys` of the resource; none: any key is accepted")
	f.StringVar(&a.control.Listen, "azure-control", "", "with --azure, emulate Azure Resource Manager and Entra ID too, at this `address` (HTTPS); none: not")
	f.StringVar(&a.control.Dir, "azure-dir", ".weir/azure", "with --azure-control, `folder` for its CA, secret and the azure: block of a weir.yaml")
	f.StringArrayVar(&a.control.Ready, "azure-endpoint", nil, "with --azure-control, a managed `endpoint` that is there as name=...,deployment,size,instances,concurrency,seconds; may be repeated")
	f.Float64Var(&a.control.Speed, "azure-speed", 1, "with --azure-control, `factor` by which operations are faster than Azure's")
}

func (a *azureFlags) run(cmd *cobra.Command, o emulate.Options) error {
	deployments, err := emulated.AzureDeployments(a.deployments)
	if err != nil {
		return usageError{"weir emulate", err}
	}
	if a.control.Listen != "" {
		if a.control.Listen, err = config.Listen(a.control.Listen); err != nil {
			return usageError{"weir emulate", fmt.Errorf("--azure-control: %w", err)}
		}
	}
	a.control.Speaks = func(format string, v ...any) { fmt.Fprintf(cmd.OutOrStdout(), format, v...) }
	run, err := emulated.NewAzure(emulate.AzureOptions{
		Listen: o.Listen, Deployments: deployments, Keys: a.keys, Speed: o.Speed, Seed: o.Seed, Log: o.Log,
	}, a.control)
	if err != nil {
		return usageError{"weir emulate", err}
	}
	return run(cmd.Context())
}
