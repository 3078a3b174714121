package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"weir"
	"weir/config"
	"weir/meter"
	"weir/plan"
	"weir/price"
	"weir/store"
	"weir/trace"
)

// demands of every kind of recommendation.
var demands = map[string]string{
	"pay as you go": "model: gpt-4o\nrequests: 10/min\ninput_tokens: 500\noutput_tokens: 100\n",
	"spillover":     "model: gpt-5.2\nrequests: 1000/min\ninput_tokens: 200\noutput_tokens: 20\nslo: {ttft: 2s}\n",
	"provisioned":   "model: gpt-4o\nrequests: 1250/min\ninput_tokens: 1000\noutput_tokens: 250\n",
	"own": "model: gpt-4o\nopen_model: Llama-3.1-8B\nrequests: 500/min\ninput_tokens: 1000\noutput_tokens: 200\n" +
		"slo: {ttft: 1s, tpot: 50ms}\nhours: {days: [mon, tue], from: 9, to: 17}\n",
	"open alone": "open_model: Llama-3.1-8B\nrequests: 500/min\ninput_tokens: 1000\noutput_tokens: 200\n",
	"measures": "model: gpt-4o\nrequests: 500/min\ninput_tokens: 1000\noutput_tokens: 200\nbatch: 30%\ncache_hits: 10%\n" +
		"smaller: {model: gpt-4o-mini, share: 40%}\n",
	"all can wait": "model: gpt-4o\nrequests: 500/min\ninput_tokens: 1000\noutput_tokens: 200\nbatch: 100%\n",
}

// planned runs `weir plan` on a demand.
func planned(t *testing.T, demand string, flags ...string) string {
	t.Helper()
	t.Setenv("XDG_CONFIG_HOME", t.TempDir())
	file := filepath.Join(t.TempDir(), "demand.yaml")
	if err := os.WriteFile(file, []byte(demand), 0o600); err != nil {
		t.Fatal(err)
	}
	var out, errs bytes.Buffer
	if code := run(context.Background(), append([]string{"plan", file, "--as-of", "2026-11-23"}, flags...), nil, &out, &errs); code != exitOK {
		t.Fatalf("exit code %d: %s", code, &errs)
	}
	return out.String()
}

func TestThePlannedConfigurationIsOneThatCheckAccepts(t *testing.T) {
	for name, demand := range demands {
		text := planned(t, demand, "--yaml")
		c, err := config.Parse("weir.yaml", []byte(text))
		if err != nil {
			t.Errorf("%s: %v\n%s", name, err, text)
			continue
		}
		if len(c.Warnings) > 0 {
			t.Errorf("%s: %v\n%s", name, c.Warnings, text)
		}
	}
}

func FuzzDemandsGiveAnErrorOrADemand(f *testing.F) {
	for _, demand := range demands {
		f.Add(demand)
	}
	f.Add("requests: 1/s\nhourly: [1%]\nquota: {ptus: 3, tokens: 2M/min}\n")
	f.Fuzz(func(t *testing.T, text string) {
		file, err := parseDemand("demand.yaml", []byte(text), demandFlags{})
		if err != nil {
			var faults config.Faults
			if !errors.As(err, &faults) || len(faults) == 0 {
				t.Fatalf("%v is no list of faults", err)
			}
			return
		}
		minutes, err := file.minutes()
		if err != nil {
			return // no shape a week can have
		}
		d := file.demand()
		d.Minutes = minutes
		if err := d.Validate(); err != nil && !strings.Contains(err.Error(), "nobody asks") && !strings.Contains(err.Error(), "counts are from 0") {
			t.Fatalf("%q is a demand, but %v", text, err)
		}
	})
}

func TestEveryFaultOfADemandIsNamedAtOnce(t *testing.T) {
	_, err := parseDemand("d.yaml", []byte(fmt.Sprintf("modle: x\nrequests: 10\nbatch: 130%%\nslo: {ttft: %s}\n", "fast")), demandFlags{})
	var faults config.Faults
	if !errors.As(err, &faults) || len(faults) != 4 {
		t.Errorf("want four faults, have %v", err)
	}
}

func TestTheLedgerIsCountedByTheMinuteWithItsQuietOnes(t *testing.T) {
	path := filepath.Join(t.TempDir(), "weir.db")
	s, err := store.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	const now = 29_000_000 // minutes since the epoch
	row := func(minute int64, tenant, model string, requests int64) meter.Row {
		return meter.Row{Minute: minute, Tenant: tenant, Model: model, Requests: requests, Completed: requests - 1, Refused: 1,
			Prompt: 100 * requests, Cached: 40 * requests, Completion: 10 * requests}
	}
	if err := s.Write(context.Background(), meter.Batch{Writer: "test", Number: 1, Rows: []meter.Row{
		row(now-90*24*60, "a", "chat", 50), // before what is asked for
		row(now-10, "a", "chat", 5), row(now-10, "b", "chat", 3), row(now-7, "a", "chat", 2), row(now-8, "a", "other", 9),
		row(now, "a", "chat", 7), // the minute is not over
	}}); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	at := weir.Instant(now * int64(time.Minute))
	f := ledgerFlags{use: true, path: path, since: "7d"}
	minutes, err := countLedger(context.Background(), f, "chat", at)
	if err != nil {
		t.Fatal(err)
	}
	want := make([]plan.Minute, 10)
	want[0] = plan.Minute{Requests: 6, Input: 800, Cached: 320, Output: 80}
	want[3] = plan.Minute{Requests: 1, Input: 200, Cached: 80, Output: 20}
	if fmt.Sprint(minutes) != fmt.Sprint(want) {
		t.Errorf("have %v", minutes)
	}
	if _, err := countLedger(context.Background(), f, "chatt", at); err == nil || !strings.Contains(err.Error(), `"chat", "other"`) {
		t.Errorf("a name the ledger does not know: %v", err)
	}
	f.path += ".missing"
	if _, err := countLedger(context.Background(), f, "chat", at); err == nil {
		t.Error("a ledger that does not exist was made")
	}
}

// A trace of a million requests, from text to answer.
func BenchmarkPlanOfAMillionRequests(b *testing.B) {
	const requests = 1_000_000
	var text bytes.Buffer
	text.WriteString("arrival_s,input_tokens,output_tokens\n")
	for i := range requests {
		fmt.Fprintf(&text, "%.3f,%d,%d\n", float64(i)*0.6, 200+i*7919%3000, 10+i*104729%500)
	}
	c, err := price.Default()
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		r, err := trace.NewReader(bytes.NewReader(text.Bytes()))
		if err != nil {
			b.Fatal(err)
		}
		minutes, err := countMinutes(r, 0)
		if err != nil {
			b.Fatal(err)
		}
		d := plan.Demand{Model: "gpt-4o", OpenModel: "Llama-3.1-70B", Region: "eastus", Minutes: minutes}
		if _, err := plan.Plan(c, d, weir.Instant(0)); err != nil {
			b.Fatal(err)
		}
	}
}
