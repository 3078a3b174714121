package main

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/spf13/cobra"

	"weir/config"
	"weir/emulate"
	"weir/wire/emulated"
)

func newEmulate() *cobra.Command {
	var o emulate.Options
	var a azureFlags
	var kind, task string
	cmd := &cobra.Command{
		Use:   "emulate",
		Short: "Behave as an inference server does, without a GPU or a model",
		Long: `Emulate serves the OpenAI API and vLLM's metrics with the timing of continuous
batching on a named GPU: loading, prefill, decode, KV cache room, queueing and
preemption. Its answers are words drawn from the prompt's hash. It is for
demonstrations and tests, and says so in its headers and its log.

Faults (429, 5xx, stalls, cut streams, malformed events, slow headers) are set
through /admin/faults.

With --azure it behaves as a resource of Azure OpenAI does: classic and v1
paths, keys, provisioned deployments with their leaky bucket, standard ones with
their quota, spillover, content filters. Each --deployment is a list of
key=value: name, model, sku (ProvisionedManaged, GlobalStandard, ...), ptu, tpm,
rpm, spillover, context, max-prompt, window, utilisation. GET /admin/deployments
tells what each has done. Prompts with ` + emulate.MarkPromptFiltered + `, ` + emulate.MarkAnswerFiltered + ` or
` + emulate.MarkFailsInStream + ` are treated so.

` + exitHelp,
		Example: `  weir emulate --listen 127.0.0.1:9000 --model llama-3.1-8b --gpu H100-80GB
  weir emulate --listen 127.0.0.1:9000 --model llama-3.3-70b --gpu A100-80GB --tp 4 --load 90s
  weir emulate --azure --deployment name=gpt-4o-ptu,sku=ProvisionedManaged,ptu=100,model=gpt-4o,spillover=gpt-4o \
               --deployment name=gpt-4o,sku=GlobalStandard,tpm=450k,model=gpt-4o
  curl -X PUT 127.0.0.1:9000/admin/faults -d '[{"kind":"cut","after_tokens":5,"probability":0.1}]'`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			o.Log = slog.New(slog.NewTextHandler(cmd.ErrOrStderr(), nil))
			var err error
			if o.Listen, err = config.Listen(o.Listen); err != nil {
				return usageError{"weir emulate", fmt.Errorf("--listen: %w", err)}
			}
			o.Kind, o.Task = emulate.Kind(kind), emulate.Task(task)
			if a.on || len(a.deployments) > 0 {
				return a.run(cmd.Context(), o)
			}
			server, err := emulate.New(o)
			if err != nil {
				return err
			}
			return server.Run(cmd.Context())
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.Listen, "listen", "127.0.0.1:9000", "`address` to serve at; a port alone is of 127.0.0.1")
	f.StringVar(&o.Model, "model", "llama-3.1-8b", "`name` of the model, from the catalogue")
	f.StringVar(&o.GPU, "gpu", "H100-80GB", "`name` of the GPU, from the catalogue")
	f.IntVar(&o.TP, "tp", 1, "GPUs the model is spread over")
	f.DurationVar(&o.Load, "load", 0, "`time` until it is ready; 0: as the catalogue estimates")
	f.Float64Var(&o.Speed, "speed", 1, "how many times faster than the GPU everything goes")
	f.Uint64Var(&o.Seed, "seed", 1, "of its words and its faults")
	f.IntVar(&o.MaxSeqs, "max-seqs", 0, "requests in one batch; 0: the engine's default")
	tokensVar(f, &o.KVTokens, "kv-tokens", 0, "room of the KV cache in tokens; 0: what the GPU has")
	f.IntVar(&o.EmbeddingDim, "embedding-dim", 384, "length of embeddings")
	tokensVar(f, &o.Context, "context", 8192, "longest prompt and answer together, in tokens")
	f.StringVar(&kind, "protocol", "", "behave as a server of this `protocol` alone (openai, anthropic) and refuse the others; none: speak everything")
	f.StringVar(&task, "task", "", "what the model does (generate, embed); with --protocol anything else is refused")
	f.StringVar(&o.Served, "served-name", "", "`name` it is served under; none: that of --model")
	f.StringVar(&o.Key, "api-key", "", "`key` it wants; none: it takes every one")
	f.BoolVar(&a.on, "azure", false, "behave as a resource of Azure OpenAI does")
	f.StringArrayVar(&a.deployments, "deployment", nil, "with --azure, a `deployment` as key=value,...; may be given several times")
	f.StringSliceVar(&a.keys, "azure-key", nil, "`keys` the resource takes; without any it takes every one")
	return cmd
}

// azureFlags are those of --azure alone.
type azureFlags struct {
	on                bool
	deployments, keys []string
}

func (a *azureFlags) run(ctx context.Context, o emulate.Options) error {
	deployments, err := emulated.AzureDeployments(a.deployments)
	if err != nil {
		return usageError{"weir emulate", err}
	}
	resource, err := emulate.NewAzure(emulate.AzureOptions{
		Listen: o.Listen, Deployments: deployments, Keys: a.keys, Speed: o.Speed, Seed: o.Seed, Log: o.Log,
	})
	if err != nil {
		return usageError{"weir emulate", err}
	}
	return resource.Run(ctx)
}
