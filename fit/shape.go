package fit

import (
	"fmt"
	"slices"
	"strings"

	"weir/price"
)

const mla = price.MLA

// Model is the shape of a model: the catalogue's counts, and what its family
// or its config.json adds to them.
type Model struct {
	price.Model
	Details
	Stored *Stored      // contents of the files, if they were read
	From   price.Source // of the shape, if from the catalogue
}

// Details are counts the catalogue does not carry.
type Details struct {
	KVFormat     string  // of the cache, if the checkpoint sets it: fp8
	Mix          *Mix    // of the checkpoint in Format; nil: not stated
	FP4Experts   bool    // experts in 4-bit floats beside a wider format
	Plain16      bool    // a mixture's checkpoint leaves all but the experts in 16 bits
	PlainShare   float64 // of the layers whose attention the checkpoint stores wider than its format
	PlainBits    float64 // how wide; 0: 16
	Format       string  // of the published checkpoint, a name of Quants; "": by DType
	QKVBias      bool
	GatedQuery   bool   // the query projection has a gate of its size (Qwen3-Next, Qwen3.5)
	SharedKV     bool   // keys are the values in full layers (Gemma 4): one projection, both cached
	PlainMLP     bool   // two matrices instead of three
	Sandwich     bool   // four norms a layer
	NoHead       bool   // an embedding model: no output layer
	ExpertHidden int    // width of the routed experts, if not the hidden size (Nemotron 3, Kimi K3)
	BesideMLP    bool   // a dense MLP beside the experts in every layer (Gemma 4)
	EveryMLP     bool   // layers with a state have an MLP as well (Jamba, Bamba); Nemotron-H's have none
	Repo         string // repository of the weights, if the catalogue has the model itself
	Unknown      string // the family, if fit does not know it: computed as a plain decoder
	LooseLimit   bool   // MaxContext is that of the model this one is a variant of

	CachedFull, CachedWindow int // layers that keep keys and values, if not all do (Gemma 3n)
	CrossLayers, CrossTokens int // layers that keep those of an image instead of the text's, and its tokens

	FullHeads, FullKVHeads, FullHeadDim int // of full layers where they differ from window layers
	WindowHeads                         int // query heads of window layers where they differ

	RotaryDim    int // numbers per cached position; 0: HeadDim
	RotaryRows   int // positions in the engine's rotary table; 0: MaxContext
	RotaryTables int // tables of that size; 0: 1

	KeyHeads, ValueHeads, StateHeadDim, Conv int   // gated delta net
	Positions                                int   // learned position embeddings
	DecoderLayers                            int   // of an encoder-decoder, if not equal to Layers
	VisionParams                             int64 // tower and projector
	VisionHidden, VisionMLP                  int
	PatchSize                                int // numbers in one patch
	ImageTokens                              int // most tokens of one image
	Merge                                    int // patches per image token
	DeepStack                                int // extra copies of image embeddings
	ExtraParams                              int64

	SharedWidth  int     // of a mixture's shared part, if not a multiple of an expert's
	TokenBytes   int64   // of one token beside keys and values, all layers (compressed caches)
	FixedBytes   int64   // of one sequence besides keys, values and states
	LinearParams int64   // of one layer with a state, if not those of a gated delta net
	Uneven       *Uneven // layers of unlike shapes; nil: the counts hold for all
}

// maxTokens bounds contexts: no product of them overflows.
const maxTokens = 1 << 27

// Stored is the contents of weight files, in bytes by kind.
type Stored struct {
	Linear, Experts, Embed, Head, Vision, Small int64
}

// Total is the sum of all kinds.
func (s Stored) Total() int64 {
	return s.Linear + s.Experts + s.Embed + s.Head + s.Vision + s.Small
}

// FromCatalogue completes a catalogue entry with the counts of its family, or
// reads its config. A config with faults gives the entry's own counts: Entry
// says what is wrong with it.
func FromCatalogue(p price.Model) Model {
	if m, err := Entry(p); err == nil {
		return m
	}
	p.Config = ""
	m, _ := Entry(p) // without a config there is no error
	return m
}

// Entry is FromCatalogue with the fault of a config.
func Entry(p price.Model) (Model, error) {
	if p.Config != "" {
		m, err := ParseConfig(p.Name, []byte(p.Config))
		if err != nil {
			return m, fmt.Errorf("catalogue: %w", err)
		}
		m.Name, m.Also, m.Source, m.Note, m.Config, m.ActiveB = p.Name, p.Also, p.Source, p.Note, p.Config, p.ActiveB
		return m, nil
	}
	m := Model{Model: p}
	family(&m)
	return m, nil
}

// Native is the format of the published checkpoint.
func (m *Model) Native() Quant {
	if m.Format != "" {
		return mustQuant(m.Format)
	}
	d := strings.ToLower(m.DType)
	switch {
	case strings.Contains(d, "mxfp4"):
		return mustQuant("mxfp4")
	case strings.Contains(d, "fp8"):
		return mustQuant("fp8-block")
	case strings.Contains(d, "int4"):
		return mustQuant("w4a16-experts")
	case d == "fp32" && m.generates():
		return mustQuant("fp32")
	case d == "fp32", d == "fp16":
		return mustQuant("fp16") // encoders are served in 16 bits by every engine's default
	}
	return mustQuant("bf16")
}

// generates reports whether tokens are decoded with a cache.
func (m *Model) generates() bool { return m.Attention != price.Encoder }

// attentionLayers counts layers with keys and values; the others are linear,
// or, in Nemotron-H, an MLP alone.
func (m *Model) attentionLayers() int {
	if m.Linear == "mamba2" && m.FullLayers > 0 {
		return m.FullLayers
	}
	return m.Layers - m.LinearLayers
}

// mlpLayers counts layers with an MLP or experts.
func (m *Model) mlpLayers() int {
	if (m.Linear == "mamba2" || m.Linear == "mamba1") && !m.EveryMLP {
		return m.Layers - m.FullLayers - m.LinearLayers
	}
	return m.Layers
}

func (m *Model) windowed() int {
	if m.Window == 0 {
		return 0
	}
	return min(m.WindowLayers, m.attentionLayers())
}

// partial reports whether the linear layers' own shape is missing.
func (m *Model) partial() bool {
	return m.LinearLayers > 0 && m.ValueHeads == 0 && m.ExtraParams == 0 && m.LinearParams == 0 && m.Stored == nil
}

// states says whether every layer keeps a state: then there are no heads, and
// no MLP.
func (m *Model) states() bool {
	return m.Layers > 0 && m.LinearLayers == m.Layers && m.FullLayers == 0 && m.Uneven == nil
}

// validate bounds every count against overflow, and names missing ones.
func (m *Model) validate() error {
	if m.Name == "" {
		m.Name = "model"
	}
	counts := []struct {
		name string
		n    int
		most int
	}{
		{"layers", m.Layers, 2000}, {"hidden", m.Hidden, 1 << 18}, {"heads", m.Heads, 1 << 12}, {"kv_heads", m.KVHeads, 1 << 12},
		{"head_dim", m.HeadDim, 1 << 14}, {"intermediate", m.Intermediate, 1 << 21}, {"vocab", m.Vocab, 1 << 24},
		{"experts", m.Experts, 1 << 14}, {"experts_per_token", m.ExpertsPerToken, 1 << 10}, {"moe_intermediate", m.MoEIntermediate, 1 << 20},
		{"shared_experts", m.SharedExperts, 1 << 10}, {"kv_lora_rank", m.KVLoRARank, 1 << 16}, {"q_lora_rank", m.QLoRARank, 1 << 16},
		{"qk_rope_dim", m.QKRopeDim, 1 << 14}, {"qk_nope_dim", m.QKNopeDim, 1 << 14}, {"v_head_dim", m.VHeadDim, 1 << 14},
		{"window", m.Window, maxTokens}, {"max_context", m.MaxContext, maxTokens}, {"linear_layers", m.LinearLayers, m.Layers},
		{"dense_layers", m.DenseLayers, m.Layers}, {"window_layers", m.WindowLayers, m.Layers}, {"full_layers", m.FullLayers, m.Layers},
		{"rotary rows", m.RotaryRows, 1 << 30}, {"rotary dim", m.RotaryDim, 1 << 14}, {"value heads", m.ValueHeads, 1 << 12},
		{"expert hidden", m.ExpertHidden, 1 << 18}, {"index_dim", m.IndexDim, 1 << 14}, {"index_heads", m.IndexHeads, 1 << 12}, {"index_layers", m.IndexLayers, m.Layers},
		{"key heads", m.KeyHeads, 1 << 12}, {"state head dim", m.StateHeadDim, 1 << 14}, {"conv", m.Conv, 1 << 10}, {"positions", m.Positions, 1 << 24},
		{"image tokens", m.ImageTokens, 1 << 20}, {"full_kv_heads", m.FullKVHeads, 1 << 12}, {"full_head_dim", m.FullHeadDim, 1 << 14},
		{"window heads", m.WindowHeads, 1 << 12}, {"vision hidden", m.VisionHidden, 1 << 16}, {"vision MLP", m.VisionMLP, 1 << 18}, {"cached full layers", m.CachedFull, m.Layers}, {"cached window layers", m.CachedWindow, m.Layers}, {"cross layers", m.CrossLayers, m.Layers}, {"cross tokens", m.CrossTokens, 1 << 20}, {"patch", m.PatchSize, 1 << 18}, {"merge", m.Merge, 1 << 10}, {"deepstack", m.DeepStack, 1 << 6},
	}
	for _, c := range counts {
		if c.n < 0 || c.n > c.most {
			return fmt.Errorf("%w: %s of %s is %d, must be 0 to %d", ErrShape, c.name, m.Name, c.n, c.most)
		}
	}
	widths := []float64{
		float64(max(m.KVHeads, m.FullKVHeads)) * float64(max(m.HeadDim, m.FullHeadDim)), float64(max(m.Heads, m.WindowHeads)) * float64(max(m.HeadDim, m.FullHeadDim)),
		float64(m.ValueHeads) * float64(m.StateHeadDim), float64(m.KeyHeads) * float64(m.StateHeadDim), float64(m.Heads) * float64(m.QKNopeDim+m.VHeadDim),
	}
	if slices.Max(widths) > 1<<19 {
		return fmt.Errorf("%w: heads times head dim of %s is %g, must be below 2^19", ErrShape, m.Name, slices.Max(widths))
	}
	if all := float64(m.Layers) * float64(m.Experts+m.SharedExperts) * float64(max(m.Hidden, m.ExpertHidden)) * float64(max(m.MoEIntermediate, m.Intermediate)); all > 1<<52 {
		return fmt.Errorf("%w: experts of %s have %g parameters, above every model", ErrShape, m.Name, 3*all)
	}
	if m.StateBytes < 0 || m.StateBytes > 1<<40 || m.VisionParams < 0 || m.VisionParams > 1<<40 || m.ExtraParams < 0 || m.ExtraParams > 1<<44 || m.TotalB < 0 || m.TotalB > 1e5 {
		return fmt.Errorf("%w: a size of %s is negative or above every model", ErrShape, m.Name)
	}
	return m.complete()
}

func (m *Model) complete() error {
	lacks := m.Missing()
	if m.Stored != nil || (m.partial() && m.TotalB > 0) || !m.generates() {
		lacks = without(lacks, "vocab", "hidden", "intermediate")
	}
	if m.states() {
		lacks = without(lacks, "heads", "kv_heads", "head_dim", "intermediate")
	}
	if m.Stored == nil && m.TotalB == 0 && m.Hidden == 0 {
		lacks = append(lacks, "hidden")
	}
	if len(lacks) > 0 {
		return fmt.Errorf("%w: %s lacks %s: give a config.json, or the flags of these names", ErrShape, m.Name, strings.Join(lacks, ", "))
	}
	return nil
}

func without(list []string, names ...string) []string {
	var out []string
next:
	for _, v := range list {
		for _, n := range names {
			if v == n {
				continue next
			}
		}
		out = append(out, v)
	}
	return out
}
