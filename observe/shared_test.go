package observe_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"

	"weir/observe"
)

func TestSharedLimitsAreShownWithWhatIsHeldOfThem(t *testing.T) {
	m := observe.New(observe.Build{})
	m.Watch(observe.Sources{Shared: func() observe.Shared {
		return observe.Shared{Connected: true, Gateways: 3, Visits: 10, Failures: 1, Leases: []observe.Lease{
			{Scope: "tenant=demo", Limit: "tokens_per_minute", Units: 4000}, {Scope: "all", Limit: "max_concurrent", Units: 7},
		}}
	}})
	has(t, scrape(t, m), "weir_shared_connected 1", "weir_shared_gateways 3", "weir_shared_visits_total 10", "weir_shared_failures_total 1",
		`weir_shared_lease_units{limit="tokens_per_minute",scope="tenant=demo"} 4000`, `weir_shared_lease_units{limit="max_concurrent",scope="all"} 7`)
	problems, err := promlint.New(strings.NewReader(strings.Join(body(t, m), "\n") + "\n")).Lint()
	if err != nil || len(problems) > 0 {
		t.Fatal(err, problems)
	}
}

func TestLeasesBeyondTheBoundAreNotShown(t *testing.T) {
	m := observe.New(observe.Build{})
	m.Watch(observe.Sources{Shared: func() observe.Shared {
		var s observe.Shared
		for i := range 6000 {
			s.Leases = append(s.Leases, observe.Lease{Scope: fmt.Sprint("tenant=", i), Limit: "tokens_per_minute"})
		}
		return s
	}})
	n := 0
	for _, line := range scrape(t, m) {
		if strings.HasPrefix(line, "weir_shared_lease_units{") {
			n++
		}
	}
	if n != 5000 {
		t.Errorf("%d series", n)
	}
}
