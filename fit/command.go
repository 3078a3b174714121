package fit

import (
	"cmp"
	"fmt"
	"regexp"
	"strings"
)

// command is the engine's command under the answer's assumptions, a word each;
// none for an engine without a server command.
func command(m *Model, s Setup) words {
	kv := strings.ToLower(s.KV)
	name := cmp.Or(m.Repo, m.Name)
	switch s.Engine.Name {
	case "vllm":
		claimed := s.Utilisation
		if !m.generates() {
			claimed = min(claimed, mostClaimed)
		}
		return words{"vllm", "serve", name}.
			add("--max-model-len", s.Context).add("--gpu-memory-utilization", fraction(claimed)).add("--max-num-seqs", s.MaxSeqs).
			addIf(s.PP > 1, "--pipeline-parallel-size", s.PP).
			addIf(s.TP > 1, "--tensor-parallel-size", s.TP).
			addIf(s.EP, "--enable-expert-parallel").
			addIf(kv != "" && kv != "auto", "--kv-cache-dtype", kv).
			addIf(s.Eager, "--enforce-eager").
			addIf(s.LoRAs > 0, "--enable-lora", "--max-loras", s.LoRAs, "--max-lora-rank", s.LoRARank).
			addIf(s.Quant.Name == "fp8" && m.Native().Family == "16", "--quantization", "fp8").
			addIf(!s.GPU.BF16 && s.GPU.SM > 0 && s.Quant.Name == "bf16", "--dtype", "half")
	case "sglang":
		return words{"python3", "-m", "sglang.launch_server", "--model-path", name}.
			add("--context-length", s.Context).add("--mem-fraction-static", fraction(s.Utilisation)).
			addIf(s.TP > 1, "--tp-size", s.TP).
			addIf(s.PP > 1, "--pp-size", s.PP).
			addIf(strings.HasPrefix(kv, "fp8"), "--kv-cache-dtype", "fp8_e4m3")
	case "tensorrt-llm":
		return words{"trtllm-serve", name}.
			add("--max_seq_len", s.Context).add("--max_batch_size", s.MaxSeqs).add("--kv_cache_free_gpu_memory_fraction", fraction(s.Utilisation)).
			addIf(s.TP > 1, "--tp_size", s.TP).
			addIf(s.PP > 1, "--pp_size", s.PP)
	case "llama.cpp":
		return words{"llama-server", "-m", name}.
			add("-ngl", 999).add("-c", s.Context*s.Concurrency).add("-np", s.Concurrency).
			addIf(kv == "q8_0" || kv == "q4_0", "-fa", "on", "-ctk", kv, "-ctv", kv).
			addIf(!m.generates(), "--embedding")
	}
	return nil
}

// mostClaimed is a share of a GPU that is free when vLLM starts: it refuses to
// start where less is than it may take (gpu_worker.py, init_device), though a model
// without a cache takes what it needs.
const mostClaimed = 0.9

// words are a command line before a shell reads it.
type words []string

func (w words) add(more ...any) words {
	for _, x := range more {
		w = append(w, fmt.Sprint(x))
	}
	return w
}

func (w words) addIf(ok bool, more ...any) words {
	if !ok {
		return w
	}
	return w.add(more...)
}

// line is the command for a shell.
func (w words) line() string {
	quoted := make([]string, len(w))
	for i, x := range w {
		quoted[i] = word(x)
	}
	return strings.Join(quoted, " ")
}

func fraction(x float64) string { return fmt.Sprintf("%.4g", x) }

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
