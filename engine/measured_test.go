package engine

import (
	"encoding/csv"
	"math"
	"os"
	"slices"
	"strconv"
	"testing"

	"weir"
	"weir/price"
)

// rows reads a CSV file with a header into maps by column.
func rows(t testing.TB, path string) []map[string]string {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	all, err := csv.NewReader(f).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	var list []map[string]string
	for _, fields := range all[1:] {
		row := make(map[string]string)
		for i, name := range all[0] {
			row[name] = fields[i]
		}
		list = append(list, row)
	}
	return list
}

// number returns a column as a number; NaN when it is empty.
func number(t testing.TB, row map[string]string, column string) float64 {
	t.Helper()
	if row[column] == "" {
		return math.NaN()
	}
	x, err := strconv.ParseFloat(row[column], 64)
	if err != nil {
		t.Fatal(err)
	}
	return x
}

// timing is one request's timing at its client, in seconds.
type timing struct{ arrival, first, last, output float64 }

func (m timing) ttft() float64 { return m.first - m.arrival }
func (m timing) tpot() float64 { return (m.last - m.first) / (m.output - 1) }
func (m timing) e2e() float64  { return m.last - m.arrival }

type measured struct {
	requests []Request
	timings  []timing
}

func readMeasured(t testing.TB, path string) measured {
	var m measured
	for i, row := range rows(t, path) {
		m.requests = append(m.requests, Request{
			ID: uint64(i), Prompt: int(number(t, row, "input_tokens")), Output: int(number(t, row, "output_tokens")),
		})
		m.timings = append(m.timings, timing{
			number(t, row, "arrival_s"), number(t, row, "first_token_s"), number(t, row, "last_token_s"), number(t, row, "output_tokens"),
		})
	}
	return m
}

// replay runs the requests through one replica.
func replay(t testing.TB, spec Spec, m measured) []timing {
	t.Helper()
	have := slices.Clone(m.timings)
	r := New(spec)
	note := func(events []Event) {
		for _, e := range events {
			switch at := float64(e.At) / 1e9; e.Kind {
			case FirstToken:
				have[e.ID].first = at
			case Finished:
				have[e.ID].last = at
			}
		}
	}
	for i, q := range m.requests {
		at := weir.Instant(m.timings[i].arrival * 1e9)
		note(r.Advance(at))
		if err := r.Arrive(at, q); err != nil {
			t.Fatal(err)
		}
	}
	for r.Next() != 0 {
		note(r.Advance(r.Next()))
	}
	return have
}

func mean(list []timing, f func(timing) float64) float64 {
	sum := 0.0
	for _, m := range list {
		sum += f(m)
	}
	return sum / float64(len(list))
}

func quantile(list []timing, f func(timing) float64, q float64) float64 {
	var x []float64
	for _, m := range list {
		x = append(x, f(m))
	}
	return quantileOf(x, q)
}

func quantileOf(x []float64, q float64) float64 {
	x = slices.Clone(x)
	slices.Sort(x)
	return x[min(int(q*float64(len(x))), len(x)-1)]
}

// replayedTrace is a recording of a real server and the Spec it ran with.
type replayedTrace struct {
	file, gpu, model string
	layout           Layout
	seqs, budget     int // max_num_seqs, max_num_batched_tokens, of all ranks
	kv               int // KV room if it was logged; 0: by the memory model
}

var replayedTraces = []replayedTrace{
	{"vllm_rtxpro6000_llama31_8b", "RTX PRO 6000", "Llama-3.1-8B", Layout{}, 128, 2048, 0},
	{"vllm_rtx4090_llama31_8b", "RTX 4090", "Llama-3.1-8B", Layout{}, 256, 2048, 41408},
	{"vllm_rtxpro6000_qwen3_30b_a3b_dp2", "RTX PRO 6000", "Qwen3-30B-A3B", Layout{DP: 2}, 256, 4096, 0},
}

func (r replayedTrace) run(t testing.TB, c *price.Catalogue) (have, want []timing) {
	t.Helper()
	spec, err := Of(c, r.gpu, r.model, r.layout, Precision{})
	if err != nil {
		t.Fatal(err)
	}
	spec.MaxSeqs, spec.MaxBatchTokens = r.seqs, r.budget
	if r.kv > 0 {
		spec.KVTokens = r.kv
	}
	m := readMeasured(t, "testdata/measured/"+r.file+".csv")
	return replay(t, spec, m), m.timings
}

var latencies = []struct {
	name string
	of   func(timing) float64
}{{"TTFT", timing.ttft}, {"TPOT", timing.tpot}, {"end to end", timing.e2e}}

// Requests recorded at real vLLM servers take as long here: means within 10 %,
// 99th percentiles within 25 %, from GPU and model figures alone.
func TestReplayedServersTakeAsLong(t *testing.T) {
	c := catalogue(t)
	for _, r := range replayedTraces {
		have, want := r.run(t, c)
		for _, l := range latencies {
			if e := mean(have, l.of)/mean(want, l.of) - 1; math.Abs(e) > 0.10 {
				t.Errorf("%s: mean %s off by %+.1f %%, want within 10 %%", r.file, l.name, 100*e)
			}
			if e := quantile(have, l.of, 0.99)/quantile(want, l.of, 0.99) - 1; math.Abs(e) > 0.25 {
				t.Errorf("%s: p99 %s off by %+.1f %%, want within 25 %%", r.file, l.name, 100*e)
			}
		}
	}
}

func catalogue(t testing.TB) *price.Catalogue {
	t.Helper()
	c, err := price.Default()
	if err != nil {
		t.Fatal(err)
	}
	return c
}
