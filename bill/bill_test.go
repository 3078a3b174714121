package bill

import (
	"os"
	"strings"
	"testing"
	"time"

	"weir"
	"weir/meter"
)

var gpt4o = map[string]Kind{"gpt 4o 1120 Inp glbl Tokens": Input, "gpt 4o 1120 cached Inp glbl Tokens": Cached, "gpt 4o 1120 Outp glbl Tokens": Output}

func meters(name string) (string, Kind, bool) {
	k, ok := gpt4o[name]
	if !ok {
		return "", "", false
	}
	return "gpt-4o", k, true
}

// ledger is the bookings of the 29th and the 30th.
func ledger() []meter.Row {
	day := func(d int) int64 { return time.Date(2026, 11, d, 0, 0, 0, 0, time.UTC).Unix() / 60 }
	return []meter.Row{
		{Minute: day(28), Model: "gpt-4o", Completed: 9, Prompt: 9e6, Cost: 9 * weir.Dollar},
		{Minute: day(29), Model: "gpt-4o", Completed: 10, Prompt: 1_000_000, Cached: 400_000, Completion: 200_000, Cost: 4 * weir.Dollar},
		{Minute: day(30), Model: "gpt-4o", Completed: 1, Estimated: 1, Completion: 40_000, Cost: weir.Dollar * 4 / 10},
		{Minute: day(30), Model: "llama", Completed: 1, Completion: 5},
	}
}

func read(t *testing.T, name string) []Line {
	t.Helper()
	file, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	lines, err := Read(file, meters)
	if err != nil {
		t.Fatal(err)
	}
	return lines
}

func TestTheLedgerIsComparedWithAzuresActualCosts(t *testing.T) {
	r := Compare(ledger(), read(t, "azure.csv"), 0.01, nil)
	var have []string
	for _, d := range r.Differences {
		have = append(have, strings.Join([]string{d.Day, d.Model, d.Meter}, " "))
	}
	want := "2026-11-30  GPT 9 Inp glbl Tokens\n2026-11-30 gpt-4o cost\n2026-11-30 gpt-4o output\n2026-11-30 llama output"
	if strings.Join(have, "\n") != want {
		t.Fatalf("%s", strings.Join(have, "\n"))
	}
	if d := r.Differences[0]; d.Export != int64(18*weir.Dollar) {
		t.Errorf("%+v", d)
	}
	if d := r.Differences[1]; d.Ledger != 400_000 || d.Export != 500_000 || !strings.HasPrefix(d.Why, "booked for less") {
		t.Errorf("%+v", d)
	}
	if d := r.Differences[2]; d.Ledger != 40_000 || d.Export != 50_000 {
		t.Errorf("%+v", d)
	}
	if r.From != "2026-11-29" || r.To != "2026-11-30" || r.EstimatedRequests != 1 {
		t.Errorf("%+v", r)
	}
	if r := Compare(ledger(), read(t, "azure.csv"), 0.25, nil); len(r.Differences) != 2 { // the unknown meter, and the unbilled usage
		t.Errorf("%+v", r.Differences)
	}
}

func TestTheLedgerIsComparedWithOpenAIsUsageAndCosts(t *testing.T) {
	if r := Compare(ledger(), read(t, "openai.json"), 0, nil); len(r.Differences) != 0 || r.Compared != 7 {
		t.Errorf("%+v", r)
	}
	rows := ledger()
	rows[1].Model, rows[1].Cached = "chat", 0
	r := Compare(rows, read(t, "openai.json"), 0, map[string]string{"chat": "gpt-4o"})
	if len(r.Differences) != 2 || r.Differences[0].Meter != "cached" || r.Differences[1].Meter != "input" {
		t.Errorf("%+v", r.Differences)
	}
}

func TestExportsThatAreNoneSayWhatIsMissing(t *testing.T) {
	f := func(file, want string) {
		t.Helper()
		if _, err := Read([]byte(file), meters); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %s", file, err, want)
		}
	}
	f("", "no header")
	f("a,b\n1,2\n", "no column for the day")
	f("Date,MeterName,Quantity\nsoon,gpt 4o 1120 Inp glbl Tokens,1\n", `line 2: "soon" is not a date`)
	f("Date,MeterName,Quantity\n2026-11-30,gpt 4o 1120 Inp glbl Tokens,many\n", `quantity "many" is not a number`)
	f("Date,MeterName,Quantity,Cost,BillingCurrency\n2026-11-30,gpt 4o 1120 Inp glbl Tokens,1,2,EUR\n", "not in US dollars")
	f(`{"data":[]}`, "no results")
	f(`{"data":[{"start_time":0,"end_time":864000,"results":[]}]}`, "bucket_width=1d")
	f(`{"data":[{"start_time":0,"end_time":60,"results":[{"input_tokens":1}]}]}`, "names no model")
}

func TestUnitsOfMeasure(t *testing.T) {
	for text, want := range map[string]float64{"1K": 1000, "1M": 1e6, "1M Tokens": 1e6, "1000": 1000, "1": 1, "": 1, "10K": 10_000, "Tokens": 1} {
		if have := unitOf(text); have != want {
			t.Errorf("%q: %v, want %v", text, have, want)
		}
	}
}
