package engine

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"

	"weir/price"
)

// benchRow is one published benchmark: the load of a replica, and the
// measurements. NaN where nothing was stated.
type benchRow struct {
	id, kind, model, dtype, gpu, engine, version, scenario, arrival string
	tp, pp, replicas                                                int
	concurrency, requests, input, output                            float64
	ttft, itl, ttft99, itl99, e2e, tokens, rps                      float64
	plain                                                           bool // played without version-specific data
}

func readBench(t testing.TB) []benchRow {
	var list []benchRow
	for _, r := range rows(t, "testdata/perf.csv") {
		n := func(c string) float64 { return number(t, r, c) }
		b := benchRow{
			id: r["row_id"], kind: r["kind"], model: r["model"], dtype: r["dtype"], gpu: r["gpu"], engine: r["engine"], version: r["engine_version"],
			scenario: r["scenario"], arrival: r["arrival"], tp: int(n("tp")), pp: int(n("pp")),
			concurrency: n("concurrency"), requests: n("num_requests"), input: n("input_len"), output: n("output_len"),
			ttft: n("ttft_ms"), itl: n("itl_ms"), ttft99: n("ttft_p99_ms"), itl99: n("itl_p99_ms"), e2e: n("e2e_ms"),
			tokens: n("tokens_per_s"), rps: n("req_per_s"),
		}
		b.replicas = int(n("replicas"))
		list = append(list, b)
	}
	return list
}

// prediction is the roofline's prediction of a row; NaN where it has none.
type prediction struct{ ttft, itl, e2e, tokens float64 }

var errNotModelled = errors.New("not modelled")

// standIns maps GPUs and models that the catalogue does not have under a row's
// name to its entries.
var standIns = map[string]string{
	"H200-NVL-141GB":      "H200",   // 600 W instead of 700
	"GH200-144GB":         "H200",   // the same memory at 4.9 TB/s
	"MI325X":              "MI300X", // the same compute, memory at 6.0 instead of 5.3 TB/s
	"DeepSeek-V3 AWQ":     "deepseek-ai/DeepSeek-V3",
	"zai-org/GLM-4.6":     "zai-org/GLM-4.5",
	"zai-org/GLM-4.6-FP8": "zai-org/GLM-4.5",
	"huggyllama/llama-7b": "meta-llama/Llama-2-7b-hf",
}

func standIn(name string) string {
	if s, ok := standIns[name]; ok {
		return s
	}
	return name
}

// storageOf returns the storage format of a row's numbers.
func storageOf(b benchRow) Precision {
	p := Precision{Weights: strings.Fields(b.dtype)[0]}
	nvidia := strings.HasPrefix(b.engine, "TensorRT-LLM") || strings.HasPrefix(b.engine, "NIM")
	switch {
	case nvidia || strings.Contains(b.scenario, "MLPerf"):
		if p.Weights == "fp8" || p.Weights == "fp4" || p.Weights == "nvfp4" {
			p.KV = "fp8" // as in those checkpoints and submissions
		}
	case p.Weights == "fp8":
		p.Weights = "fp8_block" // as DeepSeek, Qwen and GLM publish them
	}
	return p
}

func predict(c *price.Catalogue, b benchRow) (prediction, error) {
	if b.pp > 1 {
		return prediction{}, fmt.Errorf("%w: pipeline parallel", errNotModelled)
	}
	if b.kind == "trace summary" {
		return prediction{}, fmt.Errorf("%w: see the replayed traces", errNotModelled)
	}
	if math.IsNaN(b.input) || math.IsNaN(b.output) {
		return prediction{}, fmt.Errorf("%w: lengths not stated", errNotModelled)
	}
	spec, err := specOf(c, b)
	if err != nil {
		return prediction{}, err
	}
	in, out := int(math.Round(b.input)), max(1, int(math.Round(b.output)))
	spec.KVTokens = max(spec.KVTokens, in+out+spec.BlockTokens) // it ran, so it fitted
	switch {
	case b.kind == "fixed batch":
		n := int(b.concurrency)
		first := spec.Speed.Step(Batch{Prefill: n * in, Prompts: n, Ends: n, Pairs: int64(n) * int64(in) * int64(in+1) / 2}).Of(0)
		step := spec.Speed.Step(Batch{Decode: n}).Of(n * (in + out/2))
		return prediction{first.Duration().Seconds() * 1e3, step.Duration().Seconds() * 1e3, math.NaN(), math.NaN()}, nil
	case strings.HasPrefix(b.arrival, "Poisson"):
		return goodput(b, spec, in, out), nil
	case b.arrival == "closed loop":
		return closedLoop(b, spec, in, out, int(b.concurrency), int(max(b.concurrency*4, min(64, 8*b.concurrency)))), nil
	}
	n := b.requests
	if math.IsNaN(n) {
		n = b.concurrency
	}
	if math.IsNaN(n) || n > 3*float64(spec.MaxSeqs) {
		n = 3 * float64(spec.MaxSeqs) // saturated: more of the same
	}
	return closedLoop(b, spec, in, out, int(n), int(n)), nil
}
