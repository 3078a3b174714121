package needs

import (
	"testing"

	"weir/price"
)

const workers = `
models:
- name: bge-m3
  deployments:
  - name: bge-m3/aci
    aci: {location: swedencentral, image: "r.example/w:1", address: public, cpu: 4}
    scaling: {min: 0, max: 10}
`

func TestContainerGroupsCountByCoresAndByNumber(t *testing.T) {
	prices, err := price.Default()
	if err != nil {
		t.Fatal(err)
	}
	c, cloud := emulated(t, workers, map[string]int{"StandardCores": 24, "ContainerGroups": 10})
	f := func(want Need) {
		t.Helper()
		page, err := Of(t.Context(), c, prices)
		if err != nil || len(page.Faults) > 0 || len(page.Needs) != 1 || page.Needs[0] != want {
			t.Errorf("%+v, %v\nwant %+v", page.Needs, err, want)
		}
	}
	f(Need{Deployment: "bge-m3/aci", Most: "10 groups of 4 cores", Request: 16,
		Said: "needs 40 cores of StandardCores in swedencentral; 24 are free: request 16 more, a limit of 40; needs 10 groups of ContainerGroups in swedencentral; 10 are free"})
	cloud.SetQuota("StandardCores", 40)
	f(Need{Deployment: "bge-m3/aci", Most: "10 groups of 4 cores", OK: true,
		Said: "needs 40 cores of StandardCores in swedencentral; 40 are free; needs 10 groups of ContainerGroups in swedencentral; 10 are free"})
}
