package main

import (
	"log/slog"

	"github.com/spf13/cobra"

	"weir/emulate"
)

func newEmulate() *cobra.Command {
	var o emulate.Options
	cmd := &cobra.Command{
		Use:   "emulate",
		Short: "Behave as an inference server does, without a GPU or a model",
		Long: `Emulate serves the OpenAI API and vLLM's metrics with the timing of continuous
batching on a named GPU: loading, prefill, decode, KV cache room, queueing and
preemption. Its answers are words drawn from the prompt's hash. It is for
demonstrations and tests, and says so in its headers and its log.

Faults (429, 5xx, stalls, cut streams, malformed events, slow headers) are set
through /admin/faults.

` + exitHelp,
		Example: `  weir emulate --listen 127.0.0.1:9000 --model llama-3.1-8b --gpu H100-80GB
  weir emulate --listen 127.0.0.1:9000 --model llama-3.3-70b --gpu A100-80GB --tp 4 --load 90s
  curl -X PUT 127.0.0.1:9000/admin/faults -d '[{"kind":"cut","after_tokens":5,"probability":0.1}]'`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			o.Log = slog.New(slog.NewTextHandler(cmd.ErrOrStderr(), nil))
			server, err := emulate.New(o)
			if err != nil {
				return err
			}
			return server.Run(cmd.Context())
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.Listen, "listen", "127.0.0.1:9000", "`address` to serve at")
	f.StringVar(&o.Model, "model", "llama-3.1-8b", "`name` of the model, from the catalogue")
	f.StringVar(&o.GPU, "gpu", "H100-80GB", "`name` of the GPU, from the catalogue")
	f.IntVar(&o.TP, "tp", 1, "GPUs the model is spread over")
	f.DurationVar(&o.Load, "load", 0, "`time` until it is ready; 0: as the catalogue estimates")
	f.Float64Var(&o.Speed, "speed", 1, "how many times faster than the GPU everything goes")
	f.Uint64Var(&o.Seed, "seed", 1, "of its words and its faults")
	f.IntVar(&o.MaxSeqs, "max-seqs", 0, "requests in one batch; 0: the engine's default")
	f.IntVar(&o.KVTokens, "kv-tokens", 0, "room of the KV cache in tokens; 0: what the GPU has")
	f.IntVar(&o.EmbeddingDim, "embedding-dim", 384, "length of embeddings")
	f.IntVar(&o.Context, "context", 8192, "longest prompt and answer together, in tokens")
	return cmd
}
