package fit

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"weir"
	"weir/price"
)

// Step is the work of one forward step.
type Step struct {
	Prefill int // prompt tokens
	Decode  int // sequences that get one token more
	KV      int // tokens they hold in the cache
}

// Speed gives the duration of steps for a model and setup; link connects the
// GPUs of one replica. On an error the candidate is skipped and the error
// reported.
type Speed func(m Model, s Setup, link price.Link) (func(Step) time.Duration, error)

// Does is the requests per second one replica of that setup serves within the
// load's SLO: 0 if not even one request meets it. nil: an estimate.
type Does func(m Model, s Setup, link price.Link, l Load) (float64, error)

// Load is the load to serve.
type Load struct {
	SLO      weir.SLO
	Rate     float64 // requests a second
	In, Out  int     // tokens of a request, mean
	Headroom float64 // share of the capacity kept free; 0: 0.2
}

func (l Load) validate() error {
	if !(l.Rate > 0 && l.Rate < 1e9) || l.In < 1 || l.Out < 1 || l.In+l.Out > maxTokens || l.Headroom < 0 || l.Headroom >= 1 {
		return fmt.Errorf("%w: load of %g requests a second, %d tokens in, %d out, headroom %g: rate and tokens must be above 0, headroom 0 to 1", ErrSetup, l.Rate, l.In, l.Out, l.Headroom)
	}
	return nil
}

// Option is one way to serve a load, on one VM size.
type Option struct {
	VM       string     `json:"vm"`
	GPU      string     `json:"gpu"`
	TP       int        `json:"tp"`
	PP       int        `json:"pp"`
	Quant    string     `json:"quant"`
	Replicas int        `json:"replicas"`
	VMs      int        `json:"vms"`
	GPUs     int        `json:"gpus"`                            // of all VMs
	Batch    int        `json:"batch"`                           // sequences at once in a replica at its limit
	Capacity float64    `json:"replica_rps"`                     // requests a second one replica serves within the SLO
	Estimate bool       `json:"replica_rps_estimated,omitempty"` // computed from one step, not found by simulating requests
	Used     float64    `json:"utilisation"`                     // of the capacity of all replicas
	TTFT     float64    `json:"ttft_s"`                          // at that load
	TPOT     float64    `json:"tpot_s"`
	Hour     weir.Money `json:"hour_dollars"`           // of all VMs; 0 with PriceKnown false: unknown
	Million  weir.Money `json:"million_tokens_dollars"` // prompt and answer tokens
	Known    bool       `json:"price_known"`
	VCPUs    int        `json:"vcpus"`         // quota needed
	Managed  int        `json:"managed_vcpus"` // quota as managed online endpoint
	Family   string     `json:"quota_family,omitempty"`
	Binds    string     `json:"binds"` // what limits a replica: ttft, tpot, memory
	Source   string     `json:"price_source,omitempty"`
	Warnings []string   `json:"warnings,omitempty"`
	About    []string   `json:"about,omitempty"` // of the times: their measured error, and what is inferred
	source   price.Source
}

// Search tries a model on every VM size of the catalogue with every tensor
// parallelism it divides by, and ranks those that meet the SLO: cheapest first,
// sizes without a known price last. rejected says why the others do not. now
// decides which prices are old.
func Search(c *price.Catalogue, m Model, s Setup, l Load, region string, now weir.Instant, speed Speed, does Does) (options []Option, rejected []string, err error) {
	if region != "" {
		found, err := c.Region(region)
		if err != nil {
			return nil, nil, fmt.Errorf("fit: %w", err)
		}
		region = found.Name
	}
	s.GPU.Total = GiB // of each size in turn, below
	if err := errors.Join(m.validate(), s.validate(), l.validate()); err != nil {
		return nil, nil, err
	}
	l.Headroom = cmp.Or(l.Headroom, 0.2)
	for _, vm := range c.VMs() {
		pg, err := c.GPU(vm.GPU)
		if err != nil {
			return nil, nil, err
		}
		gpu, err := NewGPU(pg)
		if err != nil {
			rejected = append(rejected, vm.Name+": "+err.Error())
			continue
		}
		gpu = gpu.Part(vm.Share())
		for _, layout := range layouts(vm.GPUs) {
			t := s
			t.GPU, t.TP, t.PP, t.Context, t.Concurrency = gpu, layout[0], layout[1], l.In+l.Out, 1
			o, err := consider(m, t, l, vm.Interconnect, speed, does)
			if err != nil {
				rejected = append(rejected, fmt.Sprintf("%s tp %d pp %d: %v", vm.Name, layout[0], layout[1], err))
				continue
			}
			cost(c, &o, vm, l, region)
			warn(&o, vm, now)
			options = append(options, o)
		}
	}
	slices.SortStableFunc(options, func(a, b Option) int {
		if a.Known != b.Known {
			if a.Known {
				return -1
			}
			return 1
		}
		return cmp.Or(cmp.Compare(a.Hour, b.Hour), cmp.Compare(a.GPUs, b.GPUs), cmp.Compare(a.TP, b.TP), cmp.Compare(a.PP, b.PP))
	})
	return options, rejected, nil
}

// layouts are tensor times pipeline parallelisms of powers of two within one VM.
func layouts(gpus int) [][2]int {
	var out [][2]int
	for tp := 1; tp <= gpus; tp *= 2 {
		for pp := 1; tp*pp <= gpus; pp *= 2 {
			out = append(out, [2]int{tp, pp})
		}
	}
	return out
}

// consider sizes one candidate: the largest batch that meets the SLO, and the
// number of such replicas the load needs.
func consider(m Model, s Setup, l Load, link price.Link, speed Speed, does Does) (Option, error) {
	s, err := prepare(&m, s)
	if err != nil {
		return Option{}, err
	}
	a := check(&m, s)
	if !a.Verdict.Serves() {
		return Option{}, errors.New(a.Why)
	}
	step, err := speed(m, s, link)
	if err != nil {
		return Option{}, err
	}
	most := min(a.MaxConcurrent, s.MaxSeqs)
	meets := func(n int) bool { return within(l, at(l, s, step, n)) == "" }
	if !meets(1) {
		p := at(l, s, step, 1)
		return Option{}, fmt.Errorf("one request alone has ttft %.2f s and tpot %.0f ms: misses %s", p.ttft, p.tpot*1000, within(l, p))
	}
	lo, hi := 1, most
	for lo < hi {
		mid := (lo + hi + 1) / 2
		if meets(mid) {
			lo = mid
		} else {
			hi = mid - 1
		}
	}
	p := at(l, s, step, lo)
	binds := "memory"
	if lo < most {
		binds = within(l, at(l, s, step, lo+1))
	} else if most == s.MaxSeqs {
		binds = "batch"
	}
	estimate, err := played(&p, m, s, l, link, does)
	if err != nil {
		return Option{}, err
	}
	replicas := int(min(math.Ceil(l.Rate/(p.rate*(1-l.Headroom))), 1e9))
	o := Option{GPU: s.GPU.Name, TP: s.TP, PP: s.PP, Quant: s.Quant.Name, Replicas: replicas, Batch: lo, Capacity: p.rate, Used: l.Rate / (float64(replicas) * p.rate), Binds: binds, Estimate: estimate}
	for _, n := range a.Notes {
		if !strings.HasPrefix(n, "tensor parallel") { // warn reports the size's own links
			o.Warnings = append(o.Warnings, n)
		}
	}
	busy := at(l, s, step, max(1, int(float64(lo)*o.Used)))
	o.TTFT, o.TPOT = busy.ttft, busy.tpot
	return o, nil
}

// played replaces the estimate by a replica's simulated rate within the SLO. It
// returns true if the estimate stays: in a pipeline, and without an objective
// for the first token.
func played(p *point, m Model, s Setup, l Load, link price.Link, does Does) (estimate bool, err error) {
	if does == nil || s.PP > 1 || l.SLO.TTFT == 0 {
		return true, nil
	}
	rate, err := does(m, s, link, l)
	if err == nil && rate == 0 {
		err = errors.New("even one request at a time misses the SLO")
	}
	p.rate = rate
	return false, err
}

// point is a replica in its steady state with n sequences at once.
type point struct {
	rate       float64 // requests a second
	ttft, tpot float64 // seconds
}

// at: each of n sequences stays Out steps, so n/Out begin in every step and
// bring n x In / Out prompt tokens with them; all hold In + Out/2 tokens on
// average. A prompt is computed in chunks beside the others' decoding. It waits
// half a step for its turn, and behind other prompts as in a queue with one
// server of fixed service time (Pollaczek-Khinchine: rho/(2(1-rho)) of a
// service). A pipeline has a batch of n/PP in each stage at a time: a step of
// it passes all layers, as it would on the GPUs of one stage.
func at(l Load, s Setup, step func(Step) time.Duration, n int) point {
	batch := (n + s.PP - 1) / s.PP
	chunk := max(s.BatchTokens-batch, 1)
	prefill := float64(batch) * float64(l.In) / float64(l.Out)
	each := l.In + l.Out/2
	t := step(Step{Prefill: min(int(math.Ceil(prefill)), chunk), Decode: batch, KV: batch * each}).Seconds()
	t *= max(1, prefill/float64(chunk)) // more prompt tokens than a step takes: decoding waits
	chunks := (l.In + chunk - 1) / chunk
	own := float64(chunks) * step(Step{Prefill: min(l.In, chunk), Decode: batch - 1, KV: (batch - 1) * each}).Seconds()
	rate := float64(n) / (float64(l.Out)*t + own)
	rho := min(rate*own/float64(s.PP), 0.999)
	return point{rate: rate, tpot: t, ttft: t/2 + own + rho/(2*(1-rho))*own}
}

// within names the objective that is missed, "" for none.
func within(l Load, p point) string {
	if l.SLO.TTFT > 0 && p.ttft > l.SLO.TTFT.Seconds() {
		return "ttft"
	}
	if l.SLO.TPOT > 0 && p.tpot > l.SLO.TPOT.Seconds() {
		return "tpot"
	}
	return ""
}

// cost counts the VMs, their cost and the quota they need.
func cost(c *price.Catalogue, o *Option, vm price.VM, l Load, region string) {
	per := max(vm.GPUs/(o.TP*o.PP), 1)
	o.VM = vm.Name
	o.VMs = (o.Replicas + per - 1) / per
	o.GPUs = o.VMs * vm.GPUs
	o.VCPUs, o.Family = o.VMs*vm.VCPUs, vm.Family
	o.Managed = o.VCPUs
	if service, err := c.Service("managed_online"); err == nil && service.QuotaFactor.Known() {
		o.Managed = int(math.Ceil(float64(o.VMs)*service.QuotaFactor.Value())) * vm.VCPUs
	}
	p, err := c.VMPrice(vm.Name, region)
	if err != nil || !p.Hour.Known() {
		return
	}
	o.Known, o.source = true, p.Hour.From()
	o.Source = o.source.String()
	o.Hour = p.Hour.Amount() * weir.Money(o.VMs)
	tokens := l.Rate * 3600 * float64(l.In+l.Out) / 1e6
	o.Million = weir.Money(math.Round(float64(o.Hour) / tokens))
}

func warn(o *Option, vm price.VM, now weir.Instant) {
	add := func(format string, args ...any) { o.Warnings = append(o.Warnings, fmt.Sprintf(format, args...)) }
	switch {
	case o.TP > 1 && vm.Interconnect == price.PCIe:
		add("tensor parallel %d over PCIe: every layer waits for two all-reduces", o.TP)
	case o.TP > 2 && vm.Interconnect == price.NVLinkPairs:
		add("tensor parallel %d, but NVLink joins pairs: the rest goes over PCIe", o.TP)
	case o.TP > 1 && vm.Interconnect == "":
		add("how the GPUs of %s are connected is not in the catalogue", vm.Name)
	}
	family := o.Family
	if family == "" {
		family = "a family the catalogue does not name"
	}
	add("needs quota for %d vCPUs of %s; as managed online endpoint %d (20 %% of the instances are kept for upgrades)", o.VCPUs, family, o.Managed)
	if vm.Share() < 1 {
		add("%s", PartOf(vm))
	}
	if o.Estimate && o.PP > 1 {
		add("the throughput of a pipeline of %d is estimated from one step; without pipelines it is simulated", o.PP)
	}
	if o.Known && o.source.Stale(now) {
		add("its price is older than 90 days, or of unknown age: %s%s", o.source, renewed(o.source))
	}
	if !o.Known {
		add("the price of %s is not in the catalogue: weir price update, or your price file", vm.Name)
	}
}

// renewed says how to renew an old price, if an update can.
func renewed(s price.Source) string {
	if s.Renewed() {
		return "; weir price update renews it"
	}
	return ""
}

// PartOf states the assumptions about a size with a part of a GPU.
func PartOf(vm price.VM) string {
	return fmt.Sprintf("%s holds %.3g of a GPU: counted as that share of its memory, compute and bandwidth, which is not measured", vm.Name, vm.Share())
}
