package engine

import (
	"fmt"
	"regexp"
)

// Exchanges between GPUs. Where they are linked all to all (NVLink, Infinity
// Fabric) the curves are those measured on the family. Over PCIe they are one
// measured machine's, L40S by L40S, whose part beyond the latency is scaled by
// the speed of the link.

// pcieReduce is the all-reduce of 2, 4 and 8 L40S over PCIe 4.0, as Kernels
// has it for links. Two go through one switch at 0.59 of the link; more wait
// for each other between sockets, at 0.12 and 0.06 of it.
var pcieReduce = [3]reduceCurve{
	{6.22, 10.99, 18.05, 32.1, 60.25, 116.82, 229.41, 891.88, 3541.61, 14061.69},
	{17.51, 59.63, 115.58, 218.98, 360.6, 840.76, 1648.68, 6676.24, 27241.48, 108478.44},
	{27.37, 108.35, 207.08, 444.53, 582.65, 2079.95, 4014.5, 15805.88, 60072.98, 240073.73},
}

const (
	pcieMeasured = 32.0 // GB/s, one direction, of that machine's links
	// NCCL's latency with two GPUs: 10 microseconds and 2.5 for each further
	// rank, as the curves of 4 and 8, which NCCL made, have it. The curve of two
	// is vLLM's own kernel, which reads the other GPU's memory.
	ncclPair = 12.6e-6
)

// noPeers are cards whose driver does not let one read another's memory over
// PCIe: vLLM then leaves its own all-reduce for NCCL's (custom_all_reduce.py).
var noPeers = regexp.MustCompile(`^RTX [2-5]0[5-9]0`)

// bridges join two cards; four of them exchange over PCIe.
var bridges = regexp.MustCompile(`PCIe|NVL-|NVL$|^RTX`)

// linked says whether so many GPUs exchange over links faster than PCIe.
func (g *GPU) linked(n int) bool { return g.NVLink && (n <= 2 || !bridges.MatchString(g.Name)) }

// allReduce returns the time of one all-reduce of that many elements of two
// bytes between n GPUs.
func (g *GPU) allReduce(n int, elements float64) float64 {
	l := g.between(n)
	return l.allReduce(elements)
}

// link is what n GPUs of a kind exchange over. It is looked up once: a step's time
// is asked for a hundred thousand times a second.
type link struct {
	fast  bool // faster than PCIe
	curve *reduceCurve
	times float64 // slower than the curve's; 0: as fast
	more  float64 // seconds of each exchange
}

func (g *GPU) between(n int) link {
	if measured := g.Kernels.ReduceGB; g.linked(n) && measured > 0 {
		l := link{fast: true, curve: &g.Kernels.Reduce[ranks(n)]}
		if g.LinkGB > 0 && g.LinkGB < measured {
			l.times = measured / g.LinkGB
		}
		return l
	}
	l := link{fast: g.linked(n), curve: &pcieReduce[ranks(n)], times: pcieMeasured / max(g.pcie(), 1)}
	if n == 2 && noPeers.MatchString(g.Name) {
		l.more = ncclPair - l.curve[0]*1e-6
	}
	return l
}

func (l *link) allReduce(elements float64) float64 {
	if l.times == 0 {
		return l.curve.seconds(elements)
	}
	return l.curve.scaled(elements, l.times) + l.more
}

// scaled is the time over a link that many times slower: what exceeds the
// latency takes as much longer.
func (c *reduceCurve) scaled(elements, times float64) float64 {
	latency := c[0] * 1e-6
	return latency + (c.seconds(elements)-latency)*times
}

// pcie is the speed of the link in GB/s, that of PCIe 4.0 if not known.
func (g *GPU) pcie() float64 {
	if g.PCIeGB > 0 {
		return g.PCIeGB
	}
	return pcieMeasured
}

// ranks is the measured number of GPUs to take: 2, 4 or 8.
func ranks(n int) int {
	switch {
	case n <= 2:
		return 0
	case n <= 4:
		return 1
	}
	return 2
}

// inferred says what in the exchange of n GPUs was not measured on such a
// machine; "" if nothing.
func (g *GPU) inferred(n int) string {
	measured := g.Kernels.ReduceGB
	switch {
	case n < 2, g.Name == "L40S":
		return ""
	case g.linked(n) && measured > 0 && g.LinkGB > 0 && g.LinkGB < measured:
		return fmt.Sprintf("the exchange between %d x %s is inferred from that of the family's fastest links, scaled from %.0f to %.0f GB/s", n, g.Name, measured, g.LinkGB)
	case g.linked(n) && measured > 0:
		return ""
	}
	return fmt.Sprintf("the exchange between %d x %s is inferred from %d x L40S over PCIe, scaled from %.0f to %.0f GB/s", n, g.Name, 2<<ranks(n), pcieMeasured, g.pcie())
}

// exchange returns the time of two all-reduces of the hidden state per layer
// between the GPUs of a rank, and between ranks, per mixture layer, of a gather
// of every rank's tokens and a scatter of the experts' answers. These two
// together move as much as an all-reduce over all of them.
func (r *Roofline) exchange(tokens, total float64) float64 {
	k := r.gpu.Kernels
	hidden := float64(r.model.Hidden)
	t := 0.0
	if r.tp > 1 {
		once := r.inRank.allReduce(tokens * hidden)
		if tokens > graphTokens {
			once *= k.EagerReduce
		}
		t += 2 * float64(r.model.Layers) * once
	}
	if r.dp > 1 {
		const collectives = 3 // gather tokens, gather their routing, scatter answers
		latency := ncclLatency
		if !r.inAll.fast {
			latency = ncclLatencyPCIe
		}
		t += float64(r.model.moeLayers()) * (r.inAll.allReduce(total*hidden) + collectives*latency)
	}
	return t
}
