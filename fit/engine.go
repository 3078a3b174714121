package fit

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"

	"weir/price"
)

// Engine is an inference server and its version; 0.0 is the newest known.
type Engine struct {
	Name         string
	Major, Minor int
}

// DefaultEngine is assumed if none is named.
var DefaultEngine = Engine{Name: "vllm", Major: 0, Minor: 21}

var engineNames = []string{"vllm", "sglang", "tensorrt-llm", "llama.cpp", "transformers", "triton"}

var engineAlso = map[string]string{
	"trtllm": "tensorrt-llm", "trt-llm": "tensorrt-llm", "llamacpp": "llama.cpp", "ollama": "llama.cpp", "hf": "transformers",
}

// Engines lists the names ParseEngine knows.
func Engines() []string { return append([]string(nil), engineNames...) }

// ParseEngine reads "vllm", "vllm@0.21" or "sglang@0.5.2"; patch levels do not
// matter to memory.
func ParseEngine(text string) (Engine, error) {
	name, version, has := strings.Cut(strings.ToLower(strings.TrimSpace(text)), "@")
	if long, ok := engineAlso[name]; ok {
		name = long
	}
	known := false
	for _, n := range engineNames {
		known = known || n == name
	}
	if !known {
		return Engine{}, fmt.Errorf("%w: engine %q is not known, have %s", ErrSetup, text, strings.Join(engineNames, ", "))
	}
	e := Engine{Name: name}
	if name == "vllm" {
		e = DefaultEngine
	}
	if !has {
		return e, nil
	}
	fields := strings.SplitN(strings.TrimPrefix(version, "v"), ".", 3)
	var err error
	if e.Major, err = strconv.Atoi(fields[0]); err == nil && len(fields) > 1 {
		e.Minor, err = strconv.Atoi(digits(fields[1]))
	}
	if err != nil || e.Major < 0 || e.Minor < 0 {
		return Engine{}, fmt.Errorf("%w: version %q of engine %s must look like 0.21", ErrSetup, version, name)
	}
	return e, nil
}

func digits(s string) string {
	for i, r := range s {
		if r < '0' || r > '9' {
			return s[:i]
		}
	}
	return s
}

func (e Engine) String() string {
	if e.Major == 0 && e.Minor == 0 {
		return e.Name
	}
	return fmt.Sprintf("%s@%d.%d", e.Name, e.Major, e.Minor)
}

// before reports whether the engine is older than a version.
func (e Engine) before(major, minor int) bool {
	if e.Major == 0 && e.Minor == 0 {
		return false
	}
	return e.Major < major || e.Major == major && e.Minor < minor
}

// utilisation is the share of the GPU the engine takes by default. Engines that
// take only the needed memory, and models without a cache, may use all that a
// driver leaves.
func (e Engine) utilisation(m *Model) float64 {
	if !m.generates() {
		return 1 // weights and workspace only: nothing is claimed ahead
	}
	return cmp.Or(e.traits().utilisation, 1)
}

// batch is the default number of sequences in a batch and tokens in a step, for
// that GPU and request length.
func (e Engine) batch(g GPU, context int) (seqs, tokens int) {
	t := e.traits()
	switch {
	case t.bigSeqs > 0 && g.Total >= 70*GiB && !strings.Contains(g.Name, "A100"):
		return t.bigSeqs, t.bigTokens
	case t.uncut > 0 && context <= t.uncut:
		return t.seqs, max(2048, context)
	}
	return t.seqs, t.tokens
}

// rotary is the cosine and sine table vLLM builds for every position, in the
// dtype of the model (rotary_embedding/base.py); it counts as weights there.
func (e Engine) rotary(m *Model, q Quant) int64 {
	if !e.traits().rotaryTable || m.Attention == price.Encoder || m.Attention == price.EncoderDecoder || m.attentionLayers() == 0 {
		return 0
	}
	dim := cmp.Or(m.RotaryDim, m.HeadDim)
	bytes := int64(cmp.Or(m.RotaryRows, m.MaxContext)) * int64(dim) * q.act() * int64(max(m.RotaryTables, 1))
	if m.windowed() > 0 && (m.Family == "gemma3" || m.Family == "gemma4") {
		bytes += int64(m.MaxContext) * int64(dim) * q.act() // window layers have their own table
	}
	return min(bytes, 16*GiB)
}

// accepts refuses setups an engine or GPU cannot run at all.
func (e Engine) accepts(m *Model, s *Setup) error {
	t := e.traits()
	if t.layersOnly && s.TP > 1 {
		return fmt.Errorf("%w: %s splits by layers: use pipeline parallel %d instead of tensor parallel", ErrLayout, e.Name, s.TP)
	}
	if e.Name != "llama.cpp" && s.Quant.Family == "gguf" && e.Name != "vllm" {
		return fmt.Errorf("%w: %s is a format of llama.cpp: use --engine llama.cpp", ErrSetup, s.Quant.Name)
	}
	if least := formatNeeds[s.Quant.Name]; t.claims && s.GPU.SM > 0 && s.GPU.SM < least {
		return fmt.Errorf("%w: %s has no kernels for %s (compute capability %.1f, %s needs %.1f): use %s",
			ErrSetup, s.GPU.Name, s.Quant.Name, s.GPU.SM, e.Name, least, strings.Join(formatsOf(s.GPU.SM), ", "))
	}
	return nil
}

// formatNeeds is the least compute capability whose kernels read a format (the
// get_min_capability of each in vLLM layers/quantization; fp8 and the 4-bit
// floats below 8.9 by Marlin's, which unpack to 16 bits).
var formatNeeds = map[string]float64{
	"bnb-nf4": 7.0, "awq": 7.5, "w4a16": 7.5, "w4a16-experts": 7.5, "int4-experts": 7.5, "int8": 7.5,
	"fp8": 7.5, "fp8-block": 7.5, "mxfp4": 8.0, "nvfp4": 7.5, "gptq-int4": 6.0, "gptq-int8": 6.0,
}

// formatsOf are narrower formats a GPU of that capability has kernels for.
func formatsOf(sm float64) []string {
	var out []string
	for _, name := range []string{"gptq-int8", "gptq-int4", "bnb-nf4", "awq"} {
		if sm >= formatNeeds[name] {
			out = append(out, name)
		}
	}
	if len(out) == 0 {
		return []string{"fp16"}
	}
	return out
}

// most is the number of requests the batch admits.
func (e Engine) most(m *Model, s Setup) int {
	if e.traits().memoryBound {
		return 1 << 20
	}
	return s.MaxSeqs
}
