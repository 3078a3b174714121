// Package fit says whether a model fits a GPU: its weights by storage format
// and parallelism, its KV cache by kind of layer, the engine's own memory, and
// the rest; the context and number of requests that this allows; and, if the
// model does not fit, the nearest changes that do.
//
// It computes, it does not measure: every constant is the physics of the model
// (a shape times a width), a rule of the engine's source, or a figure of the
// catalogue. docs/benchmarks/fit.md compares it with figures engines reported.
// It knows nothing of speed (Search gets it as a function, from package engine)
// and nothing of the worth of a plan (package plan).
package fit

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"regexp"
	"strings"

	"weir/price"
)

// GiB is 2^30 bytes, the unit engines report memory in.
const GiB = 1 << 30

var (
	// ErrShape: the model's shape lacks counts, or has impossible ones.
	ErrShape = errors.New("model shape")
	// ErrLayout: the parallelism does not divide the model.
	ErrLayout = errors.New("parallelism")
	// ErrSetup: an option is out of its range.
	ErrSetup = errors.New("setup")
)

// Verdict is the answer in one word.
type Verdict string

const (
	// Fits: it starts and serves the request, with a cushion.
	Fits Verdict = "fits"
	// Tight: it starts within the engine's own budget, but allocations outside
	// that budget on first use may not find room, or the cache holds little
	// more than was asked for.
	Tight Verdict = "tight"
	// DoesNotFit: the engine refuses to start, or cannot hold what was asked.
	DoesNotFit Verdict = "does_not_fit"
	// RunsOut: it starts, and kernels the engine did not profile take more on first
	// use than its budget leaves.
	RunsOut Verdict = "runs_out"
)

// Serves says whether the setup serves the requests asked for.
func (v Verdict) Serves() bool { return v == Fits || v == Tight }

// GPU is the properties of an accelerator that fit needs.
type GPU struct {
	Name  string  `json:"name"`
	Total int64   `json:"total_bytes"` // seen by a framework
	SM    float64 `json:"compute"`     // compute capability; 0: not NVIDIA, or unknown
	Fast  bool    `json:"fast_link"`   // GPUs of one machine are linked all to all by a switch
	BF16  bool    `json:"bf16"`
	FP8   bool    `json:"fp8"`

	Share float64 `json:"share,omitempty"` // of the whole GPU, if a machine holds a part of one; 0: all of it

	source string // of its memory
}

// Part is the share of the GPU that a machine holds (price.VM.Share).
func (g GPU) Part(share float64) GPU {
	if share > 0 && share < 1 {
		g.Total, g.Share = int64(float64(g.Total)*share), share
	}
	return g
}

// bridged are GPUs whose fast links join two cards, or each pair directly,
// without a switch that could multicast.
var bridged = regexp.MustCompile(`PCIe|NVL|^GH`)

// NewGPU takes a GPU of the catalogue. A device of which no log said what
// frameworks see counts as 92 % of its nominal size in GiB: the least of the
// known ones (ECC on GDDR takes a sixteenth, the driver the rest). Memory
// shared with the CPU is nominal in 10^9 bytes.
func NewGPU(g price.GPU) (GPU, error) {
	out := GPU{Name: g.Name, Fast: g.LinkGB.Value() >= 300 && !bridged.MatchString(g.Name), BF16: g.BF16, FP8: g.FP8}
	switch {
	case g.UsableGiB.Known():
		out.Total = int64(g.UsableGiB.Value() * GiB)
		out.source = g.UsableGiB.From().String()
	case g.MemoryGB.Known() && strings.Contains(g.Note, "unified"):
		out.Total = int64(g.MemoryGB.Value() * 1e9)
		out.source = g.MemoryGB.From().String()
	case g.MemoryGB.Known():
		out.Total = int64(g.MemoryGB.Value() * GiB * 0.92)
		out.source = g.MemoryGB.From().String() + ", minus 8 %: how much of it frameworks can use is not known"
	default:
		return GPU{}, fmt.Errorf("%w: memory of GPU %s is not in the catalogue: add memory_gb in your price file", ErrSetup, g.Name)
	}
	if _, err := fmt.Sscanf(g.Compute, "%g", &out.SM); err != nil {
		out.SM = 0 // an AMD target such as gfx942
	}
	return out, nil
}

// Setup is how a model is served. Zero values mean the engine's default.
type Setup struct {
	GPU    GPU
	Engine Engine
	Quant  Quant  // storage of the weights; zero: as published
	KV     string // KV cache dtype: auto, fp8, fp16, bf16, fp8_ds_mla
	TP     int    // tensor parallel
	PP     int    // pipeline parallel
	EP     bool   // experts are distributed whole, not cut

	Utilisation float64 // share of the GPU the engine may take, 0 to 1
	FreeBytes   int64   // free on the GPU before the start; 0: all of it
	Context     int     // longest request, prompt and answer, tokens
	Concurrency int     // requests at once that must fit; 0: 1
	MaxSeqs     int     // most sequences in a batch
	BatchTokens int     // most tokens in a step
	Eager       bool    // no CUDA graphs
	LoRAs       int     // adapters resident at once
	LoRARank    int     // their rank
	Offload     int64   // bytes of weights per GPU kept in host memory
	CacheBytes  int64   // size of the KV pool, if the user sets it (llama.cpp: Context x Concurrency)
}

func (s Setup) withDefaults(m *Model) Setup {
	s.TP, s.PP = max(s.TP, 1), max(s.PP, 1)
	s.Concurrency = max(s.Concurrency, 1)
	if s.Engine.Name == "" {
		s.Engine = DefaultEngine
	}
	if s.Quant.Name == "" {
		s.Quant = m.Native()
	}
	s.Utilisation = cmp.Or(s.Utilisation, s.Engine.utilisation(m))
	if s.Context == 0 {
		s.Context = cmp.Or(m.MaxContext, 4096)
	}
	seqs, tokens := s.Engine.batch(s.GPU, s.Context)
	s.MaxSeqs, s.BatchTokens = cmp.Or(s.MaxSeqs, seqs), cmp.Or(s.BatchTokens, tokens)
	return s
}

// validate keeps arithmetic far from overflow, whatever a file or flag says.
func (s Setup) validate() error {
	f := func(ok bool, what string, have any, want string) error {
		if ok {
			return nil
		}
		return fmt.Errorf("%w: %s is %v, must be %s", ErrSetup, what, have, want)
	}
	return errors.Join(
		f(s.GPU.Total > 0 && s.GPU.Total < 1<<50, "memory of the GPU", s.GPU.Total, "above 0 and below 1 PiB"),
		f(s.TP >= 0 && s.TP <= 1024, "tensor parallel", s.TP, "1 to 1024"),
		f(s.PP >= 0 && s.PP <= 1024, "pipeline parallel", s.PP, "1 to 1024"),
		f(s.Utilisation >= 0 && s.Utilisation <= 1, "utilisation", s.Utilisation, "0 to 1"),
		f(s.Context >= 0 && s.Context <= maxTokens, "context", s.Context, "0 to 2^27 tokens"),
		f(s.Concurrency >= 0 && s.Concurrency <= 1<<20, "concurrency", s.Concurrency, "0 to 2^20"),
		f(s.MaxSeqs >= 0 && s.MaxSeqs <= 1<<20, "sequences in a batch", s.MaxSeqs, "0 to 2^20"),
		f(s.BatchTokens >= 0 && s.BatchTokens <= 1<<24, "tokens in a step", s.BatchTokens, "0 to 2^24"),
		f(s.LoRAs >= 0 && s.LoRAs <= 10000, "LoRA adapters", s.LoRAs, "0 to 10000"),
		f(s.LoRARank >= 0 && s.LoRARank <= 4096, "LoRA rank", s.LoRARank, "0 to 4096"),
		f(s.FreeBytes >= 0 && s.Offload >= 0 && s.CacheBytes >= 0, "a size", "negative", "0 or more"),
	)
}

// Answer is the result of Check.
type Answer struct {
	Verdict Verdict `json:"verdict"`
	Why     string  `json:"why"`
	Model   string  `json:"model"`
	Quant   string  `json:"quant"`
	GPU     string  `json:"gpu"`
	Engine  string  `json:"engine"`
	TP      int     `json:"tp"`
	PP      int     `json:"pp"`

	Stages []Budget `json:"stages"` // per pipeline stage, first to last; one without pipeline parallel
	Tight  int      `json:"tightest_stage"`

	Context       int      `json:"context"`
	Concurrency   int      `json:"concurrency"`
	KVPerToken    int64    `json:"kv_bytes_per_token"` // whole model, every layer at full length
	PerRequest    int64    `json:"bytes_per_request"`  // of the tightest stage's GPU, one request of Context tokens
	CacheTokens   int64    `json:"cache_tokens"`       // full-length requests the cache holds, times Context
	MaxContext    int      `json:"longest_context"`    // tokens, one request at once; 0: none
	MaxConcurrent int      `json:"most_requests"`      // requests of Context tokens at once
	Requests      float64  `json:"requests_in_cache"`  // the same, not rounded, as engines print it
	Command       string   `json:"command,omitempty"`  // that starts the engine so, when it fits; "" for engines without one
	Words         []string `json:"-"`                  // Command before it was quoted for a shell
	Remedies      []Remedy `json:"remedies,omitempty"` // when it does not fit, cheapest first
	Notes         []string `json:"notes,omitempty"`
	Sources       []string `json:"sources,omitempty"` // of the shape and of the GPU's memory, if from the catalogue
}

// Budget is the memory of one GPU, line by line, in bytes.
type Budget struct {
	Total      int64 `json:"total"`   // seen by the framework
	Allowed    int64 `json:"allowed"` // the engine's share of it
	Weights    int64 `json:"weights"`
	LoRA       int64 `json:"lora"`
	Activation int64 `json:"activation"`  // peak of a profiled step, sampler included
	NonTorch   int64 `json:"non_torch"`   // context, collectives
	Graphs     int64 `json:"cuda_graphs"` // captured; inside Allowed from vLLM 0.21 on
	GraphsIn   bool  `json:"cuda_graphs_in_budget"`
	Cache      int64 `json:"kv_cache"` // the rest; negative if the budget is exceeded
}

// Need is the stage's memory without any cache.
func (b Budget) Need() int64 {
	need := b.Weights + b.LoRA + b.Activation + b.NonTorch
	if b.GraphsIn {
		need += b.Graphs
	}
	return need
}

// Cushion is the part of the GPU the budget leaves to unprofiled allocations.
func (b Budget) Cushion() int64 {
	c := b.Total - b.Allowed
	if !b.GraphsIn {
		c -= b.Graphs
	}
	return c
}

// Check says whether a model can be served with a setup. An error means a wrong
// question (a shape with holes, a parallelism the model does not divide by, a
// context above the model's). A model that does not fit is an answer, with the
// changes that would help; larger are GPUs to try among them, smallest first.
func Check(m Model, s Setup, larger ...GPU) (Answer, error) {
	s, err := prepare(&m, s)
	if err != nil {
		return Answer{}, err
	}
	a := check(&m, s)
	if !a.Verdict.Serves() {
		a.Remedies = remedies(&m, s, larger)
	}
	return a, nil
}

func prepare(m *Model, s Setup) (Setup, error) {
	if err := errors.Join(m.validate(), s.validate()); err != nil {
		return s, err
	}
	s = s.withDefaults(m)
	if err := s.Engine.accepts(m, &s); err != nil {
		return s, err
	}
	return s, layoutRules(m, s)
}

func check(m *Model, s Setup) Answer {
	a := Answer{
		Model: m.Name, Quant: s.Quant.Name, GPU: s.GPU.Name, Engine: s.Engine.String(), TP: s.TP, PP: s.PP,
		Context: s.Context, Concurrency: s.Concurrency, KVPerToken: m.cache(s, 1, m.Layers).wholeToken,
	}
	least := math.Inf(1)
	for i, n := range stageLayers(m.Layers, s.PP) {
		b := budget(m, s, i, n)
		a.Stages = append(a.Stages, b)
		c := m.cache(s, s.TP, n)
		per := c.request(s.Context, s.BatchTokens)
		held := math.Inf(1)
		if per > 0 {
			held = float64(b.Cache) / float64(per)
		} else if b.Cache < 0 {
			held = -1
		}
		if held < least || i == 0 {
			least, a.Tight, a.PerRequest = held, i, per
			a.MaxContext = longest(m, c, b.Cache, s.BatchTokens, s.Context)
		}
	}
	a.Requests = max(least, 0)
	a.MaxConcurrent = int(min(math.Floor(max(least, 0)), float64(s.Engine.most(m, s))))
	if per := a.PerRequest; per > 0 {
		a.CacheTokens = int64(a.Requests * float64(s.Context))
	} else {
		a.Requests = float64(a.MaxConcurrent)
	}
	a.Verdict, a.Why = judge(m, s, &a)
	a.Notes, a.Sources = notes(m, s), sources(m, s)
	if a.Verdict.Serves() {
		a.Words = command(m, s)
		a.Command = words(a.Words).line()
	}
	return a
}

// longest is the longest single request the cache holds: at most the model's
// own limit, or asked if that limit is not the model's own. Room grows with
// length, so bisection finds it.
func longest(m *Model, c cache, room int64, chunk, asked int) int {
	limit := cmp.Or(m.MaxContext, 1<<20)
	if m.LooseLimit {
		limit = max(limit, asked)
	}
	if room < 0 || c.request(1, chunk) > room {
		return 0
	}
	lo, hi := 1, limit
	for lo < hi {
		mid := (lo + hi + 1) / 2
		if c.request(mid, chunk) <= room {
			lo = mid
		} else {
			hi = mid - 1
		}
	}
	return lo
}

func gib(bytes int64) float64 { return float64(bytes) / GiB }
