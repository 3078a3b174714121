package fit

// traits are how an engine of one version uses a GPU's memory. The zero value
// is an engine that takes memory only as needed.
type traits struct {
	utilisation float64 // share of the GPU taken by default; 0: all that a driver leaves
	claims      bool    // it takes that share at once
	pool        pool    // base of the share
	layersOnly  bool    // it splits a model by layers, not by tensors
	asStored    bool    // weights stay as the file has them, without padding
	tablesOnCPU bool    // token and position embeddings stay in host memory; a tied output layer is a copy on the GPU
	untiesFP8   bool    // fp8 checkpoints are loaded with their own output layer
	absorbs     bool    // MLA's up projection is copied, split and transposed after loading
	rotaryTable bool    // a table of cosines and sines for every position counts as weights

	seqs, tokens       int  // sequences in a batch and tokens in a step by default
	bigSeqs, bigTokens int  // the same on GPUs of 70 GiB and more other than A100; 0: no others
	uncut              int  // prompts up to this many tokens are prefilled in one step
	memoryBound        bool // only memory bounds a batch

	block        int  // tokens of a block of the cache; 0: not paged
	groups       bool // layers of unlike kinds share one pool of equal blocks
	windows      bool // window layers hold only their window
	fullLatent   bool // no cache for latent attention: keys and values at full size, padded to 256
	sparseLatent bool // fp8 latents of sparse attention have FlashMLA's layout before Blackwell
	indexAlways  bool // index keys are kept in every layer, also where a layer uses another's choice

	logits       float64 // bytes of sampling per sequence and vocabulary entry
	keepsScratch bool    // the experts' workspace is kept for good
	longVideos   bool    // the profile's video is as long as the longest context
	graphsInside bool    // CUDA graphs are in the share
	profiles     bool    // the sampler's warm-up and kernels' scratch come after the profile
	countsOwn    float64 // GiB of its CUDA context, if it shares the GPU; 0: not counted
	countsOwnNew float64 // the same on Hopper and later
	process      float64 // GiB it counts for everything the process has on the device
	collective2  float64 // GiB of collectives with two GPUs on NVSwitch
	collectives  float64 // with more
	alone        float64 // GiB outside the allocator on one GPU
	aloneHopper  float64 // the same on Hopper and later
}

// pool is how an engine sizes its KV cache.
type pool int

const (
	poolOfShare pool = iota // the rest of the share after weights, workspace and the like
	poolOfFree              // the share of the memory free after the engine ran once
	poolOfLoad              // the rest of the share after weights and collectives; workspace lives beside it
)

// step is a change of an engine from a version on. An engine's steps are
// applied in order, oldest first.
type step struct {
	engine       string
	major, minor int
	source       string // file of the engine's source, or a measurement
	change       func(*traits)
}

// steps is everything fit knows about engines and their versions.
var steps = []step{
	{"vllm", 0, 0, "config/cache.py; engine/arg_utils.py; worker/model_runner.py profile_run", func(t *traits) {
		t.utilisation, t.claims, t.rotaryTable, t.block, t.groups, t.profiles = 0.90, true, true, 16, true, true
		t.seqs, t.tokens, t.uncut = 256, 2048, maxTokens
		t.fullLatent, t.longVideos, t.process, t.sparseLatent = true, true, 1.0, true
		t.alone, t.aloneHopper, t.collective2, t.collectives = 0.10, 0.10, 0.54, 2.1
		// top-p sorted the logits: sorted values, 64-bit indexes, their softmax, cumulative sum, mask and scattered result
		t.logits = 38.4
	}},
	{"vllm", 0, 5, "engine/arg_utils.py: prompts above 32k are cut into chunks of 512", func(t *traits) { t.uncut = 32 << 10; t.tokens = 512 }},
	{"vllm", 0, 7, "config.py, SchedulerConfig; mla/common.py; worker.py: what the process takes is profiled apart", func(t *traits) {
		t.tokens, t.fullLatent, t.absorbs, t.process = 2048, false, true, 0
	}},
	{"vllm", 0, 8, "V1: every prompt is cut", func(t *traits) { t.uncut = 0 }},
	{"vllm", 0, 9, "engine/arg_utils.py: defaults of its server by GPU", func(t *traits) { t.bigSeqs, t.bigTokens = 1024, 8192 }},
	{"vllm", 0, 10, "kv_cache_manager of 0.9.2: hybrid models", func(t *traits) { t.windows = true }},
	{"vllm", 0, 13, "v1/worker/workspace.py; qwen2_vl.py; NVLink SHARP with two GPUs measured", func(t *traits) {
		t.keepsScratch, t.longVideos, t.collective2 = true, false, 2.1
	}},
	{"vllm", 0, 17, "v1/sample: 16-bit logits, their fp32 copy, probabilities and noise, and the mask; modules of Hopper measured", func(t *traits) {
		t.logits, t.aloneHopper = 14.5, 0.25
	}},
	{"vllm", 0, 20, "config/cache.py", func(t *traits) { t.utilisation = 0.92 }},
	{"vllm", 0, 21, "v1/worker/gpu_worker.py: graphs are estimated before the cache", func(t *traits) { t.graphsInside = true }},

	{"sglang", 0, 0, "server_args.py: mem_fraction_static 0.87 to 0.9 by size, chunked_prefill_size; model_runner.py profile_max_num_token; sglang#30531", func(t *traits) {
		t.utilisation, t.claims, t.pool, t.absorbs, t.windows, t.indexAlways = 0.88, true, poolOfLoad, true, true, true
		t.seqs, t.tokens, t.logits = 256, 8192, 14.5
		t.alone, t.aloneHopper, t.collective2, t.collectives = 0.10, 0.25, 2.1, 2.1
	}},
	{"tensorrt-llm", 0, 0, "kv_cache_free_gpu_mem_fraction, max_num_tokens of its llmapi", func(t *traits) {
		t.utilisation, t.claims, t.pool, t.windows, t.block, t.graphsInside = 0.90, true, poolOfFree, true, 32, true
		t.seqs, t.tokens, t.logits = 256, 8192, 14.5
		t.alone, t.aloneHopper, t.collective2, t.collectives = 0.10, 0.25, 2.1, 2.1
	}},
	{"llama.cpp", 0, 0, "llama-model.cpp: the input layer's device is the CPU; n_ubatch; contexts are padded to 256 for flash attention", func(t *traits) {
		t.layersOnly, t.asStored, t.tablesOnCPU, t.memoryBound, t.windows, t.block = true, true, true, true, true, 256
		t.seqs, t.tokens, t.countsOwn, t.countsOwnNew = 1, 512, 0.3, 0.5
	}},
	{"transformers", 0, 0, "its figures are the allocator's: cuBLAS workspaces alone stand beside them", func(t *traits) {
		t.layersOnly, t.asStored, t.untiesFP8, t.memoryBound = true, true, true, true
		t.seqs, t.tokens, t.countsOwn, t.countsOwnNew = 1, 2048, 0.03, 0.03
	}},
	{"triton", 0, 0, "one dynamic batch of 8 inputs of 1024 tokens, when not stated", func(t *traits) {
		t.seqs, t.tokens, t.logits, t.countsOwn, t.countsOwnNew = 8, 8192, 14.5, 0.3, 0.5
	}},
}

// traits are those of the engine's version.
func (e Engine) traits() traits {
	var t traits
	for _, s := range steps {
		if s.engine == e.Name && !e.before(s.major, s.minor) {
			s.change(&t)
		}
	}
	return t
}
