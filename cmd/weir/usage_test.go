package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"weir"
	"weir/meter"
	"weir/store"
)

func TestReconcileNamesWhatDiffers(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "costs.csv")
	day := time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC).Unix() / 60
	path := ledgerOf(t, meter.Row{Minute: day, Model: "chat", Requests: 1, Completed: 1, Prompt: 1_000_000, Cached: 400_000, Completion: 150_000, Cost: 3*weir.Dollar + weir.Dollar/2})
	export := `Date,MeterName,Quantity,UnitOfMeasure,CostInBillingCurrency,BillingCurrencyCode
11/29/2026,gpt 4o 1120 Inp glbl Tokens,600,1K,1.5,USD
11/29/2026,gpt 4o 1120 cached Inp glbl Tokens,400,1K,0.5,USD
11/29/2026,gpt 4o 1120 Outp glbl Tokens,200,1K,2.0,USD
`
	if err := os.WriteFile(file, []byte(export), 0o600); err != nil {
		t.Fatal(err)
	}
	run := func(args ...string) (string, error) {
		var out bytes.Buffer
		cmd := newRoot()
		cmd.SetOut(&out)
		cmd.SetArgs(append([]string{"usage", "reconcile", file, "--store", path, "--name", "chat=gpt-4o"}, args...))
		err := cmd.ExecuteContext(t.Context())
		return out.String(), err
	}
	out, err := run()
	if err == nil || err.Error() != "2 of 4 figures differ by more than 1%" || !strings.Contains(out, "gpt-4o  output  150000  200000") || !strings.Contains(out, "gpt-4o  cost    $3.50   $4.00") {
		t.Errorf("%v\n%s", err, out)
	}
	out, err = run("--json")
	var v struct {
		Differences []struct {
			LedgerDollars weir.Money `json:"ledger_dollars"`
			ExportTokens  int64      `json:"export_tokens"`
		} `json:"differences"`
	}
	if json.Unmarshal([]byte(out), &v) != nil || len(v.Differences) != 2 || v.Differences[0].LedgerDollars != 3_500_000 || v.Differences[1].ExportTokens != 200_000 {
		t.Errorf("%v\n%s", err, out)
	}
	if out, err = run("--tolerance", "25%"); err != nil || !strings.Contains(out, "4 figures compared, 0 differ") {
		t.Errorf("%v\n%s", err, out)
	}
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
