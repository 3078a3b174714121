package observe_test

import (
	"testing"

	"weir"
)

func TestTriesOnASmallerModelAreCountedByTheModelAskedFor(t *testing.T) {
	m := made()
	for _, rec := range []weir.Record{
		{Tenant: "demo", Model: "small", Asked: "gpt-4o", Cheaper: "first"},
		{Tenant: "demo", Model: "gpt-4o", Cheaper: "accepted"},
		{Tenant: "demo", Model: "small", Asked: "gpt-4o", Cheaper: "moved"},
		{Tenant: "demo", Model: "gpt-4o"},
	} {
		m.Record(rec)
	}
	lines := scrape(t, m)
	has(t, lines, `weir_cheaper_requests_total{model="gpt-4o",result="accepted",tenant="demo"} 1`,
		`weir_cheaper_requests_total{model="gpt-4o",result="moved",tenant="demo"} 1`)
	for _, l := range lines {
		if l == `weir_cheaper_requests_total{model="other",result="first",tenant="demo"} 1` {
			t.Error(l)
		}
	}
}
