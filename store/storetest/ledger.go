// Package storetest says what every meter.Ledger must do, as a test suite: each
// implementation runs it against a real database.
package storetest

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"weir"
	"weir/meter"
)

// Ledger runs the suite. open returns an empty ledger; it closes it by t.Cleanup.
func Ledger(t *testing.T, open func(t *testing.T) meter.Ledger) {
	for _, fact := range []struct {
		name string
		test func(*testing.T, meter.Ledger)
	}{
		{"an empty ledger answers with no rows", emptyAnswersNothing},
		{"writing no rows is fine", writesNothing},
		{"writing adds to what is there", writingAdds},
		{"rows of one write may share their names", oneWriteMayRepeat},
		{"a batch that is written again counts once", againCountsOnce},
		{"a batch without a name is refused", unnamedIsRefused},
		{"keys are told apart, or not", keysApart},
		{"a name that is no text does not make a batch unwritable", noText},
		{"names are told apart as bytes", namesAreBytes},
		{"counts hold what int64 holds", countsAreWide},
		{"a failed write changes nothing", failedWriteChangesNothing},
		{"too many rows is an error, never half an answer", tooManyRows},
		{"hours and days are in UTC", stepsAreUTC},
		{"concurrent writers and readers lose nothing", concurrentWriters},
	} {
		t.Run(strings.ReplaceAll(fact.name, " ", "_"), func(t *testing.T) { fact.test(t, open(t)) })
	}
	t.Run("any_writes_and_queries_answer_as_plain_sums", func(t *testing.T) { answersAsModel(t, open) })
}

func emptyAnswersNothing(t *testing.T, l meter.Ledger) {
	if rows := usage(t, l, meter.Query{}); len(rows) != 0 {
		t.Fatalf("got %v", rows)
	}
}

func writesNothing(t *testing.T, l meter.Ledger) {
	write(t, l)
	if rows := usage(t, l, meter.Query{}); len(rows) != 0 {
		t.Fatalf("got %v", rows)
	}
}

func writingAdds(t *testing.T, l meter.Ledger) {
	r := row(100, "demo", "gpt-4o", "ptu")
	write(t, l, r)
	write(t, l, r)
	want := r
	want.Add(r)
	equal(t, usage(t, l, meter.Query{}), []meter.Row{want})
}

func oneWriteMayRepeat(t *testing.T, l meter.Ledger) {
	r := row(100, "demo", "gpt-4o", "ptu")
	write(t, l, r, r, r)
	want := r
	want.Add(r)
	want.Add(r)
	equal(t, usage(t, l, meter.Query{}), []meter.Row{want})
}

func againCountsOnce(t *testing.T, l meter.Ledger) {
	first := batch(row(100, "demo", "m", "d"))
	second := meter.Batch{Writer: first.Writer, Number: 2, Rows: []meter.Row{row(101, "demo", "m", "d")}}
	other := batch(row(100, "demo", "m", "d"))
	for _, b := range []meter.Batch{first, first, second, first, second, other} {
		if err := l.Write(t.Context(), b); err != nil {
			t.Fatal(err)
		}
	}
	twice := first.Rows[0]
	twice.Add(twice)
	equal(t, usage(t, l, meter.Query{}), []meter.Row{twice, second.Rows[0]})
}

func unnamedIsRefused(t *testing.T, l meter.Ledger) {
	for _, b := range []meter.Batch{{Number: 1}, {Writer: "w"}} {
		b.Rows = []meter.Row{row(1, "demo", "m", "d")}
		if err := l.Write(t.Context(), b); err == nil {
			t.Errorf("%+v was written", b)
		}
	}
	equal(t, usage(t, l, meter.Query{}), nil)
}

func keysApart(t *testing.T, l meter.Ledger) {
	a, b := row(1, "demo", "m", "d"), row(1, "demo", "m", "d")
	a.Key, b.Key = "a", "b"
	write(t, l, b, a)
	equal(t, usage(t, l, meter.Query{}), []meter.Row{a, b})
	equal(t, usage(t, l, meter.Query{Key: "b"}), []meter.Row{b})
	both := row(1, "demo", "m", "d")
	both.Add(both)
	equal(t, usage(t, l, meter.Query{AllKeys: true}), []meter.Row{both})
}

func noText(t *testing.T, l meter.Ledger) {
	write(t, l, row(1, "a\x00b", "\xff", "d"))
	kept := row(1, "a\uFFFDb", "\uFFFD", "d")
	equal(t, usage(t, l, meter.Query{}), []meter.Row{kept})
	equal(t, usage(t, l, meter.Query{Tenant: "a\x00b"}), []meter.Row{kept})
}

func namesAreBytes(t *testing.T, l meter.Ledger) {
	var rows []meter.Row
	for _, name := range []string{"", " ", "%", "'", "A", "a", "a ", "ab", "é", "日本"} {
		rows = append(rows, row(7, name, "m", "d"))
	}
	write(t, l, rows...)
	equal(t, usage(t, l, meter.Query{}), rows)
	equal(t, usage(t, l, meter.Query{Tenant: "a"}), []meter.Row{row(7, "a", "m", "d")})
	equal(t, usage(t, l, meter.Query{Tenant: "' OR 1=1 --"}), nil)
}

func countsAreWide(t *testing.T, l meter.Ledger) {
	r := row(100, "demo", "m", "d")
	r.Prompt, r.Cost = 1<<61, weir.Money(-1<<61)
	write(t, l, r)
	write(t, l, r)
	got := usage(t, l, meter.Query{})
	if len(got) != 1 || got[0].Prompt != 1<<62 || got[0].Cost != -1<<62 {
		t.Fatalf("got %v", got)
	}
}

func failedWriteChangesNothing(t *testing.T, l meter.Ledger) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := l.Write(ctx, batch(row(1, "demo", "m", "d"))); !errors.Is(err, context.Canceled) {
		t.Fatalf("a write that may not run says so: got %v", err)
	}
	equal(t, usage(t, l, meter.Query{}), nil)
	write(t, l, row(2, "demo", "m", "d"))
	equal(t, usage(t, l, meter.Query{}), []meter.Row{row(2, "demo", "m", "d")})
}

func tooManyRows(t *testing.T, l meter.Ledger) {
	write(t, l, row(1, "a", "m", "d"), row(1, "b", "m", "d"), row(1, "c", "m", "d"))
	if _, err := l.Usage(t.Context(), meter.Query{Limit: 2}); !errors.Is(err, meter.ErrTooManyRows) || !strings.Contains(err.Error(), "2") {
		t.Fatalf("want ErrTooManyRows naming the limit, got %v", err)
	}
	if rows := usage(t, l, meter.Query{Limit: 3}); len(rows) != 3 {
		t.Fatalf("got %v", rows)
	}
}

func stepsAreUTC(t *testing.T, l meter.Ledger) {
	const midnight = 20_000 * 24 * 60 // minutes
	write(t, l, row(midnight-1, "a", "m", "d"), row(midnight, "a", "m", "d"), row(midnight+59, "a", "m", "d"), row(midnight+60, "a", "m", "d"))
	for _, c := range []struct {
		step meter.Step
		want []int64
	}{
		{meter.PerMinute, []int64{midnight - 1, midnight, midnight + 59, midnight + 60}},
		{meter.PerHour, []int64{midnight - 60, midnight, midnight + 60}},
		{meter.PerDay, []int64{midnight - 24*60, midnight}},
		{meter.Whole, []int64{5}},
	} {
		var got []int64
		for _, r := range usage(t, l, meter.Query{From: 5, Step: c.step}) {
			got = append(got, r.Minute)
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("step %d: minutes %d, want %d", c.step, got, c.want)
		}
	}
}

func concurrentWriters(t *testing.T, l meter.Ledger) {
	const writers, writes = 4, 25
	var wg sync.WaitGroup
	for i := range writers {
		wg.Go(func() {
			for range writes {
				if err := l.Write(t.Context(), batch(row(1, fmt.Sprint(i), "m", "d"), row(1, "shared", "m", "d"))); err != nil {
					t.Error(err)
				}
				if _, err := l.Usage(t.Context(), meter.Query{}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	got := usage(t, l, meter.Query{Tenant: "shared"})
	if len(got) != 1 || got[0].Requests != writers*writes*row(1, "", "", "").Requests {
		t.Fatalf("got %+v", got)
	}
}

// answersAsModel compares with plain sums, for any writes and queries.
func answersAsModel(t *testing.T, open func(*testing.T) meter.Ledger) {
	names := rapid.SampledFrom([]string{"", "a", "b", "other"})
	rows := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) meter.Row {
		n := rapid.Int64Range(0, 1000)
		return meter.Row{Minute: rapid.Int64Range(0, 5000).Draw(t, "minute"), Tenant: names.Draw(t, "tenant"),
			Key: names.Draw(t, "key"), Model: names.Draw(t, "model"), Deployment: names.Draw(t, "deployment"),
			Requests: n.Draw(t, "requests"), Completed: n.Draw(t, "completed"), Refused: n.Draw(t, "refused"), Failed: n.Draw(t, "failed"),
			Estimated: n.Draw(t, "estimated"), Prompt: n.Draw(t, "prompt"), Cached: n.Draw(t, "cached"), Completion: n.Draw(t, "completion"),
			Price: names.Draw(t, "price"), Classes: meter.Classes{Written: n.Draw(t, "written"), WrittenHour: n.Draw(t, "hour"), AudioPrompt: n.Draw(t, "audio"),
				Reasoning: n.Draw(t, "reasoning"), AudioAnswer: n.Draw(t, "spoken")},
			Stored: n.Draw(t, "stored"), SavedTokens: n.Draw(t, "saved tokens"), Saved: weir.Money(n.Draw(t, "saved")),
			Cost: weir.Money(n.Draw(t, "cost"))}
	}), 0, 12)
	queries := rapid.Custom(func(t *rapid.T) meter.Query {
		return meter.Query{From: rapid.Int64Range(0, 5000).Draw(t, "from"), To: rapid.Int64Range(0, 5000).Draw(t, "to"),
			Tenant: names.Draw(t, "of tenant"), Key: names.Draw(t, "of key"), Model: names.Draw(t, "of model"), Deployment: names.Draw(t, "of deployment"),
			Step:       meter.Step(rapid.IntRange(0, 3).Draw(t, "step")),
			Prices:     rapid.Bool().Draw(t, "prices"),
			AllTenants: rapid.Bool().Draw(t, "all tenants"), AllKeys: rapid.Bool().Draw(t, "all keys"), AllModels: rapid.Bool().Draw(t, "all models"), AllDeployments: rapid.Bool().Draw(t, "all deployments")}
	})
	l := open(t)
	var all []meter.Row
	rapid.Check(t, func(rt *rapid.T) {
		added := rows.Draw(rt, "rows")
		if err := l.Write(context.Background(), batch(added...)); err != nil {
			rt.Fatal(err)
		}
		all = append(all, added...)
		q := queries.Draw(rt, "query")
		got, err := l.Usage(context.Background(), q)
		if err != nil {
			rt.Fatal(err)
		}
		if want := sums(all, q); !slices.Equal(got, want) {
			rt.Fatalf("%+v:\ngot  %+v\nwant %+v", q, got, want)
		}
	})
}

// sums is the plain meaning of Usage.
func sums(all []meter.Row, q meter.Query) []meter.Row {
	var out []meter.Row
	for _, r := range all {
		if r.Minute < q.From || q.To > 0 && r.Minute >= q.To || q.Tenant != "" && r.Tenant != q.Tenant ||
			q.Key != "" && r.Key != q.Key || q.Model != "" && r.Model != q.Model || q.Deployment != "" && r.Deployment != q.Deployment {
			continue
		}
		if step := q.Step.Minutes(); step > 0 {
			r.Minute -= r.Minute % step
		} else {
			r.Minute = q.From
		}
		if q.AllTenants {
			r.Tenant = ""
		}
		if q.AllKeys {
			r.Key = ""
		}
		if q.AllModels {
			r.Model = ""
		}
		if q.AllDeployments {
			r.Deployment = ""
		}
		if !q.Prices {
			r.Price = ""
		}
		if i := slices.IndexFunc(out, func(o meter.Row) bool { return meter.Compare(o, r) == 0 }); i >= 0 {
			out[i].Add(r)
		} else {
			out = append(out, r)
		}
	}
	slices.SortFunc(out, meter.Compare)
	return out
}

// row is a row with distinct counts, which expose a mixed-up column.
func row(minute int64, tenant, model, deployment string) meter.Row {
	return meter.Row{Minute: minute, Tenant: tenant, Model: model, Deployment: deployment, Requests: 10, Completed: 7, Refused: 2,
		Failed: 1, Estimated: 3, Prompt: 1000, Cached: 400, Completion: 200, Cost: 4000,
		Classes: meter.Classes{Written: 30, WrittenHour: 31, AudioPrompt: 32, Reasoning: 33, AudioAnswer: 34},
		Stored:  35, SavedTokens: 36, Saved: 37}
}

// batch is a batch of a new writer.
func batch(rows ...meter.Row) meter.Batch {
	return meter.Batch{Writer: rand.Text(), Number: 1, Rows: rows}
}

func write(t *testing.T, l meter.Ledger, rows ...meter.Row) {
	t.Helper()
	if err := l.Write(t.Context(), batch(rows...)); err != nil {
		t.Fatal(err)
	}
}

func usage(t *testing.T, l meter.Ledger, q meter.Query) []meter.Row {
	t.Helper()
	rows, err := l.Usage(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

func equal(t *testing.T, got, want []meter.Row) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Fatalf("got  %+v\nwant %+v", got, want)
	}
}
