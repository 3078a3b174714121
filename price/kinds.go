package price

import "strings"

// GPU is an accelerator: nominal figures, dense, of one device.
type GPU struct {
	Name   string   `yaml:"name"`
	Also   []string `yaml:"also,omitempty"`
	Source string   `yaml:"source"`

	MemoryGB    Figure `yaml:"memory_gb"`      // as sold, 10^9 bytes
	UsableGiB   Figure `yaml:"usable_gib"`     // seen by a framework, 2^30 bytes
	BandwidthGB Figure `yaml:"bandwidth_gb_s"` // device memory, 10^9 bytes a second
	FP16        Figure `yaml:"fp16_tflops"`    // if different from bf16, or without bf16
	BF16TFLOPS  Figure `yaml:"bf16_tflops"`
	FP8TFLOPS   Figure `yaml:"fp8_tflops"`
	FP4TFLOPS   Figure `yaml:"fp4_tflops"`
	INT8TOPS    Figure `yaml:"int8_tops"`
	LinkGB      Figure `yaml:"link_gb_s"` // NVLink or Infinity Fabric, one direction; 0: none
	PCIeGB      Figure `yaml:"pcie_gb_s"` // one direction

	Compute string `yaml:"compute"` // compute capability, or the AMD target
	BF16    bool   `yaml:"bf16,omitempty"`
	FP8     bool   `yaml:"fp8,omitempty"`
	Note    string `yaml:"note,omitempty"`
}

// TFLOPS16 is the dense rate in 16 bits: bf16, or fp16 without bf16.
func (g GPU) TFLOPS16() Figure {
	if g.BF16TFLOPS.Known() {
		return g.BF16TFLOPS
	}
	return g.FP16
}

func (g *GPU) keys() []string { return append([]string{g.Name}, g.Also...) }

// VM is an Azure VM size with GPUs.
type VM struct {
	Name         string `yaml:"name"`
	Source       string `yaml:"source"`
	GPU          string `yaml:"gpu"`  // name of a GPU
	GPUs         int    `yaml:"gpus"` // in one VM
	Parts        int    `yaml:"gpu_parts,omitempty"`
	VCPUs        int    `yaml:"vcpus"` // counted by quota
	RAMGiB       Figure `yaml:"ram_gib"`
	Interconnect Link   `yaml:"interconnect,omitempty"`
	Family       string `yaml:"family,omitempty"`    // of quota, compared without regard to case; "" not known
	MLFamily     string `yaml:"ml_family,omitempty"` // as Azure Machine Learning names it, where that differs
	// vCPUs of quota for each one a managed endpoint uses; unknown: that of the service
	MLQuotaFactor Figure `yaml:"ml_quota_factor"`
	Note          string `yaml:"note,omitempty"`
}

// Link is how the GPUs of one VM are connected; "" is unknown.
type Link string

const (
	NVLink         Link = "nvlink"          // all to all
	NVLinkPairs    Link = "nvlink_pairs"    // two by two, PCIe between the pairs
	InfinityFabric Link = "infinity_fabric" // all to all
	PCIe           Link = "pcie"
)

func (l Link) valid() bool {
	return l == NVLink || l == NVLinkPairs || l == InfinityFabric || l == PCIe
}

// Share is the part of one GPU the size holds: 1, or less for a slice.
func (v VM) Share() float64 {
	if v.Parts > 1 {
		return 1 / float64(v.Parts)
	}
	return 1
}

func (v *VM) keys() []string { return []string{v.Name, strings.TrimPrefix(v.Name, "Standard_")} }

// VMPrice is the price of a VM size in a region, per hour, Linux.
type VMPrice struct {
	VM     string `yaml:"vm"`
	Region string `yaml:"region"` // "eastus"
	Source string `yaml:"source"`
	Hour   Price  `yaml:"hour"`
	Spot   Price  `yaml:"spot"`        // varies; the VM may be evicted
	Year   Price  `yaml:"year"`        // reserved for one year, per hour of it
	Three  Price  `yaml:"three_years"` // reserved for three years, per hour of them
}

func (p *VMPrice) keys() []string { return []string{joined(p.VM, p.Region)} }

// Model is the shape of an open model. Zero counts are unknown, or do not apply
// to that kind of model.
type Model struct {
	Name    string   `yaml:"name"`
	Also    []string `yaml:"also,omitempty"`
	Source  string   `yaml:"source"`
	Family  string   `yaml:"family"`
	TotalB  float64  `yaml:"total_b,omitempty"`  // published parameters, 10^9
	ActiveB float64  `yaml:"active_b,omitempty"` // of a mixture, per token

	Attention Attention `yaml:"attention"`
	Linear    string    `yaml:"linear,omitempty"` // kind of the linear layers: gated_delta_net, mamba1, mamba2

	Layers       int  `yaml:"layers,omitempty"`
	Hidden       int  `yaml:"hidden,omitempty"`
	Heads        int  `yaml:"heads,omitempty"`
	KVHeads      int  `yaml:"kv_heads,omitempty"`
	HeadDim      int  `yaml:"head_dim,omitempty"`
	Intermediate int  `yaml:"intermediate,omitempty"` // of a dense MLP
	Vocab        int  `yaml:"vocab,omitempty"`
	Tied         bool `yaml:"tied,omitempty"` // the output layer is the embedding table

	Window       int `yaml:"window,omitempty"` // tokens a window layer sees
	FullLayers   int `yaml:"full_layers,omitempty"`
	WindowLayers int `yaml:"window_layers,omitempty"`
	LinearLayers int `yaml:"linear_layers,omitempty"` // recurrent state instead of KV

	KVLoRARank int `yaml:"kv_lora_rank,omitempty"` // MLA
	QKRopeDim  int `yaml:"qk_rope_dim,omitempty"`
	QKNopeDim  int `yaml:"qk_nope_dim,omitempty"`
	VHeadDim   int `yaml:"v_head_dim,omitempty"`
	QLoRARank  int `yaml:"q_lora_rank,omitempty"`

	IndexDim    int `yaml:"index_dim,omitempty"`    // sparse attention: size of the indexer's key per token
	IndexHeads  int `yaml:"index_heads,omitempty"`  // query heads of the indexer
	IndexLayers int `yaml:"index_layers,omitempty"` // layers with their own indexer; 0: all

	Experts         int `yaml:"experts,omitempty"` // routed, per MoE layer
	ExpertsPerToken int `yaml:"experts_per_token,omitempty"`
	SharedExperts   int `yaml:"shared_experts,omitempty"`
	MoEIntermediate int `yaml:"moe_intermediate,omitempty"`
	DenseLayers     int `yaml:"dense_layers,omitempty"` // layers with a dense MLP in a mixture

	DType      string `yaml:"dtype"` // of the published checkpoint
	MaxContext int    `yaml:"max_context,omitempty"`
	Vision     bool   `yaml:"vision,omitempty"`      // has a vision tower, not counted in the shape
	StateBytes int64  `yaml:"state_bytes,omitempty"` // of the linear layers, per sequence
	Note       string `yaml:"note,omitempty"`

	// Config is the published config.json, reduced to the counts that memory
	// depends on, of a model whose shape those above cannot say; "": they say it
	// all. Package fit reads it, and takes it before them.
	Config string `yaml:"config,omitempty"`
}

// Attention is the kind of attention of the layers that have KV.
type Attention string

const (
	MHA            Attention = "mha"
	GQA            Attention = "gqa" // MQA is one KV head
	MLA            Attention = "mla"
	Encoder        Attention = "encoder"         // bidirectional, no KV cache
	EncoderDecoder Attention = "encoder_decoder" // layers are per side
)

func (a Attention) valid() bool {
	return a == MHA || a == GQA || a == MLA || a == Encoder || a == EncoderDecoder
}

func (m *Model) keys() []string {
	keys := append([]string{m.Name}, m.Also...)
	if _, short, ok := strings.Cut(m.Name, "/"); ok {
		keys = append(keys, short)
	}
	return keys
}

// Missing lists the counts this shape lacks.
func (m Model) Missing() []string {
	var lacks []string
	for _, c := range []struct {
		name string
		n    int
	}{{"layers", m.Layers}, {"hidden", m.Hidden}, {"heads", m.Heads}, {"vocab", m.Vocab}} {
		if c.n == 0 {
			lacks = append(lacks, c.name)
		}
	}
	if m.Attention != MLA {
		if m.KVHeads == 0 {
			lacks = append(lacks, "kv_heads")
		}
		if m.HeadDim == 0 {
			lacks = append(lacks, "head_dim")
		}
	} else if m.KVLoRARank == 0 {
		lacks = append(lacks, "kv_lora_rank")
	}
	if m.Intermediate == 0 && m.MoEIntermediate == 0 {
		lacks = append(lacks, "intermediate")
	}
	return lacks
}
