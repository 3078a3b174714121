package report

import (
	"encoding/xml"
	"errors"
	"flag"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"weir"
	"weir/bill"
	"weir/control"
	"weir/fit"
	"weir/plan"
	"weir/price"
	"weir/scale"
	"weir/sim"
)

var update = flag.Bool("update", false, "write the golden files")

// golden compares an output with testdata; -update writes it.
func golden(t *testing.T, name, have string) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(file, []byte(have), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if have != string(want) {
		t.Errorf("%s (-update writes it): have\n%s", name, have)
	}
}

// written is a writer's output.
func written(t *testing.T, write func(io.Writer) error) string {
	t.Helper()
	var b strings.Builder
	if err := write(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// studied is a study of two runs; the first loses some requests.
func studied() Study {
	quantiles := sim.Quantiles{P50: 57_349 * time.Microsecond, P90: time.Second, P99: 1264 * time.Millisecond}
	gpu := sim.GPUTime{Allocated: 2 * time.Hour, Busy: time.Hour, Idle: 30 * time.Minute, ColdStart: 30 * time.Minute}
	bad := &sim.Result{
		Length: time.Hour, SLO: sim.SLO{TTFT: time.Second, TPOT: 50 * time.Millisecond},
		Arrived: 1000, Completed: 900, Refused: 60, Failed: 30, Waiting: 10, Impatient: 20, Cut: 10,
		Attainment: 0.88, WorstWindow: 0.5, TTFT: quantiles, TPOT: quantiles, Changes: 4, Reversals: 1, Cost: 1234*weir.Dollar + 5678, GPU: gpu,
		Misses: []sim.Miss{{Cause: sim.AtMax, Deployment: "chat/own", Count: 120, Spans: []sim.Span{{From: time.Minute, To: time.Hour}}}},
		Deployments: []sim.Outcome{
			{Name: "chat/own", Completed: 800, Prompt: 80_000, Output: 8000, Cost: 1200 * weir.Dollar, GPU: gpu, AtMax: 30 * time.Minute},
			{Name: "chat/paid", Completed: 100, Throttled: 7, Prompt: 10_000, Output: 1000, Cost: 34 * weir.Dollar},
		},
		Timeline: []sim.Point{
			{At: 0, Deployments: []sim.Level{{Ready: 1, Want: 1}, {}}},
			{At: 30 * time.Minute, Arrived: 500, Ended: 450, Attainment: 0.9, TTFT: quantiles, TPOT: quantiles, Waiting: 5, Cost: 600 * weir.Dollar, Deployments: []sim.Level{{Ready: 1, Want: 2, Starting: 1, InFlight: 3}, {InFlight: 1}}},
			{At: time.Hour, Arrived: 1000, Ended: 990, Attainment: 0.86, TTFT: quantiles, TPOT: quantiles, Cost: 1234 * weir.Dollar, Deployments: []sim.Level{{Ready: 2, Want: 2}, {}}},
		},
		Decisions: []sim.Change{{At: 20 * time.Minute, Deployment: "chat/own", Decision: scale.Decision{Have: 1, Want: 2, Reasons: scale.Reasons{{Rule: "queue", From: 1, To: 2, Note: "5 wait"}}}}},
	}
	good := *bad
	good.Completed, good.Refused, good.Failed, good.Waiting, good.Attainment, good.Misses = 1000, 0, 0, 0, 0.999, nil
	return Study{
		Model: "chat", Traffic: "traces/day.csv", Load: "2x", SLO: weir.SLO{TTFT: time.Second, TPOT: 50 * time.Millisecond},
		Deployments: []string{"chat/own", "chat/paid"}, Runs: []Run{{"weir", "weir", bad}, {"hpa=0.7", "hpa", &good}},
		Advice: "what would do: more", Notes: []string{"the file gives no price of these"}, Command: "weir simulate <all>",
	}
}

func TestRunsAreATableWithWhyTheyMissed(t *testing.T) {
	golden(t, "runs.txt", written(t, func(w io.Writer) error { return Runs(w, studied()) }))
}

// wellFormed says whether every drawing of a page is XML.
func wellFormed(t *testing.T, page string) (drawings int) {
	t.Helper()
	for _, part := range strings.SplitAfter(page, "</svg>") {
		i := strings.Index(part, "<svg")
		if i < 0 {
			continue
		}
		drawings++
		d := xml.NewDecoder(strings.NewReader(part[i:]))
		for {
			if _, err := d.Token(); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Fatalf("%v in %s", err, part[i:])
			}
		}
	}
	return drawings
}

func TestAPageOfRunsNeedsNothingElse(t *testing.T) {
	page := written(t, func(w io.Writer) error { return RunsPage(w, studied()) })
	if n := wellFormed(t, page); n != 2*(1+2*7) { // the frontier, and seven drawings of each run, in two widths
		t.Errorf("%d drawings", n)
	}
	for _, want := range []string{
		"<title>chat on day.csv</title>", "What would do: more. The file gives no price of these.", "<code>weir simulate &lt;all&gt;</code>", "$1,234.01", "queue 1→2 (5 wait)",
		"Of 1000 requests 60 were refused, 30 failed (20 callers gave up, 10 cut when a replica died), 10 still waited at the end.", "by cost",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("without %q", want)
		}
	}
	for _, wrong := range []string{"<script", "<link", "<img", "@import", "url(", "http"} {
		if strings.Contains(page, wrong) {
			t.Errorf("it has %q", wrong)
		}
	}
}

// planned is the answer to a demand that own replicas could serve.
func planned(t *testing.T) (*price.Catalogue, plan.Demand, plan.Answer) {
	t.Helper()
	c, err := price.Default()
	if err != nil {
		t.Fatal(err)
	}
	d := plan.Demand{Model: "gpt-4o", OpenModel: "Llama-3.1-8B", Region: "eastus", SLO: weir.SLO{TTFT: 2 * time.Second, TPOT: 100 * time.Millisecond},
		Minutes: plan.Constant(plan.Minute{Requests: 500, Input: 500_000, Output: 100_000})}
	a, err := plan.Plan(c, d, weir.At(time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)))
	if err != nil {
		t.Fatal(err)
	}
	return c, d, a
}

func TestAPlanIsATextAPageAndAConfiguration(t *testing.T) {
	c, d, a := planned(t)
	text := written(t, func(w io.Writer) error { return Plan(w, a) })
	for _, want := range []string{"Demand of a month\n  gpt-4o or Llama-3.1-8B: ", "\nRecommendation\n", "\nFigures used\n"} {
		if !strings.Contains(text, want) {
			t.Errorf("the text is without %q", want)
		}
	}
	page := written(t, func(w io.Writer) error { return PlanPage(w, a) })
	if n := wellFormed(t, page); n < 4 {
		t.Errorf("the page has %d drawings", n)
	}
	if yaml := written(t, func(w io.Writer) error { return PlanConfig(w, c, d, a) }); !strings.Contains(yaml, "models:\n  - name: \"gpt-4o\"\n    slo:\n      ttft: 2000ms\n") {
		t.Errorf("the configuration is\n%s", yaml)
	}
	if err := PlanConfig(io.Discard, c, d, plan.Answer{}); err == nil {
		t.Error("nothing is recommended, and there is a configuration for it")
	}
}

func TestWhatFitsIsDrawnInProportion(t *testing.T) {
	gpu := fit.GPU{Name: "H100", Total: 80 << 30}
	p := fit.Packing{GPU: "H100", Headroom: 0.1, Optimal: true, GPUs: [][]fit.Share{
		{{Name: "chat", Replica: 1, Bytes: 40 << 30, Part: 0.5}, {Name: "embed", Replica: 2, Shard: 1, Bytes: 20 << 30, Slice: "2g.20gb", Part: 0.25}},
		{{Name: "big", Replica: 1, Shard: 2, Bytes: 90 << 30, Part: 0.9}},
	}}
	golden(t, "packing.txt", written(t, func(w io.Writer) error { return Packing(w, p, gpu) }))
}

func TestChoicesForALoadAreATable(t *testing.T) {
	s := Search{Model: "Llama-3.1-8B", Region: "eastus", Rejected: []string{"T4: too slow"}, Options: []fit.Option{
		{VM: "Standard_NC40ads_H100_v5", TP: 1, PP: 1, Replicas: 2, VMs: 2, Used: 0.5, TTFT: 0.1, TPOT: 0.02, Hour: 13_960_000, Million: 123_456, Known: true, Binds: "tpot", Warnings: []string{"old"}},
		{VM: "Standard_ND96isr_H200_v5", TP: 2, PP: 1, Replicas: 1, VMs: 1, Used: 0.25, TTFT: 0.05, TPOT: 0.01, Warnings: []string{"old"}},
		{VM: "Standard_NC24ads_A100_v4", TP: 1, PP: 1},
	}}
	load := fit.Load{Rate: 10, In: 1000, Out: 200}
	golden(t, "search.txt", written(t, func(w io.Writer) error { return FitSearch(w, s, load, 2) }))
	s.Options = nil
	golden(t, "search_none.txt", written(t, func(w io.Writer) error { return FitSearch(w, s, load, 2) }))
}

func TestAReplaySaysWhatDiffers(t *testing.T) {
	decision := func(want int) scale.Decision {
		return scale.Decision{Have: 1, Want: want, Reasons: scale.Reasons{{Rule: "requests", From: 1, To: want}}}
	}
	r := control.Report{Lines: 12, Decisions: 10, Skipped: 2, Different: 2, Sums: []control.Sum{{Deployment: "chat/a", Wrote: time.Hour, Now: 2 * time.Hour, Other: true}, {Deployment: "chat/b"}},
		Differences: []control.Difference{{Line: 7, At: weir.At(time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC)), Deployment: "chat/a", Wrote: decision(2), Now: decision(4)}, {}}}
	golden(t, "replay.txt", written(t, func(w io.Writer) error { return Replay(w, "weir.journal", r, 1) }))
	r.Different, r.Skipped = 0, 0
	if have := written(t, func(w io.Writer) error { return Replay(w, "weir.journal", r, 1) }); have != "weir.journal: 10 steps replayed: identical\n" {
		t.Errorf("have %q", have)
	}
}

func TestABillIsComparedLineByLine(t *testing.T) {
	r := bill.Result{Compared: 3, From: "2026-11-01", To: "2026-11-02", EstimatedRequests: 4, Differences: []bill.Difference{
		{Day: "2026-11-01", Model: "gpt-4o", Meter: "output", Ledger: 100, Export: 200, Why: "more"},
		{Day: "2026-11-01", Model: "gpt-4o", Meter: string(bill.Cost), Ledger: 3_500_000, Export: 4_000_000, Why: "dearer"},
	}}
	golden(t, "reconciled.txt", written(t, func(w io.Writer) error { return Reconciled(w, r) }))
	golden(t, "reconciled.json", written(t, func(w io.Writer) error { return ReconciledJSON(w, r) }))
}

func TestTheCatalogueIsListedByKind(t *testing.T) {
	c, err := price.Default()
	if err != nil {
		t.Fatal(err)
	}
	all := written(t, func(w io.Writer) error { return PriceList(w, c) })
	for _, kind := range PriceKinds() {
		if !strings.Contains(all, kind+" ") {
			t.Errorf("%s is not in the list", kind)
		}
		if text := written(t, func(w io.Writer) error { return Prices(w, c, kind) }); text == "" {
			t.Errorf("%s has no table", kind)
		}
		if text := written(t, func(w io.Writer) error { return PricesJSON(w, c, kind) }); !strings.HasPrefix(text, "[") {
			t.Errorf("%s in JSON is %.40q", kind, text)
		}
	}
	if err := PriceOf(io.Discard, c, "nothing", 0); !errors.Is(err, price.ErrUnknown) {
		t.Errorf("have %v", err)
	}
	if text := written(t, func(w io.Writer) error { return PriceOf(w, c, "h100-80gb", 0) }); !strings.HasPrefix(text, "GPU\n") {
		t.Errorf("have %.40q", text)
	}
}
