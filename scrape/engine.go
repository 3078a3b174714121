package scrape

import (
	"slices"
	"strings"

	dto "github.com/prometheus/client_model/go"
)

// An engine's metrics share a prefix and have changed their names over its
// versions: the first name present counts. Metrics that no version has are not
// expected.
type engine struct {
	name   string
	begins string
	figures
}

// figures are the names of each figure; none: the engine has no such metric.
type figures struct{ running, waiting, kvUse, gpuUse []string }

// engines are the known engines. vLLM renamed its KV gauge in 0.9; despite
// their names both go to 1. llama.cpp reported its KV use until 2025; it is not
// expected today. Triton's pending requests are gauges from 23.x on; its GPU
// use goes to 1.
var engines = []engine{
	{"vLLM", "vllm:", figures{
		running: []string{"vllm:num_requests_running"},
		waiting: []string{"vllm:num_requests_waiting"},
		kvUse:   []string{"vllm:kv_cache_usage_perc", "vllm:gpu_cache_usage_perc"},
	}},
	{"SGLang", "sglang:", figures{
		running: []string{"sglang:num_running_reqs"},
		waiting: []string{"sglang:num_queue_reqs"},
		kvUse:   []string{"sglang:token_usage"},
	}},
	{"TGI", "tgi_", figures{
		running: []string{"tgi_batch_current_size"},
		waiting: []string{"tgi_queue_size"},
	}},
	{"llama.cpp", "llamacpp:", figures{
		running: []string{"llamacpp:requests_processing"},
		waiting: []string{"llamacpp:requests_deferred"},
	}},
	{"Triton", "nv_", figures{
		waiting: []string{"nv_inference_pending_request_count"},
	}},
}

// seldom are figures that some versions report and none is expected to.
var seldom = figures{
	kvUse:  []string{"llamacpp:kv_cache_usage_ratio"},
	gpuUse: []string{"DCGM_FI_DEV_GPU_UTIL"}, // per cent
}

// tritonGPU is Triton's GPU use, 0..1.
const tritonGPU = "nv_gpu_utilization"

// engineOf is the engine of these metrics; nil if unknown.
func engineOf(fams map[string]*dto.MetricFamily) *engine {
	for i := range engines {
		for name := range fams {
			if strings.HasPrefix(name, engines[i].begins) {
				return &engines[i]
			}
		}
	}
	return nil
}

// lacks names the metrics expected of e and missing.
func (e *engine) lacks(k Known) string {
	if e == nil {
		return "every figure of vLLM, SGLang, TGI, llama.cpp and Triton"
	}
	var names []string
	for _, f := range []struct {
		known bool
		names []string
	}{{k.Running, e.running}, {k.Waiting, e.waiting}, {k.KVUse, e.kvUse}} {
		if !f.known && len(f.names) > 0 {
			names = append(names, strings.Join(f.names, " or "))
		}
	}
	return strings.Join(slices.Compact(names), ", ")
}
