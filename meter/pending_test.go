package meter

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"weir"
)

func record(tenant string, ended weir.Instant) weir.Record {
	return weir.Record{Tenant: tenant, Model: "gpt-4o", Deployment: "ptu", Ended: ended,
		Usage: weir.Usage{Prompt: 100, Cached: 40, Completion: 20}, Cost: 400}
}

func TestRecordsOfOneMinuteAreOneRow(t *testing.T) {
	var p Pending
	at := weir.Instant(90 * minute)
	p.Add(record("demo", at))
	estimated := record("demo", at.Add(59_999_999_999))
	estimated.Outcome, estimated.Usage.Estimated = weir.Failure, true
	p.Add(estimated)
	p.Add(weir.Record{Tenant: "demo", Model: "gpt-4o", Deployment: "ptu", Ended: at, Outcome: weir.Refused})
	p.Add(record("demo", at.Add(60_000_000_000)))
	want := []Row{
		{Minute: 90, Tenant: "demo", Model: "gpt-4o", Deployment: "ptu", Requests: 3, Completed: 1, Refused: 1, Failed: 1, Estimated: 1,
			Prompt: 200, Cached: 80, Completion: 40, Cost: 800},
		{Minute: 91, Tenant: "demo", Model: "gpt-4o", Deployment: "ptu", Requests: 1, Completed: 1, Prompt: 100, Cached: 40, Completion: 20, Cost: 400},
	}
	if got := p.Take(); !slices.Equal(got, want) {
		t.Fatalf("got  %+v\nwant %+v", got, want)
	}
	if p.Len() != 0 || p.Take() != nil {
		t.Fatal("what is taken is gone")
	}
}

func TestMinutesRoundDownBefore1970Too(t *testing.T) {
	for at, want := range map[weir.Instant]int64{0: 0, 1: 0, -1: -1, -weir.Instant(minute): -1, -weir.Instant(minute) - 1: -2} {
		if got := minuteOf(at); got != want {
			t.Errorf("minute of %d is %d, want %d", at, got, want)
		}
	}
}

func TestReturnedRowsAreNotLostAndAreJoined(t *testing.T) {
	var p Pending
	p.Add(record("demo", 0))
	rows := p.Take()
	p.Add(record("demo", 0))
	p.Return(rows)
	if got := p.Take(); len(got) != 1 || got[0].Requests != 2 || got[0].Cost != 800 {
		t.Fatalf("%+v", got)
	}
}

func TestWhatDoesNotFitIsCountedUnderOther(t *testing.T) {
	p := Pending{Max: 2}
	for i := range 5 {
		p.Add(record(fmt.Sprint(i), 0))
	}
	got := p.Take()
	if len(got) != 3 || got[2].Tenant != Other || got[2].Model != Other || got[2].Deployment != Other || got[2].Requests != 3 {
		t.Fatalf("%+v", got)
	}
	if p.Coarsened() != 3 {
		t.Fatal(p.Coarsened())
	}
}

func TestMinutesOfOtherAreBoundedByADay(t *testing.T) {
	p := Pending{Max: 1}
	for i := range 3 * maxOtherMinutes {
		p.Add(record("demo", weir.Instant(i)*weir.Instant(minute)))
	}
	rows := p.Take()
	if len(rows) != 1+maxOtherMinutes {
		t.Fatal(len(rows))
	}
	if last := rows[len(rows)-1]; last.Requests != 2*maxOtherMinutes {
		t.Fatalf("the newest row takes what is later still: %+v", last)
	}
}

// Under any sequence of adding, taking and returning the counts add up and memory
// is bounded.
func TestNothingIsEverLost(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := Pending{Max: rapid.IntRange(1, 5).Draw(t, "max")}
		var added, written Row
		for range rapid.IntRange(0, 60).Draw(t, "steps") {
			if rapid.IntRange(0, 4).Draw(t, "do") > 0 {
				rec := record(rapid.SampledFrom([]string{"", "a", "b", "c", Other}).Draw(t, "tenant"), weir.Instant(rapid.Int64Range(0, 5).Draw(t, "minute"))*weir.Instant(minute))
				rec.Outcome = weir.Outcome(rapid.IntRange(0, 2).Draw(t, "outcome"))
				p.Add(rec)
				added.Add(RowOf(rec))
				continue
			}
			rows := p.Take()
			if !slices.IsSortedFunc(rows, Compare) {
				t.Fatalf("not in order: %+v", rows)
			}
			if rapid.Bool().Draw(t, "write fails") {
				p.Return(rows)
				continue
			}
			for _, r := range rows {
				written.Add(r)
			}
		}
		if p.Len() > p.Max+6 {
			t.Fatalf("%d rows held with a bound of %d and six minutes", p.Len(), p.Max)
		}
		for _, r := range p.Take() {
			written.Add(r)
		}
		if written != added {
			t.Fatalf("added   %+v\nwritten %+v", added, written)
		}
		if added.Requests != added.Completed+added.Refused+added.Failed {
			t.Fatalf("%+v", added)
		}
	})
}

func BenchmarkPendingAdd(b *testing.B) {
	var p Pending
	var recs [500]weir.Record
	for i := range recs {
		recs[i] = record(fmt.Sprint("tenant", i), 0)
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		p.Add(recs[i%len(recs)])
	}
}
