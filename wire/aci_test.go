package wire

import (
	"slices"
	"testing"
	"time"

	"weir"
	"weir/config"
	"weir/fleet/aci"
	"weir/price"
)

// inGroups is the first deployment of a file with container groups.
func inGroups(t *testing.T, scaling string) (*config.Config, *config.Deployment) {
	t.Helper()
	t.Setenv("WEIR_TEST_PULL", "p-w")
	t.Setenv("WEIR_TEST_KEY", "k-e-y")
	c, err := config.Parse("weir.yaml", []byte(`
azure: {subscription: 11111111-2222-3333-4444-555555555555, resource_group: workers, identity: cli}
tenants: [{name: t, keys: [{name: k, hash: "sha256:abababababababababababababababababababababababababababababababab"}]}]
models:
  - name: bge-m3
    deployments:
      - name: bge-m3/aci
        aci:
          location: swedencentral
          image: r.example/embed:1
          registry: {server: r.example, username: u, password: env:WEIR_TEST_PULL}
          command: [/serve]
          environment: {B: "2", A: "1"}
          secret_environment: [{name: KEY, value: env:WEIR_TEST_KEY}]
          cpu: 4
          memory: 8GB
          subnet: /subscriptions/s/resourceGroups/g/providers/Microsoft.Network/virtualNetworks/v/subnets/s
        scaling: `+scaling+`
`))
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Resolve(); err != nil {
		t.Fatal(err)
	}
	return c, &c.Models[0].Deployments[0]
}

func TestContainerGroupsAreAsTheFileSays(t *testing.T) {
	c, d := inGroups(t, "{min: 0, max: 10}")
	if PlaceOf(d) != ACI || !Elastic(d) || DrainTimeout(d) != 2*time.Minute || d.Scaling.ColdStart != time.Minute {
		t.Errorf("%s %v", PlaceOf(d), d.Scaling)
	}
	o, err := GroupOptions(c)
	if err != nil || o.Account == nil || len(o.Deployments) != 1 {
		t.Fatalf("%+v, %v", o, err)
	}
	g := o.Deployments[0]
	if g.ResourceGroup != "workers" || g.Owner != "weir" || g.CPU != 4 || g.MemoryGB != 8 || g.Port != 8000 || g.HealthPath != "/health" || g.MaxReplicas != 10 ||
		g.Registry != (aci.Registry{Server: "r.example", Username: "u", Password: "p-w"}) ||
		!slices.Equal(g.Environment, []aci.Variable{{Name: "A", Value: "1"}, {Name: "B", Value: "2"}}) || !slices.Equal(g.Secrets, []aci.Variable{{Name: "KEY", Value: "k-e-y"}}) {
		t.Errorf("%+v", g)
	}
	prices, err := price.Default()
	if err != nil {
		t.Fatal(err)
	}
	if w := Quotas(c, prices); !slices.Equal(w.Containers, []string{"swedencentral"}) {
		t.Errorf("%+v", w)
	}
}

// A group's price is that of its cores and memory, where a price file has both; the
// file's own comes first.
func TestAContainerGroupCostsItsCoresAndMemory(t *testing.T) {
	none, err := price.Default()
	if err != nil {
		t.Fatal(err)
	}
	mine, err := none.Override("mine.yaml", []byte(`
sources:
  ours: {what: "our price sheet", date: 2026-11-30}
container_instances:
- {name: aci, region: swedencentral, source: ours, vcpu_hour: 0.05, gb_hour: 0.006}
`))
	if err != nil {
		t.Fatal(err)
	}
	f := func(prices *price.Catalogue, scaling string, want weir.Money) {
		t.Helper()
		_, d := inGroups(t, scaling)
		if have, err := ReplicaPrice(d, prices); err != nil || have != want {
			t.Errorf("%s: %v, %v, want %v", scaling, have, err, want)
		}
	}
	f(none, "{max: 2}", 0)
	f(mine, "{max: 2}", 248_000) // 4 x 0.05 + 8 x 0.006
	f(mine, "{max: 2, price: {hour: $0.30}}", 300_000)
}
