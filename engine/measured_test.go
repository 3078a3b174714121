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

// number is a column as a number; NaN when it is empty.
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

// timing is what a client of one request sees, in seconds.
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

// replay runs the requests through replicas that take turns.
func replay(t testing.TB, spec Spec, m measured, replicas int) ([]timing, Load) {
	t.Helper()
	have := slices.Clone(m.timings)
	fleet := make([]*Replica, replicas)
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
	for i := range fleet {
		fleet[i] = New(spec)
	}
	for i, q := range m.requests {
		r := fleet[i%replicas]
		at := weir.Instant(m.timings[i].arrival * 1e9)
		note(r.Advance(at))
		if err := r.Arrive(at, q); err != nil {
			t.Fatal(err)
		}
	}
	for _, r := range fleet {
		for r.Next() != 0 {
			note(r.Advance(r.Next()))
		}
	}
	return have, fleet[0].Load()
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
	slices.Sort(x)
	return x[min(int(q*float64(len(x))), len(x)-1)]
}

func catalogue(t testing.TB) *price.Catalogue {
	t.Helper()
	c, err := price.Default()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestX(t *testing.T) {
	for _, c := range []struct {
		file, gpu, model string
		seqs, kv, dp     int
	}{
		{"vllm_rtxpro6000_llama31_8b", "RTX PRO 6000", "Llama-3.1-8B", 128, 0, 1},
		{"vllm_rtx4090_llama31_8b", "RTX4090", "Llama-3.1-8B", 256, 41408, 1},
		{"vllm_rtxpro6000_qwen3_30b_a3b_dp2", "RTX PRO 6000", "Qwen3-30B-A3B", 128, 0, 2},
	} {
		spec, err := Of(catalogue(t), c.gpu, c.model, Layout{1, c.dp}, "bf16")
		if err != nil && c.kv == 0 {
			t.Fatal(err)
		}
		spec.MaxSeqs = c.seqs * c.dp
		spec.MaxBatchTokens = 2048 * c.dp
		if c.kv > 0 {
			spec.KVTokens = c.kv
		}
		m := readMeasured(t, "testdata/measured/"+c.file+".csv")
		have, l := replay(t, spec, m, 1)
		if c.dp == 2 {
			for _, x := range [][3]float64{{160, 229335, 38.56}, {89, 132161, 32.58}, {33, 51949, 26.18}, {16, 26112, 23.17}} {
				t.Log(x, spec.Speed.Step(Batch{Decode: int(x[0])}).Of(int(x[1])).Duration())
			}
		}
		t.Logf("%s kv %d load %+v", c.file, spec.KVTokens, l)
		for _, x := range []struct {
			n string
			f func(timing) float64
		}{{"ttft", timing.ttft}, {"tpot", timing.tpot}, {"e2e", timing.e2e}} {
			mh, mw := mean(have, x.f), mean(m.timings, x.f)
			ph, pw := quantile(have, x.f, .99), quantile(m.timings, x.f, .99)
			t.Logf("  %s mean %.4f want %.4f %+.1f%%   p50 %.4f want %.4f p99 %.4f want %.4f %+.1f%%", x.n, mh, mw, 100*(mh/mw-1),
				quantile(have, x.f, .5), quantile(m.timings, x.f, .5), ph, pw, 100*(ph/pw-1))
		}
	}
}
