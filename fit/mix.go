package fit

import (
	"cmp"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Mix is how wide a checkpoint stores the parts of a model, as its own
// quantization_config says, in mean bits of a parameter.
type Mix struct {
	Attention, State, Dense, Shared, Expert, Head float64
}

// parts are the modules of a layer by the names checkpoints give them, after
// the number of the layer. One name of a part stands for all its matrices.
var parts = map[string][]string{
	"attention": {"self_attn.q_proj", "self_attn.o_proj", "self_attn.q_b_proj", "self_attn.kv_b_proj", "self_attn.qkv_proj", "attn.wq_b", "attn.wo_b", "attention.q_proj", "mixer.q_proj", "mixer.o_proj"},
	"state":     {"linear_attn.in_proj_qkvz", "linear_attn.in_proj_qkv", "linear_attn.out_proj", "self_attn.f_a_proj", "self_attn.g_b_proj", "mamba.in_proj", "mixer.in_proj", "mixer.out_proj"},
	"dense":     {"mlp.gate_proj", "mlp.up_proj", "mlp.down_proj", "mlp.gate_up_proj", "feed_forward.gate_proj", "mixer.up_proj", "mixer.down_proj"},
	"shared":    {"mlp.shared_experts.gate_proj", "mlp.shared_expert.gate_proj", "mlp.shared_experts.down_proj", "mlp.shared_expert.down_proj", "mixer.shared_experts.up_proj", "ffn.shared_experts.w1", "feed_forward.shared_expert.gate_proj", "moe.shared_expert.gate_proj"},
	"expert":    {"mlp.experts.0.gate_proj", "mlp.experts.0.down_proj", "mlp.experts.gate_up_proj", "mlp.experts.down_proj", "mlp.experts", "block_sparse_moe.experts.0.w1", "mixer.experts.0.up_proj", "ffn.experts.0.w1", "ffn.experts", "feed_forward.experts.gate_up_proj", "experts.gate_up_proj"},
}

// before are the names before the number of a layer.
var before = []string{"model.layers.", "model.language_model.layers.", "language_model.model.layers.", "layers.", "backbone.layers.", "model.decoder.layers.", "transformer.h."}

// mix reads the widths from what a quantization_config ignores, groups and
// lists. base is the width of everything else.
func (q *hfQuant) mix(m *Model, base Quant) *Mix {
	l := q.lists()
	of := func(part string, wide float64) float64 {
		if m.Layers == 0 || m.Layers > 2000 {
			return wide
		}
		sum := 0.0
		for i := range m.Layers {
			sum += l.bits(part, i, wide)
		}
		return sum / float64(m.Layers)
	}
	return &Mix{
		Attention: of("attention", base.Linear), State: of("state", base.Linear), Dense: of("dense", base.Linear),
		Shared: of("shared", base.Linear), Expert: of("expert", base.Expert), Head: base.head(),
	}
}

// lists are a quantization_config's patterns, ready to be asked.
type lists struct {
	ignored patterns
	listed  map[string]float64 // bits of the modules that a list names
	groups  []struct {
		targets patterns
		bits    float64
	}
	plain float64 // of modules that a list of all that is quantised leaves out; 0: there is none
}

func (q *hfQuant) lists() lists {
	l := lists{ignored: newPatterns(q.Ignored), listed: map[string]float64{}}
	skipped := newPatterns(q.Skipped)
	l.ignored.parts = q.Skipped // loaders look for these anywhere in a name
	l.ignored.exprs, l.ignored.globs = append(l.ignored.exprs, skipped.exprs...), append(l.ignored.globs, skipped.globs...)
	for name, of := range q.Listed {
		l.listed[name] = algoBits(of.Algo)
	}
	if len(q.Listed) > 0 && !strings.EqualFold(q.Method, "fp8") {
		l.plain = 16
	}
	for _, g := range q.Groups { // order does not show: a module is the target of one group
		if len(g.Targets) > 0 && !slices.Contains(g.Targets, "Linear") {
			l.groups = append(l.groups, struct {
				targets patterns
				bits    float64
			}{newPatterns(g.Targets), groupWidth(int(g.Weights.Bits), g.Weights.Type, int(g.Weights.Group))})
		}
	}
	return l
}

// bits is the width of a part in one layer: 16 where it is ignored, else that
// of the list or group that names it.
func (l *lists) bits(part string, layer int, base float64) float64 {
	named := 0.0
	for _, prefix := range before {
		for _, name := range parts[part] {
			full := prefix + strconv.Itoa(layer) + "." + name
			if l.ignored.match(full) {
				return 16
			}
			if bits, ok := l.listed[full]; ok && named == 0 {
				named = bits
			}
			for _, g := range l.groups {
				if named == 0 && g.targets.match(full) {
					named = g.bits
				}
			}
		}
	}
	return cmp.Or(named, l.plain, base)
}

// groupWidth is the bits of a parameter with its share of the scales.
func groupWidth(bits int, kind string, group int) float64 {
	scale := 0.0
	switch {
	case group <= 0:
	case kind == "float" && bits == 4:
		scale = 8 / float64(group)
	default:
		scale = 16 / float64(group)
	}
	return float64(cmp.Or(bits, 16)) + scale
}

// algoBits is the width of one of NVIDIA ModelOpt's formats.
func algoBits(algo string) float64 {
	a := strings.ToLower(algo)
	switch {
	case strings.Contains(a, "nvfp4"):
		return 4.5
	case strings.Contains(a, "mxfp4"):
		return 4.25
	case strings.Contains(a, "mxfp8"):
		return 8.25
	case strings.Contains(a, "w4a"), strings.Contains(a, "int4"):
		return 4.125
	case strings.Contains(a, "fp8"), strings.Contains(a, "int8"), strings.Contains(a, "w8a"):
		return 8
	}
	return 16
}

// patterns name modules: a regular expression after "re:" (Python's, from the
// start of the name), a glob, a name that the module is or lies in, or a part of
// one.
type patterns struct {
	names map[string]bool
	globs []string
	exprs []*regexp.Regexp
	parts []string
}

func newPatterns(list []string) patterns {
	p := patterns{names: map[string]bool{}}
	for _, text := range list {
		expr, is := strings.CutPrefix(text, "re:")
		switch {
		case is && len(expr) < 1<<12:
			// an expression that Go's syntax lacks (a look-ahead) names nothing
			if re, err := regexp.Compile("^(?:" + strings.TrimPrefix(expr, "^") + ")"); err == nil {
				p.exprs = append(p.exprs, re)
			}
		case strings.Contains(text, "*"):
			p.globs = append(p.globs, strings.ReplaceAll(text, "[", "\\["))
		default:
			p.names[text] = true
		}
	}
	return p
}

func (p *patterns) match(name string) bool {
	for at := len(name); at > 0; at = strings.LastIndexByte(name[:at], '.') {
		if p.names[name[:at]] {
			return true
		}
	}
	for _, g := range p.globs {
		whole, _ := path.Match(g, name)
		within, _ := path.Match(g+".*", name)
		if whole || within {
			return true
		}
	}
	return slices.ContainsFunc(p.exprs, func(re *regexp.Regexp) bool { return re.MatchString(name) }) ||
		slices.ContainsFunc(p.parts, func(part string) bool { return part != "" && strings.Contains(name, part) })
}

// apart is the bits per parameter of a part beyond those of all linear ones,
// summed over the parts, in bytes of n of the layers.
func (m *Model) apart(p params, q Quant, part func(int64) int64) int64 {
	x := m.Mix
	sum := 0.0
	for _, one := range []struct {
		count int64
		bits  float64
	}{{p.attention - p.state, x.Attention}, {p.state, x.State}, {p.dense, x.Dense}, {p.shared, x.Shared}} {
		sum += float64(part(one.count)) * (one.bits - q.Linear) / 8
	}
	return int64(sum)
}

// mixRange says how far the weights depend on which layers of a mixture a
// 4-bit checkpoint leaves in 16 bits, where only a name is known.
func mixRange(m *Model, s Setup) string {
	if m.Experts == 0 || m.Mix != nil || m.Stored != nil || s.Quant.Family != "4bit" || m.Format == s.Quant.Name || s.Quant.Name == m.Native().Name {
		return ""
	}
	narrow, wide := *m, *m
	all := Mix{Attention: s.Quant.Linear, State: s.Quant.Linear, Dense: s.Quant.Linear, Shared: s.Quant.Linear, Expert: s.Quant.Expert, Head: s.Quant.head()}
	experts := Mix{Attention: 16, State: 16, Dense: 16, Shared: 16, Expert: s.Quant.Expert, Head: s.Quant.head()}
	narrow.Mix, narrow.Format = &all, s.Quant.Name
	wide.Mix, wide.Format = &experts, s.Quant.Name
	n := stageLayers(m.Layers, s.PP)[0]
	low, high := gib(narrow.weights(s, 0, n)), gib(wide.weights(s, 0, n))
	if high-low < 0.1 {
		return ""
	}
	return fmt.Sprintf("a name does not say which layers a %s checkpoint leaves in 16 bits: its weights take %.1f GiB per GPU if none, %.1f if all but the experts; its config.json says which", s.Quant.Name, low, high)
}
