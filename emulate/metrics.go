package emulate

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// totals are the replica's counts since its start. The loop's lock guards them.
type totals struct {
	prompt, generated    uint64               // tokens
	finished             [filtered + 1]uint64 // requests, by how they ended
	aborted              uint64               // requests
	ttft, gap, tpot, e2e histogram
}

// The bounds are vLLM's (vllm/v1/metrics/loggers.py at commit 005a810, 2025).
func newTotals() totals {
	gaps := []float64{.01, .025, .05, .075, .1, .15, .2, .3, .4, .5, .75, 1, 2.5, 5, 7.5, 10, 20, 40, 80}
	return totals{
		ttft: newHistogram(.001, .005, .01, .02, .04, .06, .08, .1, .25, .5, .75, 1, 2.5, 5, 7.5, 10, 20, 40, 80, 160, 640, 2560),
		gap:  newHistogram(gaps...),
		tpot: newHistogram(gaps...),
		e2e:  newHistogram(.3, .5, .8, 1, 1.5, 2, 2.5, 5, 10, 15, 20, 30, 40, 50, 60, 120, 240, 480, 960, 1920, 7680),
	}
}

type histogram struct {
	bounds []float64 // seconds, rising
	counts []uint64  // one more than bounds
	sum    float64
}

func newHistogram(bounds ...float64) histogram {
	return histogram{bounds: bounds, counts: make([]uint64, len(bounds)+1)}
}

func (h *histogram) observe(d time.Duration, times uint64) {
	v, i := d.Seconds(), 0
	for i < len(h.bounds) && v > h.bounds[i] {
		i++
	}
	h.counts[i] += times
	h.sum += v * float64(times)
}

func (h *histogram) clone() histogram {
	c := *h
	c.counts = append([]uint64(nil), h.counts...)
	return c
}

// snapshot is all figures of /metrics at one moment.
type snapshot struct {
	totals
	running, waiting int
	preemptions      uint64
	cached           uint64 // prompt tokens found in the prefix cache
	kvUse, gpuUse    float64
}

func (l *loop) snapshot() snapshot {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.began.IsZero() {
		return snapshot{totals: newTotals()}
	}
	now := l.now()
	l.settle(now)
	for _, f := range l.flows {
		if f.first != 0 && !f.each {
			l.tell(f, l.replica.Tokens(now, f.id), now)
		}
	}
	load := l.replica.Load()
	s := snapshot{totals: l.totals, running: load.Running, waiting: load.Waiting, preemptions: load.Preemptions, cached: load.CachedTokens}
	s.ttft, s.gap, s.tpot, s.e2e = l.totals.ttft.clone(), l.totals.gap.clone(), l.totals.tpot.clone(), l.totals.e2e.clone()
	if load.KVTokens > 0 {
		s.kvUse = float64(load.KVUsedTokens) / float64(load.KVTokens)
	}
	s.gpuUse = l.gpuUse(gpuSample{now, load.GPUBusy})
	return s
}

// gpuUse is the share of time the GPU was busy since a sample at least a second
// old in real time: DCGM samples about as often.
func (l *loop) gpuUse(now gpuSample) float64 {
	if l.wall(now.at.Sub(l.gpu[1].at)) >= time.Second {
		l.gpu[0], l.gpu[1] = l.gpu[1], now
	}
	since := l.gpu[0]
	if now.at <= since.at {
		return 0
	}
	return min(1, float64(now.busy-since.busy)/float64(now.at.Sub(since.at)))
}

// metrics answers in the Prometheus text format with vLLM's names, the KV gauge
// also under its old name, and the DCGM metric that scalers read. Times are
// those a client can measure: with a Speed, they are short.
func (s *Server) metrics(w http.ResponseWriter, _ *http.Request) {
	m, p := s.loop.snapshot(), page{label: `{engine="0",model_name=` + quoted(s.o.Served)}
	p.one("gauge", "weir_emulated", "1: no GPU and no model are behind these figures.", 1)
	p.one("gauge", "vllm:num_requests_running", "Requests in the batch.", float64(m.running))
	p.one("gauge", "vllm:num_requests_waiting", "Requests waiting for a place in the batch.", float64(m.waiting))
	p.one("gauge", "vllm:kv_cache_usage_perc", "KV cache in use; 1 is all of it.", m.kvUse)
	p.one("gauge", "vllm:gpu_cache_usage_perc", "KV cache in use; 1 is all of it.", m.kvUse)
	p.one("counter", "vllm:num_preemptions_total", "Requests preempted because KV cache was full.", float64(m.preemptions))
	p.one("counter", "vllm:prompt_tokens_total", "Prompt tokens taken.", float64(m.prompt))
	p.one("counter", "vllm:prefix_cache_queries_total", "Prompt tokens looked up in the prefix cache.", float64(m.prompt))
	p.one("counter", "vllm:prefix_cache_hits_total", "Prompt tokens found in the prefix cache.", float64(m.cached))
	p.one("counter", "vllm:generation_tokens_total", "Tokens produced.", float64(m.generated))
	p.family("counter", "vllm:request_success_total", "Requests that ended, by how.")
	p.value("vllm:request_success_total", `,finished_reason="stop"}`, float64(m.finished[stop]+m.finished[called]+m.finished[filtered])) // as vLLM counts tool calls
	p.value("vllm:request_success_total", `,finished_reason="length"}`, float64(m.finished[length]))
	p.value("vllm:request_success_total", `,finished_reason="abort"}`, float64(m.aborted))
	p.histogram("vllm:time_to_first_token_seconds", "From arrival to the first token.", m.ttft)
	p.histogram("vllm:time_per_output_token_seconds", "Between one token and the next.", m.gap)
	p.histogram("vllm:inter_token_latency_seconds", "Between one token and the next.", m.gap)
	p.histogram("vllm:request_time_per_output_token_seconds", "Mean gap of a request's tokens after the first.", m.tpot)
	p.histogram("vllm:e2e_request_latency_seconds", "From arrival to the last token.", m.e2e)
	p.family("gauge", "vllm:cache_config_info", "Size of the KV cache.")
	p.value("vllm:cache_config_info", fmt.Sprintf(`,block_size="%d",num_gpu_blocks="%d"}`, s.spec.BlockTokens, s.spec.KVTokens/max(1, s.spec.BlockTokens)), 1)
	p.family("gauge", "DCGM_FI_DEV_GPU_UTIL", "GPU utilisation, in per cent.")
	for gpu := range s.o.TP {
		p.plain("DCGM_FI_DEV_GPU_UTIL", fmt.Sprintf(`{gpu="%d",modelName=%s}`, gpu, quoted(s.o.GPU)), 100*m.gpuUse)
	}
	w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
	_, _ = w.Write([]byte(p.String()))
}

// page writes the text format.
type page struct {
	strings.Builder
	label string // of every series, open for more
}

func (p *page) family(kind, name, help string) {
	fmt.Fprintf(p, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, kind)
}

func (p *page) one(kind, name, help string, v float64) {
	p.family(kind, name, help)
	p.value(name, "}", v)
}

func (p *page) value(name, labels string, v float64) { p.plain(name, p.label+labels, v) }

func (p *page) plain(name, labels string, v float64) {
	p.WriteString(name + labels + " " + strconv.FormatFloat(v, 'g', -1, 64) + "\n")
}

func (p *page) histogram(name, help string, h histogram) {
	p.family("histogram", name, help)
	var below uint64
	for i, n := range h.counts {
		below += n
		le := "+Inf"
		if i < len(h.bounds) {
			le = strconv.FormatFloat(h.bounds[i], 'g', -1, 64)
		}
		p.value(name+"_bucket", `,le="`+le+`"}`, float64(below))
	}
	p.value(name+"_sum", "}", h.sum)
	p.value(name+"_count", "}", float64(below))
}

// quoted is a label value in the text format.
func quoted(v string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`).Replace(v) + `"`
}
