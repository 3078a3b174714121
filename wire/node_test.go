package wire

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"weir/config"
	"weir/node"
	"weir/price"
)

const twoKinds = `
log: {level: warn}
machine: {first_port: 21000, last_port: 21009}
tenants: [{name: t, keys: [{name: k, hash: "sha256:abababababababababababababababababababababababababababababababab"}]}]
models:
  - name: chat
    slo: {ttft: 2s, tpot: 100ms}
    deployments:
      - name: chat/own
        process: {command: [serve, "{port}"], metrics: /m}
        scaling: {min: 1, max: %s}
      - name: chat/there
        tier: 1
        external: {urls: ["http://10.0.0.5:8000"], metrics: /metrics}
`

func parsed(t *testing.T, most string) (*config.Config, error) {
	t.Helper()
	return config.Parse("weir.yaml", []byte(fmt.Sprintf(twoKinds, most)))
}

// A node's setup names the place of each deployment, and that place is opened
// with it. External servers have none.
func TestEachDeploymentHasItsPlace(t *testing.T) {
	c, err := parsed(t, "3")
	if err != nil {
		t.Fatal(err)
	}
	most := "4"
	o, err := Node(c, func() (*config.Config, error) { return parsed(t, most) }, price.Default, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	var places []string
	for _, d := range o.Setup.Deployments {
		places = append(places, d.Name+" "+d.Place+" "+d.Metrics+" "+strings.Join(d.Servers, ","))
	}
	if want := "chat/own processes /m |chat/there  /metrics http://10.0.0.5:8000"; strings.Join(places, "|") != want {
		t.Errorf("have %q, want %q", strings.Join(places, "|"), want)
	}
	if d := o.Setup.Deployments[0]; d.Scaling.Policy.Max != 3 || o.Setup.Deployments[1].Scaling != nil {
		t.Errorf("%+v", d.Scaling)
	}
	if len(o.Places) != 4 || o.Places[0].Name != Process || !o.Places[0].Alone || o.Places[1].Name != Kubernetes || o.Places[1].Alone || o.Places[2].Name != AzureML || o.Places[2].Alone || o.Places[3].Name != ACI || o.Places[3].Alone {
		t.Errorf("%+v", o.Places)
	}

	opened, err := o.Places[0].Open(node.Host{})
	if err != nil {
		t.Fatal(err)
	}
	next, err := o.Load()
	if err != nil || next.Deployments[0].Scaling.Policy.Max != 4 || len(next.Changes) != 4 {
		t.Fatalf("%+v %v", next, err)
	}
	if err := errors.Join(next.Changes[0].Check(), next.Changes[0].Apply()); err != nil {
		t.Error(err)
	}
	if _, err := opened.Status(t.Context(), "chat/own"); err != nil {
		t.Error(err)
	}
	if _, err := opened.Status(t.Context(), "chat/there"); err == nil {
		t.Error("the place of processes has a deployment that is external")
	}

	most = "many"
	var faults *node.Faults
	if _, err := o.Load(); !errors.As(err, &faults) || len(faults.All) != 1 || !strings.HasPrefix(faults.All[0].At, "weir.yaml:") {
		t.Errorf("%+v %v", faults, err)
	}
}

// A reload reads the prices again, as a start does: unreadable prices refuse
// it.
func TestAReloadReadsThePricesAgain(t *testing.T) {
	c, err := parsed(t, "3")
	if err != nil {
		t.Fatal(err)
	}
	var broken error
	prices := func() (*price.Catalogue, error) {
		if broken != nil {
			return nil, broken
		}
		return price.Default()
	}
	o, err := Node(c, func() (*config.Config, error) { return c, nil }, prices, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	broken = errors.New("prices.yaml: not a number")
	if _, err := o.Load(); !errors.Is(err, broken) {
		t.Errorf("a reload with prices that cannot be read: %v", err)
	}
	broken = nil
	if _, err := o.Load(); err != nil {
		t.Error(err)
	}
}
