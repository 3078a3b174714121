package store_test

import (
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pressly/goose/v3"

	"weir/meter"
	"weir/store"
	"weir/store/storetest"
)

func openPostgres(t testing.TB, url, gateway string) *store.DB {
	t.Helper()
	d, err := store.OpenPostgres(t.Context(), store.PostgresOptions{URL: url, Gateway: gateway})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	return d
}

func TestPostgresIsALedger(t *testing.T) {
	server := storetest.Start(t)
	storetest.Ledger(t, func(t *testing.T) meter.Ledger { return openPostgres(t, server.Database(), "one") })
}

func rowsOf(names ...string) []meter.Row {
	var rows []meter.Row
	for _, name := range names {
		rows = append(rows, meter.Row{Minute: 100, Tenant: name, Model: "m", Deployment: "d", Requests: 1, Completed: 1})
	}
	return rows
}

func requestsIn(t *testing.T, d *store.DB) (n int64) {
	t.Helper()
	rows, err := d.Usage(t.Context(), meter.Query{Step: meter.Whole, AllTenants: true})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range rows {
		n += r.Requests
	}
	return n
}

func TestSeveralGatewaysThatStartAtOnceMigrateOnceAndAddUp(t *testing.T) {
	url := storetest.Start(t).Database()
	const gateways, batches = 4, 10
	var all sync.WaitGroup
	for i := range gateways {
		all.Go(func() {
			d, err := store.OpenPostgres(t.Context(), store.PostgresOptions{URL: url, Gateway: fmt.Sprint("gw", i)})
			if err != nil {
				t.Error(err)
				return
			}
			for n := range batches {
				if err := d.Write(t.Context(), meter.Batch{Writer: fmt.Sprint(i), Number: int64(n + 1), Rows: rowsOf("b", "a", "b")}); err != nil {
					t.Error(err)
				}
			}
			if err := d.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	d := openPostgres(t, url, "reader")
	if n := requestsIn(t, d); n != gateways*batches*3 {
		t.Fatalf("%d requests, want %d", n, gateways*batches*3)
	}
	rows, err := d.Usage(t.Context(), meter.Query{})
	if err != nil || len(rows) != 2 {
		t.Fatalf("usage adds over gateways: got %+v, %v", rows, err)
	}
}

// A database of the release before saved money keeps its rows, and takes those of gateways
// that still run that release.
func TestADatabaseWithoutSavedMoneyKeepsItsRows(t *testing.T) {
	url := storetest.Start(t).Database()
	old, err := sql.Open("pgx", url)
	if err != nil {
		t.Fatal(err)
	}
	defer old.Close()
	p, err := goose.NewProvider(goose.DialectPostgres, old, os.DirFS("migrations/postgres"), goose.WithDisableGlobalRegistry(true))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.UpTo(t.Context(), 3); err != nil {
		t.Fatal(err)
	}
	const row = `INSERT INTO usage_minute (minute, tenant, key, model, deployment, price, gateway, requests, completed, refused, failed, estimated,
		prompt_tokens, cached_tokens, completion_tokens, cost_microdollars, written_tokens, written_hour_tokens, audio_prompt_tokens, reasoning_tokens, audio_completion_tokens)
		VALUES (100, $1, '', 'm', 'd', '', 'old', 10, 7, 2, 1, 0, 1000, 400, 200, 4000, 1, 2, 3, 4, 5)`
	if _, err := old.Exec(row, "before"); err != nil {
		t.Fatal(err)
	}
	d := openPostgres(t, url, "new")
	if _, err := old.Exec(row, "after"); err != nil {
		t.Fatal(err)
	}
	saved := meter.Row{Minute: 100, Tenant: "saved", Model: "m", Requests: 1, Completed: 1, Stored: 1, SavedTokens: 30, Saved: 12}
	if err := d.Write(t.Context(), meter.Batch{Writer: "w", Number: 1, Rows: []meter.Row{saved}}); err != nil {
		t.Fatal(err)
	}
	want := meter.Row{Minute: 100, Requests: 10, Completed: 7, Refused: 2, Failed: 1, Prompt: 1000, Cached: 400, Completion: 200, Cost: 4000, Model: "m", Deployment: "d",
		Classes: meter.Classes{Written: 1, WrittenHour: 2, AudioPrompt: 3, Reasoning: 4, AudioAnswer: 5}}
	before, after := want, want
	before.Tenant, after.Tenant = "before", "after"
	got, err := d.Usage(t.Context(), meter.Query{})
	if all := []meter.Row{after, before, saved}; err != nil || !slices.Equal(got, all) {
		t.Errorf("got  %+v, %v\nwant %+v", got, err, all)
	}
}

// The server is killed, restarted and frozen while records arrive: adding one
// never waits, and in the end each has counted once.
func TestAServerThatIsKilledOrFrozenHoldsUpNobodyAndLosesNothing(t *testing.T) {
	server := storetest.Start(t)
	url := server.Database()
	d := openPostgres(t, url, "gw")
	w, stop := running(t, d, store.WriterOptions{Every: 10 * time.Millisecond, WriteLimit: 300 * time.Millisecond, MaxRows: 50})
	added := 0
	some := func() {
		for i := range 500 {
			w.Add(record(fmt.Sprint(i % 20)))
			added++
		}
	}
	failures := func(more uint64) {
		t.Helper()
		want := w.Stats().Failures + more
		eventually(t, func() bool { some(); return w.Stats().Failures >= want })
	}
	written := func() {
		t.Helper()
		eventually(t, func() bool { return w.Stats().Rows == 0 })
	}
	some()
	written()
	for range 2 {
		server.Kill()
		failures(2)
		server.Restart()
		written()
		goOn := server.Pause()
		failures(1)
		goOn()
		written()
	}
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	if n := requestsIn(t, d); n != int64(added) {
		t.Fatalf("%d requests in the ledger, %d were added", n, added)
	}
}

// eventually tries every few milliseconds, long enough for any machine.
func eventually(t *testing.T, is func() bool) {
	t.Helper()
	for began := time.Now(); !is(); time.Sleep(5 * time.Millisecond) {
		if time.Since(began) > time.Minute {
			t.Fatal("it did not come to it within a minute")
		}
	}
}

func TestADatabaseThatIsNotThereIsNotWaitedFor(t *testing.T) {
	server := storetest.Start(t)
	url := strings.Replace(server.Database(), "weir_1", "nowhere", 1)
	_, err := store.OpenPostgres(t.Context(), store.PostgresOptions{URL: url, Wait: 24 * time.Hour})
	if err == nil || !strings.Contains(err.Error(), `"nowhere" does not exist`) {
		t.Fatal(err)
	}
	server.Kill()
	_, err = store.OpenPostgres(t.Context(), store.PostgresOptions{URL: url, Wait: time.Millisecond})
	if err == nil || !strings.Contains(err.Error(), "start the server, or correct store.postgres") {
		t.Fatal(err)
	}
}

func TestAPasswordIsInNoError(t *testing.T) {
	for _, url := range []string{
		"postgres://weir:geheim@127.0.0.1:1/db?connect_timeout=1",
		"postgres://weir:geheim@127.0.0.1:port/db",
		"host=/nowhere password=geheim sslmode=whatever",
	} {
		_, err := store.OpenPostgres(t.Context(), store.PostgresOptions{URL: url, Wait: time.Millisecond})
		if err == nil || strings.Contains(err.Error(), "geheim") {
			t.Errorf("%v", err)
		}
	}
}

func TestOldUsageIsDeletedAndTheRestIsKept(t *testing.T) {
	server := storetest.Start(t)
	for name, d := range map[string]*store.DB{
		"sqlite":   openAt(t, filepath.Join(t.TempDir(), "weir.db")),
		"postgres": openPostgres(t, server.Database(), "gw"),
	} {
		t.Run(name, func(t *testing.T) {
			const old, kept = 12_000, 500 // rows: more than two deletes
			var rows []meter.Row
			for i := range old + kept {
				rows = append(rows, meter.Row{Minute: int64(i / 2), Tenant: fmt.Sprint(i % 2), Requests: 1})
			}
			if err := d.Write(t.Context(), meter.Batch{Writer: "w", Number: 1, Rows: rows}); err != nil {
				t.Fatal(err)
			}
			n, err := d.Trim(t.Context(), old/2, 0)
			if err != nil || n != old {
				t.Fatalf("deleted %d, %v; want %d", n, err, old)
			}
			if n, err = d.Trim(t.Context(), old/2, 0); err != nil || n != 0 {
				t.Fatalf("deleted %d more, %v", n, err)
			}
			if got := requestsIn(t, d); got != kept {
				t.Fatalf("%d are left, want %d", got, kept)
			}
			// A writer that has just written is not forgotten: its batch counts
			// once.
			if err := d.Write(t.Context(), meter.Batch{Writer: "w", Number: 1, Rows: rows}); err != nil {
				t.Fatal(err)
			}
			if got := requestsIn(t, d); got != kept {
				t.Fatalf("%d after the same batch once more, want %d", got, kept)
			}
		})
	}
}
