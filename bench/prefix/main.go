// Command prefix shows what routing by the beginning of the prompt is worth on
// multi-turn traffic: beside the least work and a consistent hash, in the
// simulator and before real gateways with emulated replicas.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"time"

	"weir/sim"
	"weir/trace"
)

func main() {
	traces := flag.String("traces", "", "`folder` of mooncake_conv.csv.gz and mooncake_synthetic.csv.gz")
	out := flag.String("out", "", "write the report to this `file` (default: print it)")
	binary := flag.String("weir", "", "`path` of weir: plays the trace at real gateways too")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, *traces, *out, *binary); err != nil {
		fmt.Fprintln(os.Stderr, "prefix:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, traces, out, binary string) error {
	var report strings.Builder
	report.WriteString(head)
	for _, w := range workloads {
		arrivals, err := read(filepath.Join(traces, w.name+".csv.gz"))
		if err != nil {
			return err
		}
		if err := simulated(ctx, &report, w, arrivals); err != nil {
			return err
		}
	}
	if binary != "" {
		arrivals, err := read(filepath.Join(traces, workloads[0].name+".csv.gz"))
		if err != nil {
			return err
		}
		if err := live(ctx, &report, binary, arrivals); err != nil {
			return err
		}
	}
	if out == "" {
		_, err := os.Stdout.WriteString(report.String())
		return err
	}
	return os.WriteFile(out, []byte(report.String()), 0o644)
}

func read(path string) ([]trace.Arrival, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	r, err := trace.NewReader(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return trace.ReadAll(r)
}

const block = 512 // tokens of one id of these traces (Mooncake, FAST 2025)

// ideal is the share of prompt tokens that a cache without end, known to all
// replicas, would have.
func ideal(as []trace.Arrival) float64 {
	seen := map[uint64]bool{}
	cached, prompt := 0, 0
	for _, a := range as {
		prompt += a.Prompt
		known := true
		for _, id := range a.Prefix {
			known = known && seen[id]
			if known {
				cached += block
			}
			seen[id] = true
		}
	}
	return float64(min(cached, prompt)) / float64(prompt)
}

// contenders are the ways to choose a replica, the two that are compared with
// last before Weir's.
var contenders = []struct {
	name string
	by   sim.Affinity
}{
	{"least work", sim.Affinity{}},
	{"consistent hash of 1 block", sim.Affinity{Leading: 1}},
	{"consistent hash of 2 blocks", sim.Affinity{Leading: 2}},
	{"consistent hash of 4 blocks", sim.Affinity{Leading: 4}},
	{"consistent hash of 8 blocks", sim.Affinity{Leading: 8}},
	{"**Weir, by prefix**", sim.Affinity{Block: block}},
}

var workloads = []struct {
	name string
	slo  sim.SLO
}{
	{"mooncake_conv", sim.SLO{TTFT: 30 * time.Second, TPOT: 200 * time.Millisecond}},
	{"mooncake_synthetic", sim.SLO{TTFT: 30 * time.Second, TPOT: 200 * time.Millisecond}},
}

const head = `# Prompts with a shared prefix

Written by ` + "`make build && cd bench/prefix && go run . -traces DIR -weir ../../bin/weir -out ../../docs/benchmarks/prefix.md`" + `.

Multi-turn traffic (Mooncake, FAST 2025, Apache-2.0; ids of 512-token blocks) on a
fixed number of replicas of Llama-3.3-70B on 4 x A100, at most 64 requests each.
Each replica's engine keeps a prefix cache in the unused part of its KV cache.

- **least work**: the replica with the least outstanding work.
- **consistent hash**: rendezvous hashing of the first blocks, with a bound on how
  much more load the chosen replica may have than the least loaded one. Weir with
  affinity: session does this, and other routers do it with the first part of a prompt.
- **Weir, by prefix** (affinity: prefix): the replica with the least prefill before
  the first token; the part of its own prompt that the replica has probably not cached
  counts twice ([decision 12](../decisions/0012-prompts-that-begin-alike.md)).

Reuse is the share of prompt tokens found in a prefix cache; "possible" is that of
a single unlimited cache shared by all replicas. Attained: first token within 30 s, 200 ms
for each token after it.
`
