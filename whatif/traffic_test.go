package whatif

import (
	"compress/gzip"
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"weir"
	"weir/meter"
	"weir/store"
	"weir/trace"
)

func arrivalsOf(t *testing.T, in Traffic) ([]trace.Arrival, *Traffic) {
	t.Helper()
	in.Factor, in.Seed = 1, 1
	found, err := NewTraffic(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	all, err := found.all()
	if err != nil {
		t.Fatal(err)
	}
	return all, found
}

func totals(all []trace.Arrival) (prompt, output int) {
	for _, a := range all {
		prompt, output = prompt+a.Prompt, output+a.Output
	}
	return prompt, output
}

// ledgerOf writes rows into a new ledger.
func ledgerOf(t *testing.T, rows ...meter.Row) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "weir.db")
	s, err := store.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Write(context.Background(), meter.Batch{Writer: "test", Number: 1, Rows: rows}); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestALedgerIsPlayedMinuteByMinute(t *testing.T) {
	const minute = 29_000_000
	path := ledgerOf(t,
		meter.Row{Minute: minute, Tenant: "a", Model: "chat", Deployment: "x", Requests: 10, Completed: 10, Prompt: 5000, Completion: 900},
		meter.Row{Minute: minute, Tenant: "b", Model: "chat", Deployment: "y", Requests: 5, Completed: 5, Prompt: 1000, Completion: 100},
		meter.Row{Minute: minute + 3, Tenant: "a", Model: "chat", Requests: 4, Completed: 2, Refused: 2, Prompt: 200, Completion: 40},
		meter.Row{Minute: minute + 3, Tenant: "a", Model: "other", Requests: 99, Completed: 99, Prompt: 99, Completion: 99},
	)
	all, found := arrivalsOf(t, Traffic{Path: path, Model: "chat"})
	if len(all) != 19 || all[14].At > time.Minute || all[15].At < 3*time.Minute || all[18].At > 4*time.Minute {
		t.Errorf("have %+v", all)
	}
	// The two refused ones are assumed to be like the two answered.
	if prompt, output := totals(all[15:]); prompt != 400 || output != 80 {
		t.Errorf("the last minute has %d and %d tokens", prompt, output)
	}
	if want := weir.Instant(minute * int64(time.Minute)); found.Start != want {
		t.Errorf("it began at %v, want %v", found.Start, want)
	}
}

func TestAJournalIsPlayedFromLineToLine(t *testing.T) {
	path := filepath.Join(t.TempDir(), "weir.Journal")
	text := `{"v":1,"deployment":"embed/a","observation":{"now":1000000000000,"arrived":7}}
{"v":1,"deployment":"chat/a","observation":{"now":1000000000000,"signal_age":0,"arrived":5,"arrived_prompt":500,"arrived_output":50}}
{"v":1,"deployment":"chat/a","observation":{"now":1002000000000,"signal_age":0,"arrived":8,"arrived_prompt":1500,"arrived_output":90}}
{"v":1,"deployment":"chat/b","observation":{"now":1002000000000,"signal_age":0,"arrived":8,"arrived_prompt":1500,"arrived_output":90}}
{"v":1,"deployment":"chat/a","observation":{"now":1004000000000,"signal_age":2000000000,"arrived":8,"arrived_prompt":1500,"arrived_output":90}}
{"v":1,"deployment":"chat/a","observation":{"now":1900000000000,"signal_age":0,"arrived":2,"arrived_prompt":20,"arrived_output":10}}
{"v":1,"deployment":"chat/a","obser`
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	all, found := arrivalsOf(t, Traffic{Path: path, Model: "chat", Deployments: []string{"chat/b", "chat/a"}})
	if len(all) != 5 || found.Start != 1_000_000_000_000 {
		t.Fatalf("have %+v from %v", all, found.Start)
	}
	if prompt, output := totals(all[:3]); prompt != 1000 || output != 40 || all[2].At > 2*time.Second {
		t.Errorf("between the first two lines came %+v", all[:3])
	}
	// A restarted gateway counts from zero, and has not run for long.
	if prompt, _ := totals(all[3:]); prompt != 20 || all[3].At < 890*time.Second {
		t.Errorf("after the restart came %+v", all[3:])
	}
}

func TestAJournalWithADamagedLineIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "weir.Journal")
	text := `{"v":1,"deployment":"chat/a","observation":{"now":1000,"arrived":5}}
{"v":1,"deploy
{"v":1,"deployment":"chat/a","observation":{"now":2000,"arrived":8}}
`
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := NewTraffic(t.Context(), Traffic{Path: path, Factor: 1, Deployments: []string{"chat/a"}}); err == nil {
		t.Error("a journal is played that lacks a line in its middle")
	}
}

func TestAzuresTraceBeginsWhenItSays(t *testing.T) {
	path := filepath.Join(t.TempDir(), "azure.csv.gz")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	z := gzip.NewWriter(f)
	// As published in 2023 and in 2024.
	for _, line := range []string{"TIMESTAMP,ContextTokens,GeneratedTokens\n",
		"2024-05-10 00:00:00.009930+00:00,2162,5\n", "2024-05-10 00:00:01+00:00,2399,6\n", "2024-05-10 00:00:02.5000000,10,1\n"} {
		if _, err := z.Write([]byte(line)); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	all, found := arrivalsOf(t, Traffic{Path: path})
	if len(all) != 3 || all[0].At != 0 || all[1].At != 990_070*time.Microsecond || all[2].Prompt != 10 {
		t.Errorf("have %+v", all)
	}
	if want := weir.At(time.Date(2024, 5, 10, 0, 0, 0, 9_930_000, time.UTC)); found.Start != want {
		t.Errorf("it began at %v, want %v", found.Start, want)
	}
}

func TestTheBarKnowsHowFarEveryKindOfTrafficIs(t *testing.T) {
	ledger := ledgerOf(t, meter.Row{Minute: 100, Model: "chat", Requests: 600, Prompt: 600, Completion: 600},
		meter.Row{Minute: 109, Model: "chat", Requests: 600, Prompt: 600, Completion: 600})
	for _, in := range []Traffic{{}, {Path: ledger, Model: "chat"}, {To: 5 * time.Minute}} {
		in.Factor, in.Seed = 1, 1
		found, err := NewTraffic(t.Context(), in)
		if err != nil {
			t.Fatal(err)
		}
		o, err := found.open()
		if err != nil {
			t.Fatal(err)
		}
		last := 0.0
		for {
			a, err := o.Next()
			if err != nil {
				break
			}
			done := found.done(o, a.At)
			if done < last || done > 1 {
				t.Fatalf("%+v: %v after %v", in, done, last)
			}
			last = done
		}
		if last < 0.9 {
			t.Errorf("%+v: at the end %v was done", in, last)
		}
		o.close()
	}
}
