package demand

import (
	"bytes"
	"context"
	"errors"
	"fmt"
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

func TestEveryFaultOfADemandIsNamedAtOnce(t *testing.T) {
	_, err := (&Source{Name: "d.yaml", Text: []byte("modle: x\nrequests: 10\nbatch: 130%\nslo: {ttft: fast}\n")}).Read(t.Context(), 0)
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
		row(now-90*24*60, "a", "chat", 50), // before the period
		row(now-10, "a", "chat", 5), row(now-10, "b", "chat", 3), row(now-7, "a", "chat", 2), row(now-8, "a", "other", 9),
		row(now, "a", "chat", 7), // the minute is not over
	}}); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	at := weir.Instant(now * int64(time.Minute))
	l := Ledger{Path: path, Since: "7d"}
	minutes, err := l.count(t.Context(), "chat", at)
	if err != nil {
		t.Fatal(err)
	}
	want := make([]plan.Minute, 10)
	want[0] = plan.Minute{Requests: 6, Input: 800, Cached: 320, Output: 80}
	want[3] = plan.Minute{Requests: 1, Input: 200, Cached: 80, Output: 20}
	if fmt.Sprint(minutes) != fmt.Sprint(want) {
		t.Errorf("have %v", minutes)
	}
	if _, err := l.count(t.Context(), "chatt", at); err == nil || !strings.Contains(err.Error(), `"chat", "other"`) {
		t.Errorf("a name the ledger does not know: %v", err)
	}
	l.Path += ".missing"
	if _, err := l.count(t.Context(), "chat", at); err == nil {
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

func FuzzDemandsGiveAnErrorOrADemand(f *testing.F) {
	f.Add("model: gpt-4o\nrequests: 10/min\ninput_tokens: 500\noutput_tokens: 100\nslo: {ttft: 2s}\n")
	f.Add("open_model: Llama-3.1-8B\nrequests: 500/min\ninput_tokens: 1000\nhours: {days: [mon, tue], from: 9, to: 17}\n")
	f.Add("model: gpt-4o\nrequests: 5/min\ninput_tokens: 1\nbatch: 30%\ncache_hits: 10%\nsmaller: {model: gpt-4o-mini, share: 40%}\n")
	f.Add("requests: 1/s\nhourly: [1%]\nquota: {ptus: 3, tokens: 2M/min}\n")
	f.Fuzz(func(t *testing.T, text string) {
		file, err := parse(&Source{Name: "demand.yaml", Text: []byte(text)})
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

func TestWhatTheSourceGivesHoldsOverTheFile(t *testing.T) {
	s := Source{Name: "d.yaml", Text: []byte("model: gpt-4o\nrequests: 60/min\ninput_tokens: 100\ncached: 50%\nhours: {days: [mon], from: 9, to: 10}\n"),
		OpenModel: "Llama-3.1-8B", Region: "swedencentral", Estimate: "eastus"}
	d, err := s.Read(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	if d.Model != "gpt-4o" || d.OpenModel != "Llama-3.1-8B" || d.Region != "swedencentral" || d.Estimate != "eastus" {
		t.Errorf("have %+v", d)
	}
	full := 0
	for _, m := range d.Minutes {
		if m.Requests == 60 && m.Input == 6000 && m.Cached == 3000 {
			full++
		} else if m.Requests != 0 {
			t.Fatalf("a minute of %+v", m)
		}
	}
	if len(d.Minutes) != 7*24*60 || full != 60 {
		t.Errorf("%d of %d minutes are full", full, len(d.Minutes))
	}
}

func TestATraceAndADescriptionContradictEachOther(t *testing.T) {
	s := Source{Name: "d.yaml", Text: []byte("model: gpt-4o\nrequests: 60/min\n"), Trace: "any.csv"}
	if _, err := s.Read(t.Context(), 0); err == nil || !strings.Contains(err.Error(), "it also comes from the trace or the ledger") {
		t.Errorf("have %v", err)
	}
}
