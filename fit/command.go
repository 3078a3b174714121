package fit

import (
	"cmp"
	"fmt"
	"regexp"
	"strings"
)

// command is the engine's command line under the answer's assumptions; "" for
// an engine without a server command.
func command(m *Model, s Setup) string {
	var b strings.Builder
	add := func(format string, args ...any) { fmt.Fprintf(&b, format, args...) }
	kv := strings.ToLower(s.KV)
	switch s.Engine.Name {
	case "vllm":
		add("vllm serve %s --max-model-len %d --gpu-memory-utilization %.4g --max-num-seqs %d", word(cmp.Or(m.Repo, m.Name)), s.Context, s.Utilisation, s.MaxSeqs)
		if s.PP > 1 {
			add(" --pipeline-parallel-size %d", s.PP)
		}
		flagIf(&b, s.TP > 1, " --tensor-parallel-size %d", s.TP)
		flagIf(&b, s.EP, " --enable-expert-parallel")
		flagIf(&b, kv != "" && kv != "auto", " --kv-cache-dtype %s", kv)
		flagIf(&b, s.Eager, " --enforce-eager")
		flagIf(&b, s.LoRAs > 0, " --enable-lora --max-loras %d --max-lora-rank %d", s.LoRAs, s.LoRARank)
		flagIf(&b, s.Quant.Name == "fp8" && m.Native().Family == "16", " --quantization fp8")
		flagIf(&b, !s.GPU.BF16 && s.GPU.SM > 0 && s.Quant.Name == "bf16", " --dtype half")
	case "sglang":
		add("python3 -m sglang.launch_server --model-path %s --context-length %d --mem-fraction-static %.4g", word(cmp.Or(m.Repo, m.Name)), s.Context, s.Utilisation)
		flagIf(&b, s.TP > 1, " --tp-size %d", s.TP)
		flagIf(&b, s.PP > 1, " --pp-size %d", s.PP)
		flagIf(&b, strings.HasPrefix(kv, "fp8"), " --kv-cache-dtype fp8_e4m3")
	case "tensorrt-llm":
		add("trtllm-serve %s --max_seq_len %d --max_batch_size %d --kv_cache_free_gpu_memory_fraction %.4g", word(cmp.Or(m.Repo, m.Name)), s.Context, s.MaxSeqs, s.Utilisation)
		flagIf(&b, s.TP > 1, " --tp_size %d", s.TP)
		flagIf(&b, s.PP > 1, " --pp_size %d", s.PP)
	case "llama.cpp":
		add("llama-server -m %s -ngl 999 -c %d -np %d", word(cmp.Or(m.Repo, m.Name)), s.Context*s.Concurrency, s.Concurrency)
		flagIf(&b, kv == "q8_0" || kv == "q4_0", " -fa on -ctk %s -ctv %s", kv, kv)
		flagIf(&b, !m.generates(), " --embedding")
	}
	return b.String()
}

func flagIf(b *strings.Builder, ok bool, format string, args ...any) {
	if ok {
		fmt.Fprintf(b, format, args...)
	}
}

var plainWord = regexp.MustCompile(`^[A-Za-z0-9._/@:+-]+$`)

// word quotes a name for a shell if needed.
func word(name string) string {
	if plainWord.MatchString(name) {
		return name
	}
	return "'" + strings.ReplaceAll(name, "'", `'\''`) + "'"
}

// since is the minor version of vLLM 0.x that first lists a family, for those
// named in a release note (github.com/vllm-project/vllm/releases).
var since = map[string]int{
	"gemma2": 5, "jamba": 5, "deepseek_v2": 5, "granite": 6, "mamba": 6, "mllama": 6, "olmo2": 6, "deepseek_v3": 6, "qwen2_5_vl": 7,
	"gemma3": 8, "llama4": 8, "mistral3": 8, "qwen3": 8, "qwen3_moe": 8, "glm4": 8, "mamba2": 9, "granitemoehybrid": 9,
	"gpt_oss": 10, "glm4_moe": 10, "gemma3n": 10, "qwen3_next": 10, "qwen3_vl": 11, "qwen3_vl_moe": 11, "deepseek_v32": 11,
}
