package fit

import (
	"encoding/json"
	"fmt"
	"strings"
)

// hfQuant is quantization_config.
type hfQuant struct {
	Method  string          `json:"quant_method"`
	Bits    count           `json:"bits"`
	Block   []count         `json:"weight_block_size"`
	Format  string          `json:"format"`
	Algo    string          `json:"quant_algo"`
	Load4   bool            `json:"load_in_4bit"`
	KV      json.RawMessage `json:"kv_cache_scheme"`
	KVAlgo  string          `json:"kv_cache_quant_algo"`
	Ignored []string        `json:"ignore"`
	Skipped []string        `json:"modules_to_not_convert"`
	Listed  map[string]struct {
		Algo string `json:"quant_algo"`
	} `json:"quantized_layers"`
	Groups map[string]struct {
		Format  string   `json:"format"`
		Targets []string `json:"targets"`
		Weights struct {
			Bits  count   `json:"num_bits"`
			Type  string  `json:"type"`
			Group count   `json:"group_size"`
			Block []count `json:"block_structure"`
		} `json:"weights"`
	} `json:"config_groups"`
}

// format sets the storage format of the checkpoint, and of its cache if it has
// a scheme for it.
func (q *hfQuant) format(m *Model) {
	if q == nil {
		return
	}
	if kv := strings.TrimSpace(string(q.KV)); strings.Contains(strings.ToLower(q.KVAlgo), "fp8") || kv != "" && kv != "null" {
		m.KVFormat = "fp8"
	}
	m.Format = q.name()
	m.PlainShare, m.PlainBits, m.Plain16 = 0, 0, false // of a checkpoint known by its name
	if m.Format == "" {
		return
	}
	m.Mix = q.mix(m, mustQuant(m.Format))
	if strings.EqualFold(q.Algo, "MIXED_PRECISION") && len(q.Listed) == 0 {
		m.Mix.Attention, m.Mix.State = 8, 8 // NVIDIA's: attention and linear layers in fp8, MLP and experts in NVFP4
	}
	if m.Format == "fp8-block" && m.FP4Experts && len(q.Listed) == 0 {
		m.Mix.Expert = 4.25 // DeepSeek-V4: expert_dtype fp4 beside fp8
	}
}

// Quantised reads the hf_quant_config.json beside a config.json that names no
// format (NVIDIA's ModelOpt writes both). A format in config.json has
// precedence.
func (m *Model) Quantised(text []byte) error {
	if len(text) > MaxConfig {
		return fmt.Errorf("%w: hf_quant_config.json has %d bytes, the limit is %d", ErrFile, len(text), MaxConfig)
	}
	var file struct {
		Quant struct {
			hfQuant
			Exclude []string `json:"exclude_modules"`
		} `json:"quantization"`
	}
	if err := json.Unmarshal(text, &file); err != nil {
		return fmt.Errorf("%w: hf_quant_config.json: %w", ErrFile, err)
	}
	if q := file.Quant; m.Format == "" && q.Algo != "" {
		q.hfQuant.Method, q.hfQuant.Ignored = "modelopt", q.Exclude
		q.hfQuant.format(m)
	}
	return nil
}

func (q *hfQuant) name() string {
	switch strings.ToLower(q.Method) {
	case "awq":
		return "awq"
	case "gptq":
		if q.Bits == 8 {
			return "gptq-int8"
		}
		return "gptq-int4"
	case "mxfp4":
		return "mxfp4"
	case "bitsandbytes":
		if q.Load4 {
			return "bnb-nf4"
		}
		return "int8"
	case "modelopt":
		if strings.Contains(strings.ToLower(q.Algo), "fp4") || strings.EqualFold(q.Algo, "MIXED_PRECISION") {
			return "nvfp4"
		}
		return "fp8"
	case "fp8", "fbgemm_fp8":
		if len(q.Block) > 0 {
			return "fp8-block"
		}
		return "fp8"
	case "compressed-tensors":
		return q.compressed()
	}
	return ""
}

func (q *hfQuant) compressed() string {
	if strings.Contains(q.Format, "nvfp4") {
		return "nvfp4"
	}
	if strings.Contains(q.Format, "mxfp4") {
		return "mxfp4"
	}
	name := "fp8"
	for _, g := range q.Groups { // order does not show: groups of one file agree, and the narrowest wins
		switch {
		case strings.Contains(g.Format, "mxfp4"), g.Weights.Type == "float" && g.Weights.Bits == 4 && g.Weights.Group == 32:
			return "mxfp4"
		case strings.Contains(g.Format, "nvfp4"), g.Weights.Type == "float" && g.Weights.Bits == 4:
			return "nvfp4"
		case g.Weights.Bits == 4:
			name = "w4a16"
		case g.Weights.Type == "int" && name != "w4a16":
			name = "int8"
		case len(g.Weights.Block) > 0 && name == "fp8":
			name = "fp8-block"
		}
	}
	return name
}
