package engine

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"weir/fit"
	"weir/price"
)

// specOf returns the replica of a row, at the defaults of its engine and
// version.
func specOf(c *price.Catalogue, b benchRow) (Spec, error) {
	model := standIn(b.model)
	if strings.Contains(model, "Nemotron") {
		return Spec{}, fmt.Errorf("%w: layers of one kind each (Mamba, attention or experts)", errNotModelled)
	}
	g, err := gpuOf(c, b)
	if err != nil {
		return Spec{}, err
	}
	if model == "bigscience/bloom" {
		return bloomOn(g, b.tp)
	}
	pm, err := findModel(c, model)
	if err != nil {
		return Spec{}, err
	}
	s, err := Build(g, NewModel(pm), Layout{TP: b.tp}, storageOf(b))
	if err != nil {
		return s, err
	}
	return serverOf(c, b, s)
}

// gpuOf returns a row's GPU, with the kernels of its engine there.
func gpuOf(c *price.Catalogue, b benchRow) (*GPU, error) {
	pg, err := c.GPU(standIn(b.gpu))
	if err != nil {
		return nil, err
	}
	g, err := NewGPU(pg)
	if err != nil {
		return nil, err
	}
	k := *g.Kernels
	g.Kernels = &k
	if !strings.HasPrefix(b.engine, "vLLM") {
		k.L2MB = 0 // TensorRT-LLM and SGLang decode with a kernel of its own
	}
	if strings.Contains(b.engine, "TensorRT-LLM") {
		k.EagerReduce = 1 // it runs a compiled engine
	}
	if !b.plain {
		ofOneVersion(g, pg, b)
	}
	return g, nil
}

// ofOneVersion sets the kernels of one version of an engine.
func ofOneVersion(g *GPU, pg price.GPU, b benchRow) {
	v := minorOf(b.version)
	if b.engine != "vLLM" || v == 0 || pg.Compute != "9.0" {
		return
	}
	if strings.HasPrefix(b.dtype, "mxfp4") && v < 12 {
		// Kernels for MXFP4 on Hopper came with vLLM 0.11.1 (pull request 27370);
		// before, its experts ran through Marlin, in Ampere's instructions.
		g.Kernels.MoECompute = 0.63 * ampere.MoECompute
	}
	if b.model == "zai-org/GLM-4.6" && b.dtype == "bf16" {
		// vLLM has no tuned tiles for 160 experts of 192 columns in 16 bits on an
		// H200 (fused_moe/configs) and takes 64 by 64 ones: 32 operations for each
		// byte from an L2 cache that delivers 5.7 TB/s (assumed).
		g.Kernels.MoECompute = 32 * 5.7 / g.TFLOPS16
	}
}

// serverOf sets the scheduling and the room of a row's engine.
func serverOf(c *price.Catalogue, b benchRow, s Spec) (Spec, error) {
	switch {
	case b.engine == "SGLang":
		// server_args.py, schedule_policy.py: up to 2048 requests, chunks of 8192
		// tokens, prefill before decode.
		s.MaxSeqs, s.MaxBatchTokens, s.PrefillFirst = 2048, 8192, true
	case b.engine != "vLLM":
		s.MaxSeqs, s.MaxBatchTokens = 2048, 8192
	case minorOf(b.version) > 0 && minorOf(b.version) < 14:
		s.Async, s.SeqHost = false, syncHost
	}
	if minorOf(b.version) == 0 || windowed(c, b) {
		return s, nil
	}
	room, seqs, err := roomOf(c, b)
	if err != nil {
		return s, err
	}
	s.KVTokens = room
	if seqs > 0 {
		s.MaxSeqs = seqs
	}
	return s, nil
}

// syncHost is the host time per sequence and step of a vLLM that schedules
// between steps: gaps of 5 to 6 ms between the decode steps of 256 sequences
// were reported (github.com/vllm-project/vllm/issues/10634).
const syncHost = 20 * time.Microsecond

var version = regexp.MustCompile(`^v0\.([0-9]+)\.`)

// minorOf returns the 11 of v0.11.0; 0 if there is none.
func minorOf(v string) int {
	m := version.FindStringSubmatch(v)
	if m == nil {
		return 0
	}
	n, _ := strconv.Atoi(m[1])
	return n
}

// windowed models hold less in some layers once a prompt is computed. fit
// returns the most a request holds; Build counts each layer as a full one. The
// servers measured here held more than the one and less than the other.
func windowed(c *price.Catalogue, b benchRow) bool {
	m, err := findModel(c, standIn(b.model))
	return err == nil && m.WindowLayers > 0
}

// roomOf returns the KV room of a row's vLLM or SGLang by fit's budget for that
// version. A server whose default batch leaves no room for its longest request
// was started with a smaller batch: 256.
func roomOf(c *price.Catalogue, b benchRow) (tokens, seqs int, err error) {
	m, q, err := fit.Named(c, standIn(b.model))
	if err != nil {
		return 0, 0, err
	}
	if b.dtype == "fp8" && q.Family != "fp8" {
		if q, err = fit.ParseQuant("fp8-block"); err != nil {
			return 0, 0, err
		}
	}
	if (b.dtype == "bf16" || b.dtype == "fp16") && q.Family != "16" {
		if q, err = fit.ParseQuant(b.dtype); err != nil {
			return 0, 0, err
		}
	}
	pg, err := c.GPU(standIn(b.gpu))
	if err != nil {
		return 0, 0, err
	}
	gpu, err := fit.NewGPU(pg)
	if err != nil {
		return 0, 0, err
	}
	e, err := fit.ParseEngine(strings.ToLower(b.engine) + "@" + strings.TrimPrefix(b.version, "v"))
	if err != nil {
		return 0, 0, err
	}
	for _, seqs := range []int{0, 256} {
		a, err := fit.Check(m, fit.Setup{GPU: gpu, Engine: e, Quant: q, TP: b.tp, Context: longestRun, MaxSeqs: seqs})
		if err != nil {
			return 0, 0, err
		}
		if tokens = int(a.CacheTokens); tokens >= longestRun || e.Name != "vllm" {
			return tokens, seqs, nil
		}
	}
	return tokens, 256, nil
}

// longestRun is the longest request of the published bursts: every server that
// ran them held one.
const longestRun = 32100

// bloomOn is BLOOM-176B, which is not in the catalogue: it is no longer
// deployed.
func bloomOn(g *GPU, tp int) (Spec, error) {
	m := NewModel(price.Model{Name: "bloom", Family: "bloom", Attention: price.MHA, DType: "bf16", Layers: 70, Hidden: 14336, Heads: 112, KVHeads: 112,
		HeadDim: 128, Intermediate: 57344, Vocab: 250880, Tied: true, MaxContext: 2048})
	m.PlainMLP = true
	return Build(g, m, Layout{TP: tp}, Precision{})
}
