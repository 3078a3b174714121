package fit

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// fewest finds the optimum by trying every assignment.
func fewest(size bins, shards []Share) int {
	best := len(shards)
	var open []*bin
	var place func(i int)
	place = func(i int) {
		if i == len(shards) {
			best = min(best, len(open))
			return
		}
		for _, b := range open {
			if b.takes(shards[i], size) {
				b.push(shards[i])
				place(i + 1)
				b.pop()
			}
		}
		b := &bin{}
		b.push(shards[i])
		open = append(open, b)
		place(i + 1)
		open = open[:len(open)-1]
	}
	place(0)
	return best
}

func drawShards(t *rapid.T, most int) (bins, []Share) {
	size := bins{memory: 80, compute: 7}
	n := rapid.IntRange(0, most).Draw(t, "n")
	var out []Share
	for i := range n {
		// Two shards of one replica now and then: they may not share a GPU.
		out = append(out, Share{Name: fmt.Sprint(i / 2), Replica: rapid.IntRange(1, 2).Draw(t, "replica"), Shard: 1,
			memory: int64(rapid.IntRange(1, 80).Draw(t, "memory")), compute: rapid.IntRange(0, 4).Draw(t, "compute")})
	}
	return size, out
}

func TestSmallPackingsAreOptimal(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		size, shards := drawShards(t, 7)
		gpus, optimal := size.pack(shards)
		if want := fewest(size, shards); len(gpus) != want || !optimal {
			t.Fatalf("have %d GPUs (optimal %v), brute force has %d", len(gpus), optimal, want)
		}
	})
}

func TestEveryShardIsPlacedOnceAndNoGPUIsOverfull(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		size, shards := drawShards(t, 60)
		gpus, _ := size.pack(shards)
		placed := 0
		for _, g := range gpus {
			b := &bin{}
			for _, s := range g {
				if !b.takes(s, size) {
					t.Fatalf("%+v does not fit beside %+v", s, b.shares)
				}
				b.push(s)
				placed++
			}
		}
		if placed != len(shards) || len(gpus) < size.least(shards) {
			t.Fatalf("%d of %d placed on %d GPUs, least %d", placed, len(shards), len(gpus), size.least(shards))
		}
	})
}

func TestFirstFitKeepsItsBound(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		size := bins{memory: 1000, compute: 1 << 30}
		var shards []Share
		for i := range rapid.IntRange(0, 10).Draw(t, "n") {
			shards = append(shards, Share{Name: fmt.Sprint(i), Replica: 1, Shard: 1, memory: int64(rapid.IntRange(1, 1000).Draw(t, "memory"))})
		}
		optimum := fewest(size, shards)
		gpus, _ := size.pack(shards)
		if 9*len(gpus) > 11*optimum+6 {
			t.Fatalf("%d GPUs, optimum %d", len(gpus), optimum)
		}
	})
}

var a100 = GPU{Name: "A100-SXM-80GB", Total: gibs(79.25), SM: 8, Fast: true, BF16: true}

func item(t *testing.T, name string, replicas int) Item {
	t.Helper()
	m, q := model(t, name)
	return Item{Name: name, Model: m, Replicas: replicas, Setup: Setup{Quant: q, Context: min(4096, m.MaxContext), Concurrency: 4, MaxSeqs: 16, BatchTokens: 2048}}
}

func TestSmallModelsShareAGPU(t *testing.T) {
	p, err := Pack(a100, []Item{item(t, "BAAI/bge-m3", 2), item(t, "Qwen/Qwen3-0.6B", 2), item(t, "meta-llama/Llama-3.1-8B", 2)}, 0.05, false)
	if err != nil {
		t.Fatal(err)
	}
	if len(p.GPUs) != 1 || !p.Optimal {
		t.Errorf("%d GPUs, optimal %v: %+v", len(p.GPUs), p.Optimal, p.GPUs)
	}
}

func TestMIGSlicesAreTheSmallestThatHold(t *testing.T) {
	p, err := Pack(a100, []Item{item(t, "BAAI/bge-m3", 7), item(t, "meta-llama/Llama-3.1-8B", 1)}, 0.05, true)
	if err != nil {
		t.Fatal(err)
	}
	kinds := map[string]string{}
	for _, g := range p.GPUs {
		for _, s := range g {
			kinds[s.Name] = s.Slice
		}
	}
	if kinds["BAAI/bge-m3"] != "1g.10gb" || kinds["meta-llama/Llama-3.1-8B"] != "2g.20gb" || len(p.GPUs) != 2 {
		t.Errorf("%v on %d GPUs", kinds, len(p.GPUs))
	}
}

func TestPackingSaysWhatIsImpossible(t *testing.T) {
	f := func(gpu GPU, it Item, mig bool, want string) {
		t.Helper()
		_, err := Pack(gpu, []Item{it}, 0.05, mig)
		if err == nil || !strings.Contains(err.Error(), want) || !(errors.Is(err, ErrLayout) || errors.Is(err, ErrSetup)) {
			t.Errorf("have %v, want %q", err, want)
		}
	}
	big := item(t, "meta-llama/Llama-3.1-70B", 1)
	f(a100, big, false, "needs")
	big.Setup.TP = 2
	f(a100, big, true, "MIG slices cannot communicate")
	f(GPU{Name: "T4", Total: gibs(14.56)}, item(t, "BAAI/bge-m3", 1), true, "has no MIG")
	f(a100, item(t, "BAAI/bge-m3", 100000), false, "replicas")
	over, err := Pack(a100, nil, 2, false)
	if err == nil {
		t.Errorf("headroom 2 accepted: %+v", over)
	}
}

func TestTensorParallelShardsTakeDifferentGPUs(t *testing.T) {
	it := item(t, "meta-llama/Llama-3.1-8B", 1)
	it.Setup.TP = 4
	p, err := Pack(a100, []Item{it}, 0, false)
	if err != nil || len(p.GPUs) != 4 || !p.Optimal {
		t.Errorf("%v %+v", err, p)
	}
}

// Triton serves several models of one GPU from one process each, beside others.
func TestTritonModelsShareAGPU(t *testing.T) {
	var items []Item
	for _, name := range []string{"BAAI/bge-m3", "BAAI/bge-reranker-v2-m3", "google/vit-base-patch16-224", "openai/whisper-small"} {
		it := item(t, name, 1)
		it.Setup.Engine = Engine{Name: "triton"}
		items = append(items, it)
	}
	t4 := GPU{Name: "T4", Total: gibs(14.56), SM: 7.5}
	p, err := Pack(t4, items, 0.1, false)
	if err != nil || len(p.GPUs) != 1 {
		t.Fatal(err, p)
	}
	for _, s := range p.GPUs[0] {
		if need := gib(s.Bytes); need < 0.3 || need > 3 {
			t.Errorf("%s needs %.2f GiB", s.Name, need)
		}
	}
}

// The device plugin names a slice by its profile: a pod that asks for a name that
// does not exist waits for ever. The names are those of NVIDIA's MIG user guide.
func TestSlicesHaveNVIDIAsNames(t *testing.T) {
	for gpu, want := range map[string]string{
		"A100-SXM-40GB": "1g.5gb 2g.10gb 3g.20gb 7g.40gb", "H100-SXM-80GB": "1g.10gb 2g.20gb 3g.40gb 7g.80gb",
		"H100-NVL-94GB": "1g.12gb 2g.24gb 3g.47gb 7g.94gb", "GH200-96GB": "1g.12gb 2g.24gb 3g.48gb 7g.96gb",
		"H200-SXM-141GB": "1g.18gb 2g.35gb 3g.71gb 7g.141gb", "B200-SXM-180GB": "1g.23gb 2g.45gb 3g.90gb 7g.180gb",
	} {
		var have []string
		for _, bytes := range []int64{1, 2, 4, 8} { // eighths of its memory
			s, err := slice(GPU{Name: gpu, Total: 64}, Share{Bytes: 8*bytes - 1}, 0)
			if err != nil {
				t.Fatal(err)
			}
			have = append(have, s.Slice)
		}
		if strings.Join(have, " ") != want {
			t.Errorf("%s: %s, want %s", gpu, strings.Join(have, " "), want)
		}
	}
}
