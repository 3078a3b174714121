package fit

import (
	"flag"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"weir/price"
)

var update = flag.Bool("update", false, "rewrite docs/benchmarks/fit.md")

// outcome is one row of measurements beside fit's prediction. Errors are
// fractions of the measured value, NaN if the row does not state it.
type outcome struct {
	r          measured
	q          question
	a          Answer
	err        error // of Check: refused outright
	unknown    error // the model's shape is not public
	weights    float64
	perToken   float64
	available  float64
	difference float64 // of available, GiB
	hybrid     bool
}

func judgeRow(t *testing.T, c *price.Catalogue, r measured) outcome {
	t.Helper()
	nan := math.NaN()
	o := outcome{r: r, weights: nan, perToken: nan, available: nan, difference: nan}
	if o.q, o.unknown = ask(t, c, r); o.unknown != nil {
		return o
	}
	o.hybrid = o.q.m.LinearLayers > 0
	if o.a, o.err = Check(o.q.m, o.q.s); o.err != nil || o.q.gap != "" {
		return o
	}
	o.weights = nearestStage(o.a, r.loading, func(b Budget) float64 { return gib(b.Weights) })/r.loading - 1
	o.perToken = perToken(&o)
	if o.q.gpu && r.row["dtype_quant"] != "" {
		have := nearestStage(o.a, r.available, func(b Budget) float64 { return gib(b.Cache) })
		o.difference = have - r.available
		o.available = o.difference / math.Abs(r.available)
	}
	return o
}

// nearestStage: a pipeline row does not name the worker that logged the figure.
func nearestStage(a Answer, want float64, f func(Budget) float64) float64 {
	best := f(a.Stages[0])
	for _, b := range a.Stages {
		if math.Abs(f(b)-want) < math.Abs(best-want) {
			best = f(b)
		}
	}
	return best
}

// perToken compares the memory of one request of the longest length: pool
// divided by printed concurrency, or by tokens where the engine printed those
// of equal layers.
func perToken(o *outcome) float64 {
	have := float64(o.a.PerRequest)
	want := o.r.available * GiB / o.r.concurrency
	uniform := o.q.m.windowed() == 0 && o.q.m.LinearLayers == 0
	if uniform && !math.IsNaN(o.r.tokens) && o.q.s.PP == 1 {
		want = o.r.available * GiB / o.r.tokens
		c := o.q.m.cache(o.q.s.withDefaults(&o.q.m), o.q.s.TP, o.q.m.Layers)
		have = float64(int64(c.full)*c.fullToken + c.index)
	}
	if o.r.available <= 0 || o.a.Quant == "nvfp4" && o.r.row["vllm_version"] == "" {
		return math.NaN() // nothing to divide by, or a cache dtype set by the checkpoint and absent from the row
	}
	if o.q.s.PP > 1 {
		return math.NaN() // available is one worker's, tokens are the tightest stage's
	}
	return have/want - 1
}

func outcomes(t *testing.T) []outcome {
	t.Helper()
	c := catalogue(t)
	var out []outcome
	for _, r := range measurements(t) {
		out = append(out, judgeRow(t, c, r))
	}
	return out
}

// abs collects the known sizes of an error.
func abs(rows []outcome, f func(outcome) float64) []float64 {
	var out []float64
	for _, o := range rows {
		if v := f(o); !math.IsNaN(v) && !math.IsInf(v, 0) {
			out = append(out, math.Abs(v))
		}
	}
	slices.Sort(out)
	return out
}

func mean(v []float64) float64 {
	sum := 0.0
	for _, x := range v {
		sum += x
	}
	return sum / float64(max(len(v), 1))
}

func quantile(v []float64, q float64) float64 {
	if len(v) == 0 {
		return math.NaN()
	}
	return v[int(math.Ceil(q*float64(len(v))))-1]
}

func fourBit(o outcome) bool { return o.q.s.Quant.Family == "4bit" }

func TestWeightsAreWithinOnePercentAndFourBitWithinThree(t *testing.T) {
	var wide, narrow []outcome
	for _, o := range outcomes(t) {
		if fourBit(o) {
			narrow = append(narrow, o)
		} else {
			wide = append(wide, o)
		}
	}
	weights := func(o outcome) float64 { return o.weights }
	w, n := abs(wide, weights), abs(narrow, weights)
	t.Logf("weights: %d rows mean %.2f %%; 4-bit: %d rows mean %.2f %%", len(w), 100*mean(w), len(n), 100*mean(n))
	if len(w) < 60 || mean(w) > 0.01 {
		t.Errorf("%d rows, mean error %.2f %%, want at least 60 and at most 1 %%", len(w), 100*mean(w))
	}
	if len(n) < 10 || mean(n) > 0.03 {
		t.Errorf("4-bit: %d rows, mean error %.2f %%, want at least 10 and at most 3 %%", len(n), 100*mean(n))
	}
}

// Exact within the printed digits: available memory is printed to 0.01 GiB and
// concurrency to 0.01, tokens to a block.
func TestKVBytesPerTokenAreExact(t *testing.T) {
	n := 0
	for _, o := range outcomes(t) {
		if math.IsNaN(o.perToken) || speech(o) {
			continue
		}
		n++
		limit := 0.0051/o.r.available + 0.0002
		if math.IsNaN(o.r.tokens) || o.q.m.windowed() > 0 {
			limit += 0.0051 / o.r.concurrency
		}
		if o.q.s.TP > 1 {
			limit += 0.1 / o.r.available // tokens are the tightest worker's, memory is that of the worker that logged
		}
		if o.hybrid {
			limit = 0.10
		}
		if math.Abs(o.perToken) > limit {
			t.Errorf("%s %s: bytes per token off by %+.3f %%, want within %.3f %%", o.r.id, o.r.row["model"], 100*o.perToken, 100*limit)
		}
	}
	if n < 70 {
		t.Errorf("only %d rows say tokens or concurrency", n)
	}
}

// For a pipeline vLLM prints the tokens of the tightest stage.
func TestPipelinesHoldWhatTheirTightestStageDoes(t *testing.T) {
	n := 0
	for _, o := range outcomes(t) {
		if o.unknown != nil || o.err != nil || o.q.s.PP < 2 || math.IsNaN(o.r.concurrency) {
			continue
		}
		n++
		if e := math.Abs(o.a.Requests/o.r.concurrency - 1); e > 0.01 {
			t.Errorf("%s: %.2f requests in the cache, printed %.2f", o.r.id, o.a.Requests, o.r.concurrency)
		}
	}
	if n == 0 {
		t.Error("no pipeline rows")
	}
}

// speech: for a speech model vLLM prints the decoder's own tokens, without the
// encoder's.
func speech(o outcome) bool { return o.q.m.Attention == price.EncoderDecoder && math.IsNaN(o.r.tokens) }

func TestAvailableCacheIsWithinOnePercentInTheMedian(t *testing.T) {
	rows := outcomes(t)
	rel := abs(rows, func(o outcome) float64 { return o.available })
	t.Logf("available KV: %d rows, median %.2f %%, p90 %.2f %%", len(rel), 100*quantile(rel, 0.5), 100*quantile(rel, 0.9))
	if len(rel) < 60 || quantile(rel, 0.5) > 0.01 {
		t.Errorf("%d rows, median %.2f %%, want at least 60 and at most 1 %%", len(rel), 100*quantile(rel, 0.5))
	}
	// Error as a part of the tolerance: 5 % or 1 GiB, whichever is more.
	part := abs(rows, func(o outcome) float64 { return o.difference / max(0.05*math.Abs(o.r.available), 1) })
	if p := quantile(part, 0.9); p > 1 {
		t.Errorf("90th percentile is %.2f of max(5 %%, 1 GiB)", p)
	}
}

func TestVerdictsAgreeWithWhatHappened(t *testing.T) {
	asked, refused := 0, 0
	for _, o := range outcomes(t) {
		if o.unknown != nil || !o.q.gpu || o.q.gap != "" {
			continue
		}
		fits := o.err == nil && o.a.Verdict.Serves()
		if o.r.outcome != "ok" {
			if fits {
				t.Errorf("%s %s: %s, but fit says %s: %s", o.r.id, o.r.row["model"], o.r.outcome, o.a.Verdict, o.a.Why)
			}
			continue
		}
		asked++
		if !fits {
			refused++
			t.Logf("%s %s started, fit says: %v %s", o.r.id, o.r.row["model"], o.err, o.a.Why)
		}
	}
	if asked < 70 || float64(refused) > 0.05*float64(asked) {
		t.Errorf("%d of %d rows that started are refused, want at most 5 %% of at least 70", refused, asked)
	}
}

// TestAccuracyTable regenerates docs/benchmarks/fit.md with -update, and fails
// if the file differs from the code's figures.
func TestAccuracyTable(t *testing.T) {
	path := filepath.Join("..", "docs", "benchmarks", "fit.md")
	want := accuracyReport(t)
	if *update {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	have, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if strings.TrimSpace(string(have)) != strings.TrimSpace(want) {
		t.Error("docs/benchmarks/fit.md is not what the code says: go test ./fit -run TestAccuracyTable -update")
	}
}
