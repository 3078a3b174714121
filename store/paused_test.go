package store

import (
	"database/sql"
	"testing"

	"weir/meter"
	"weir/store/storetest"
)

// A gateway that is stopped in the middle of a write keeps its rows locked
// until the server ends its transaction. The others write the same names
// meanwhile.
func TestAWriteThatHangsHoldsUpNoOtherGateway(t *testing.T) {
	url := storetest.Start(t).Database()
	var two [2]*DB
	for i, name := range []string{"hangs", "goes on"} {
		d, err := OpenPostgres(t.Context(), PostgresOptions{URL: url, Gateway: name})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := d.Close(); err != nil {
				t.Error(err)
			}
		})
		two[i] = d
	}
	rows := []meter.Row{aRow("demo")}
	err := two[0].within(t.Context(), func(tx *sql.Tx) error {
		if err := two[0].add(t.Context(), tx, rows); err != nil {
			return err
		}
		return two[1].Write(t.Context(), aBatch(rows...)) // before the first commits
	})
	if err != nil {
		t.Fatal(err)
	}
	if n := requests(t, two[0]); n != 2 {
		t.Fatalf("%d requests, want 2", n)
	}
}
