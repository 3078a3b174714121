package fit

import (
	"encoding/json"
	"fmt"
	"regexp"
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
	Groups  map[string]struct {
		Format  string `json:"format"`
		Weights struct {
			Bits  count   `json:"num_bits"`
			Type  string  `json:"type"`
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
	m.PlainShare, m.PlainBits = q.attentionIgnored(m.Layers), 0
	m.Plain16 = m.PlainShare > 0 && m.Experts > 0 // attention is not quantised: the experts carry the format
	if strings.EqualFold(q.Algo, "MIXED_PRECISION") {
		m.PlainShare, m.PlainBits = 1, 8 // NVIDIA's: attention and linear layers in fp8, MLP and experts in NVFP4
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
			Algo    string   `json:"quant_algo"`
			KV      string   `json:"kv_cache_quant_algo"`
			Exclude []string `json:"exclude_modules"`
		} `json:"quantization"`
	}
	if err := json.Unmarshal(text, &file); err != nil {
		return fmt.Errorf("%w: hf_quant_config.json: %w", ErrFile, err)
	}
	if q := file.Quant; m.Format == "" && q.Algo != "" {
		(&hfQuant{Method: "modelopt", Algo: q.Algo, KVAlgo: q.KV, Ignored: q.Exclude}).format(m)
	}
	return nil
}

var layerNumber = regexp.MustCompile(`layers\.([0-9]{1,4})\.`)

// attentionIgnored is the share of layers whose attention is not quantised: the
// named layers, or all if a pattern names none.
func (q *hfQuant) attentionIgnored(layers int) float64 {
	named := map[string]bool{}
	for _, name := range q.Ignored {
		if !strings.Contains(name, "self_attn") {
			continue
		}
		n := layerNumber.FindStringSubmatch(name)
		if n == nil {
			return 1
		}
		named[n[1]] = true
	}
	return min(1, float64(len(named))/float64(max(layers, 1)))
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
	name := "fp8"
	for _, g := range q.Groups { // order does not show: groups of one file agree, and the narrowest wins
		switch {
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
