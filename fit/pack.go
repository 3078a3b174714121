package fit

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"math/bits"
	"slices"
)

// Item is a model to place, with its number of replicas. Its Setup's GPU is the
// one to pack; MaxSeqs bounds the memory its engine reserves.
type Item struct {
	Name     string
	Model    Model
	Setup    Setup
	Replicas int
}

// Share is a replica's part of one GPU.
type Share struct {
	Name    string  `json:"name"`
	Replica int     `json:"replica"`       // from 1
	Shard   int     `json:"shard"`         // of a tensor parallel replica, from 1
	Bytes   int64   `json:"bytes"`         // its demand
	Slice   string  `json:"mig,omitempty"` // MIG profile, when sliced
	Part    float64 `json:"share_of_gpu"`  // the engine's utilisation setting
	compute int     // MIG compute slices
	memory  int64   // bytes, or MIG memory slices
}

// On is the GPU that a replica in the share's MIG slice has: that part of a whole
// one.
func (s Share) On(whole GPU) GPU {
	if s.Slice == "" {
		return whole
	}
	return whole.Part(float64(s.memory) / 8)
}

// Packing is a placement on the fewest GPUs found.
type Packing struct {
	GPU      string    `json:"gpu"`
	GPUs     [][]Share `json:"gpus"`
	Least    int       `json:"least"`   // no placement has fewer
	Optimal  bool      `json:"optimal"` // proven
	Headroom float64   `json:"headroom"`
	MIG      bool      `json:"mig"`
}

// maxPacked bounds the shards of one packing; up to exactUpTo shards it is
// optimal.
const (
	maxPacked = 4096
	exactUpTo = 14
	maxNodes  = 2_000_000 // of the exact search
)

// Pack places models on the fewest GPUs. Up to 14 shards the placement is
// optimal; above it is first-fit decreasing, which takes at most 11/9 of the
// optimum and 6/9 of a GPU more if no replica spans several GPUs (Dosa 2007),
// and Least bounds the distance from the optimum. With mig, each gets its own
// MIG slice; otherwise models share a GPU's memory.
func Pack(gpu GPU, items []Item, headroom float64, mig bool) (Packing, error) {
	p := Packing{GPU: gpu.Name, Headroom: headroom, MIG: mig}
	if !(headroom >= 0 && headroom < 1) {
		return p, fmt.Errorf("%w: headroom is %g, must be 0 to 1", ErrSetup, headroom)
	}
	var shards []Share
	var faults []error
	for _, it := range items {
		more, err := it.shards(gpu, headroom, mig)
		faults = append(faults, err)
		if len(shards)+len(more) > maxPacked {
			return p, fmt.Errorf("%w: more than %d replicas and shards to pack; pack them in parts", ErrSetup, maxPacked)
		}
		shards = append(shards, more...)
	}
	if err := errors.Join(faults...); err != nil {
		return p, err
	}
	b := bins{memory: int64(float64(gpu.Total) * (1 - headroom)), compute: math.MaxInt32}
	if mig {
		b.memory, b.compute = 8, 7
	}
	p.GPUs, p.Optimal = b.pack(shards)
	p.Least = b.least(shards)
	if p.Optimal {
		p.Least = len(p.GPUs)
	}
	p.Optimal = p.Optimal || p.Least == len(p.GPUs)
	return p, nil
}

// Demand is the memory a replica needs on one GPU: weights, workspace, context,
// graphs, and the cache for the requests asked for.
func Demand(m Model, s Setup) (int64, error) {
	s.Utilisation = 1
	s, err := prepare(&m, s)
	if err != nil {
		return 0, err
	}
	a := check(&m, s)
	b := a.Stages[a.Tight]
	need := b.Need() + a.PerRequest*int64(s.Concurrency)
	if !b.GraphsIn {
		need += b.Graphs
	}
	if s.Engine.traits().claims {
		need += ownContext(s) // each process has its own context
	}
	return need, nil
}

func (it Item) shards(gpu GPU, headroom float64, mig bool) ([]Share, error) {
	if it.Replicas < 0 || it.Replicas > maxPacked {
		return nil, fmt.Errorf("%w: %s has %d replicas, must be 0 to %d", ErrSetup, it.Name, it.Replicas, maxPacked)
	}
	it.Setup.GPU = gpu
	bytes, err := Demand(it.Model, it.Setup)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", it.Name, err)
	}
	one := Share{Name: it.Name, Bytes: bytes, memory: bytes, compute: 1, Part: math.Ceil(1000*float64(bytes)/float64(gpu.Total)) / 1000}
	limit := int64(float64(gpu.Total) * (1 - headroom))
	if bytes > limit {
		return nil, fmt.Errorf("%w: %s needs %.2f GiB of each GPU, %s has %.2f after %.0f %% headroom; more tensor parallel, a narrower format or a larger GPU", ErrLayout, it.Name, gib(bytes), gpu.Name, gib(limit), 100*headroom)
	}
	if mig {
		if it.Setup.TP > 1 {
			return nil, fmt.Errorf("%w: %s is tensor parallel: MIG slices cannot communicate", ErrLayout, it.Name)
		}
		if one, err = slice(gpu, one, headroom); err != nil {
			return nil, err
		}
	}
	var out []Share
	for r := range it.Replicas {
		for k := range max(it.Setup.TP, 1) {
			one.Replica, one.Shard = r+1, k+1
			out = append(out, one)
		}
	}
	return out, nil
}

// profile is a MIG slice: compute slices of 7, memory slices of 8.
type profile struct {
	compute int
	memory  int64
}

var profiles = []profile{{1, 1}, {2, 2}, {3, 4}, {4, 4}, {7, 8}}

// migGPUs are the GPUs with MIG: the GB in the names of profiles with one, two,
// four and eight memory slices (NVIDIA MIG user guide, supported profiles). They
// are no multiples of each other: an H200 has 1g.18gb and 2g.35gb.
var migGPUs = map[string][4]int{
	"A100-SXM-40GB": {5, 10, 20, 40}, "A100-PCIe-80GB": {10, 20, 40, 80}, "A100-SXM-80GB": {10, 20, 40, 80},
	"H100-PCIe-80GB": {10, 20, 40, 80}, "H100-SXM-80GB": {10, 20, 40, 80}, "H100-NVL-94GB": {12, 24, 47, 94},
	"GH200-96GB": {12, 24, 48, 96}, "H200-SXM-141GB": {18, 35, 71, 141}, "B200-SXM-180GB": {23, 45, 90, 180},
}

// slice gives a share the smallest MIG profile that holds it.
func slice(gpu GPU, s Share, headroom float64) (Share, error) {
	gb, ok := migGPUs[gpu.Name]
	if !ok {
		return s, fmt.Errorf("%w: %s has no MIG; leave --mig out", ErrSetup, gpu.Name)
	}
	for _, p := range profiles {
		room := int64(float64(gpu.Total) / 8 * float64(p.memory) * (1 - headroom))
		if s.Bytes <= room {
			s.compute, s.memory = p.compute, p.memory
			s.Slice = fmt.Sprintf("%dg.%dgb", p.compute, gb[bits.Len64(uint64(p.memory))-1])
			s.Part = math.Ceil(1000*float64(s.Bytes)/(float64(gpu.Total)/8*float64(p.memory))) / 1000
			return s, nil
		}
	}
	return s, fmt.Errorf("%w: %s needs %.2f GiB, more than a whole %s", ErrLayout, s.Name, gib(s.Bytes), gpu.Name)
}

// bins are GPUs of one size.
type bins struct {
	memory  int64
	compute int
}

// bin is a GPU being filled.
type bin struct {
	memory  int64
	compute int
	shares  []Share
}

// takes reports whether a share fits, and is no second shard of a replica.
func (b *bin) takes(s Share, size bins) bool {
	if b.memory+s.memory > size.memory || b.compute+s.compute > size.compute {
		return false
	}
	for _, o := range b.shares {
		if o.Name == s.Name && o.Replica == s.Replica {
			return false
		}
	}
	return true
}

func (b *bin) push(s Share) {
	b.memory, b.compute, b.shares = b.memory+s.memory, b.compute+s.compute, append(b.shares, s)
}

func (b *bin) pop() {
	s := b.shares[len(b.shares)-1]
	b.memory, b.compute, b.shares = b.memory-s.memory, b.compute-s.compute, b.shares[:len(b.shares)-1]
}

func (size bins) pack(shards []Share) (gpus [][]Share, optimal bool) {
	shards = slices.Clone(shards)
	slices.SortStableFunc(shards, func(a, b Share) int {
		return cmp.Or(cmp.Compare(b.memory, a.memory), cmp.Compare(b.compute, a.compute), cmp.Compare(a.Name, b.Name))
	})
	best := size.firstFit(shards)
	if len(shards) > exactUpTo || len(best) <= size.least(shards) {
		return best, len(best) <= size.least(shards)
	}
	e := exact{size: size, shards: shards, best: best, least: size.least(shards)}
	e.place(0)
	return e.best, e.nodes < maxNodes
}

func (size bins) firstFit(shards []Share) [][]Share {
	var open []*bin
next:
	for _, s := range shards {
		for _, b := range open {
			if b.takes(s, size) {
				b.push(s)
				continue next
			}
		}
		b := &bin{}
		b.push(s)
		open = append(open, b)
	}
	return shares(open)
}

func shares(open []*bin) [][]Share {
	var out [][]Share
	for _, b := range open {
		out = append(out, slices.Clone(b.shares))
	}
	return out
}

// least is a number no placement can go below: all memory, all compute, the
// shards of the widest replica, and shards of more than half a GPU.
func (size bins) least(shards []Share) int {
	var memory int64
	compute, widest, large := 0, 0, 0
	for _, s := range shards {
		memory, compute, widest = memory+s.memory, compute+s.compute, max(widest, s.Shard)
		if 2*s.memory > size.memory {
			large++
		}
	}
	byMemory := int((memory + size.memory - 1) / max(size.memory, 1))
	byCompute := (compute + size.compute - 1) / size.compute
	return max(byMemory, byCompute, widest, large)
}

// exact tries every placement, largest shards first, and cuts those that
// cannot beat the best.
type exact struct {
	size   bins
	shards []Share
	open   []*bin
	best   [][]Share
	least  int
	nodes  int
}

func (e *exact) place(i int) {
	if e.nodes++; e.nodes >= maxNodes || len(e.open) >= len(e.best) || len(e.best) <= e.least {
		return
	}
	if i == len(e.shards) {
		e.best = shares(e.open)
		return
	}
	s := e.shards[i]
	for _, b := range e.open {
		if !b.takes(s, e.size) {
			continue
		}
		b.push(s)
		e.place(i + 1)
		b.pop()
	}
	if len(e.open)+1 < len(e.best) {
		b := &bin{}
		b.push(s)
		e.open = append(e.open, b)
		e.place(i + 1)
		e.open = e.open[:len(e.open)-1]
	}
}
