package engine

import (
	"strings"
	"testing"
)

func gpuNamed(t *testing.T, name string) *GPU {
	t.Helper()
	pg, err := catalogue(t).GPU(name)
	if err != nil {
		t.Fatal(err)
	}
	g, err := NewGPU(pg)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// Over PCIe an exchange takes longer than over NVLink, longer with more GPUs,
// longer for more data and over a slower link; at any size.
func TestExchangesOverPCIeFollowTheLink(t *testing.T) {
	linked, apart := gpuNamed(t, "H100-SXM-80GB"), gpuNamed(t, "H100-SXM-80GB")
	apart.NVLink = false
	slow := *apart
	slow.PCIeGB = apart.PCIeGB / 2
	for _, elements := range []float64{1, 8192, 1 << 17, 1 << 21, 1 << 25} {
		for _, n := range []int{2, 4, 8} {
			fast, over := linked.allReduce(n, elements), apart.allReduce(n, elements)
			if over <= fast || slow.allReduce(n, elements) < over || apart.allReduce(n, 2*elements) < over {
				t.Errorf("%d GPUs, %g elements: NVLink %.3g s, PCIe %.3g s, at half the speed %.3g s", n, elements, fast, over, slow.allReduce(n, elements))
			}
			if n > 2 && over <= apart.allReduce(n/2, elements) {
				t.Errorf("%d GPUs exchange %g elements as fast as %d", n, elements, n/2)
			}
		}
	}
}

func TestFourBridgedCardsExchangeOverPCIe(t *testing.T) {
	g := gpuNamed(t, "H100-NVL-94GB")
	if !g.linked(2) || g.linked(4) {
		t.Errorf("linked: two %t, four %t", g.linked(2), g.linked(4))
	}
	if g.allReduce(4, 1<<21) < 5*g.allReduce(2, 1<<21) {
		t.Error("four exchange as if a bridge joined them")
	}
}

// Two GeForce cards exchange through the host: NCCL's latency instead of the
// kernel that reads the other's memory.
func TestCardsThatCannotReadEachOtherPayNCCLsLatency(t *testing.T) {
	geforce, l40s := gpuNamed(t, "RTX 4090"), gpuNamed(t, "L40S")
	if d := geforce.allReduce(2, 8192) - l40s.allReduce(2, 8192); d < 5e-6 || d > 8e-6 {
		t.Errorf("%.1f microseconds more than with peers, want 6.4", d*1e6)
	}
}

func TestAnInferredExchangeIsSaidToBe(t *testing.T) {
	f := func(gpu string, tp int, want string) {
		t.Helper()
		if have := gpuNamed(t, gpu).inferred(tp); !strings.Contains(have, want) || (want == "") != (have == "") {
			t.Errorf("%d x %s: %q, want %q", tp, gpu, have, want)
		}
	}
	f("H100-SXM-80GB", 8, "")
	f("L40S", 4, "")
	f("T4", 1, "")
	f("T4", 2, "inferred from 2 x L40S over PCIe, scaled from 32 to 16 GB/s")
	f("H100-NVL-94GB", 2, "scaled from 450 to 300 GB/s")
	f("H100-NVL-94GB", 4, "inferred from 4 x L40S over PCIe, scaled from 32 to 64 GB/s")
}
