package fit

import (
	"bytes"
	"encoding/csv"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"weir/price"
)

// measured is one row of vram.csv: vLLM's output when it started.
type measured struct {
	row                                     map[string]string
	id                                      string
	outcome                                 string
	loading, available, tokens, concurrency float64 // NaN: not stated
	total                                   float64
}

func number(s string) float64 {
	v, err := strconv.ParseFloat(s, 64)
	if err != nil {
		return math.NaN()
	}
	return v
}

func readTable(t *testing.T, name string) []map[string]string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	records, err := csv.NewReader(bytes.NewReader(text)).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	var out []map[string]string
	for _, r := range records[1:] {
		row := map[string]string{}
		for i, name := range records[0] {
			row[name] = r[i]
		}
		out = append(out, row)
	}
	return out
}

func measurements(t *testing.T) []measured {
	t.Helper()
	var out []measured
	for _, r := range readTable(t, "vram.csv") {
		out = append(out, measured{row: r, id: r["row_id"], outcome: r["outcome"], loading: number(r["model_loading_gib"]),
			available: number(r["available_kv_gib"]), tokens: number(r["kv_cache_tokens"]), concurrency: number(r["max_concurrency"]), total: number(r["gpu_total_gib"])})
	}
	return out
}

// question is a row as a user would have asked it before the start.
type question struct {
	m   Model
	s   Setup
	gpu bool   // the row says which GPU, or how large
	gap string // missing from the row, so memory cannot be computed
}

// format reads the table's words for storage formats.
func format(text, model string) string {
	low := strings.ToLower(text)
	for _, p := range []struct{ has, quant string }{
		{"mxfp4", "mxfp4"}, {"nvfp4", "nvfp4"}, {"int4 experts", "w4a16-experts"}, {"awq", "awq"}, {"w4a16", "w4a16"}, {"int4", "w4a16"},
		{"w8a8", "int8"}, {"8-bit", "int8"}, {"4-bit", "awq"}, {"fp8 block", "fp8-block"}, {"fp8", "fp8"}, {"fp32", "fp32"}, {"fp16", "fp16"}, {"bf16", "bf16"},
	} {
		if strings.Contains(low, p.has) {
			return p.quant
		}
	}
	return ""
}

func ask(t *testing.T, c *price.Catalogue, r measured) (question, error) {
	t.Helper()
	m, q, err := Named(c, r.row["model"])
	if err != nil {
		return question{}, err
	}
	s := Setup{Quant: q, KV: r.row["kv_dtype"], TP: atoi(r.row["tp"]), PP: atoi(r.row["pp"]), Context: atoi(r.row["max_model_len"]),
		MaxSeqs: atoi(r.row["max_num_seqs"]), BatchTokens: atoi(r.row["max_num_batched_tokens"]), Eager: r.row["enforce_eager"] == "true"}
	if f := format(r.row["dtype_quant"], r.row["model"]); f != "" {
		s.Quant = mustQuant(f)
	}
	if u := number(r.row["gpu_memory_utilization"]); !math.IsNaN(u) {
		s.Utilisation = u
	}
	s.Engine = rowEngine(t, r.row["vllm_version"], m)
	known := rowGPU(c, r, &s)
	notes := r.row["notes"]
	gap := ""
	switch {
	case strings.HasPrefix(r.row["vllm_version"], "fork"):
		gap = "a fork lays out the compressed cache in pages of its own"
	case strings.Contains(notes, "speculative decoding on"):
		gap = "a draft model of a size and kind not stated is loaded too, and has a cache of its own"
	}
	if s.Context == 0 {
		s.Context = 2048 // not stated: any length that starts
	}
	if strings.Contains(notes, "graph sizes stop at 16") {
		s.MaxSeqs = 16
	}
	if strings.Contains(notes, "only 60.87 GiB free") {
		s.FreeBytes = gibs(60.87)
	}
	if strings.Contains(notes, "40 GiB per GPU of experts offloaded") {
		s.Offload, s.EP = 40*GiB, true
	}
	return question{m: m, s: s, gpu: known, gap: gap}, nil
}

func atoi(s string) int {
	n, _ := strconv.Atoi(s)
	return n
}

// rowEngine: a row without a version is from before 0.17, when the budget did
// not change, unless its model came later.
func rowEngine(t *testing.T, version string, m Model) Engine {
	t.Helper()
	version, _, _ = strings.Cut(version, " ")
	switch {
	case version == "" && (m.Family == "qwen3_5" || m.Family == "gemma4"):
		version = "0.19"
	case version == "" || version == "fork":
		version = "0.9"
	}
	e, err := ParseEngine("vllm@" + version)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func rowGPU(c *price.Catalogue, r measured, s *Setup) bool {
	g, err := c.GPU(r.row["gpu"])
	known := err == nil
	if known {
		s.GPU, err = NewGPU(g)
		known = err == nil
	}
	if !known {
		s.GPU = GPU{Name: r.row["gpu"], Total: 80 * GiB, BF16: true, SM: 8.6}
	}
	if !math.IsNaN(r.total) {
		s.GPU.Total = int64(r.total * GiB)
		known = true
	}
	// The printed batch of 8192 is the default with 1024 sequences.
	if s.MaxSeqs == 0 && s.BatchTokens == 8192 && s.GPU.Total >= 70*GiB {
		s.MaxSeqs = 1024
	}
	return known
}
