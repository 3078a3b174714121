package store_test

import (
	"fmt"
	"path/filepath"
	"testing"

	"weir/meter"
	"weir/store"
	"weir/store/storetest"
)

// One second's rows of a busy gateway: 500 tenants on two deployments.
func BenchmarkWriteOneThousandRows(b *testing.B) {
	b.Run("sqlite", func(b *testing.B) { writeAThousand(b, openAt(b, filepath.Join(b.TempDir(), "weir.db"))) })
	b.Run("postgres", func(b *testing.B) { writeAThousand(b, openPostgres(b, storetest.Start(b).Database(), "bench")) })
}

func writeAThousand(b *testing.B, s *store.DB) {
	rows := make([]meter.Row, 1000)
	minute := int64(0)
	for b.Loop() {
		minute++
		for i := range rows {
			rows[i] = meter.Row{Minute: minute / 60, Tenant: fmt.Sprint("tenant", i%500), Model: "gpt-4o",
				Deployment: fmt.Sprint("deployment", i/500), Requests: 3, Completed: 3, Prompt: 3000, Completion: 600, Cost: 9000}
		}
		if err := s.Write(b.Context(), meter.Batch{Writer: "bench", Number: minute, Rows: rows}); err != nil {
			b.Fatal(err)
		}
	}
}
