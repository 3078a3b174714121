package engine

// Steps that prefill and decode at once, on GPUs where FlashAttention 2 runs
// both through one kernel (vLLM before Hopper).
//
// That kernel works in tiles of 64 query rows by 128 cached tokens
// (flash_fwd_launch_template.h, run_mha_fwd_splitkv_dispatch). A decoding
// sequence has one query row per head, and each head gets a tile of its own: 63
// of 64 rows are computed in vain, and the cache of a group of heads is read
// once per head of the group. Tiles run head by head over all sequences. The
// later heads of a group find the data in the L2 cache if one KV head of all
// sequences fits there.
//
// Layer profiles of vLLM on an RTX 4090 and an RTX PRO 6000, of Llama-3.1-8B,
// Qwen3-30B-A3B and Qwen3-32B (casys-kaist/LLMServingSim profiler/perf, MIT)
// show both. Compared with a plain decode step of the same sequences they take
// 1.4 to 1.9 times as long with 4 query heads per KV head, and 2.4 to 3 times
// with 8, if a KV head fits L2; otherwise up to 4 and 8 times, the number of
// heads.
const (
	tileRows    = 64
	tileColumns = 128
)

// tiles returns how many seconds a held token takes in such a step, over all
// layers that keep the whole context: in products over padded tiles, and in
// reads repeated for each query head. Both are 0 for other steps: latent
// attention decodes with a kernel of its own, and attention with sinks with one
// that packs the heads of a group.
func (r *Roofline) tiles() (padded, reread float64) {
	m, g := r.model, r.gpu
	k := g.Kernels
	if k.L2MB == 0 || m.Sinks || m.LatentDim > 0 || m.KVHeads == 0 {
		return 0, 0
	}
	full := float64(m.Layers - m.LinearLayers - m.WindowLayers)
	flops := full * 4 * tileRows * float64(m.Heads*m.HeadDim) / r.tp
	padded = flops / (g.TFLOPS16 * 1e12 * k.Prefill[len(k.Prefill)-1])
	bytes := full * 2 * float64(m.Heads*m.HeadDim) / r.tp * r.bits.kv
	reread = bytes / (g.BandwidthGB * 1e9 * k.AttnBandwidth)
	return padded / r.dp, reread / r.dp
}

// mixed returns the time of a held token when so many are held: the part of one
// KV head that does not fit into L2 is read again.
func (r *Roofline) mixed(held int64) Picoseconds {
	sweep := float64(held) / r.dp * 2 * float64(r.model.HeadDim) * r.bits.kv
	missed := max(0, 1-r.gpu.Kernels.L2MB*1e6/max(sweep, 1))
	return Picos(r.padded + missed*max(0, r.reread-r.padded))
}
