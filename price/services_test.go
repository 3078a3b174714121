package price_test

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"weir"
	"weir/price"
)

func TestWhatAzureMachineLearningAllows(t *testing.T) {
	c := catalogue(t)
	service, err := c.Service("managed_online")
	if err != nil {
		t.Fatal(err)
	}
	online, err := c.OnlineEndpoint("Managed_Online")
	if err != nil {
		t.Fatal(err)
	}
	if service.QuotaFactor.Value() != 1.2 || service.MaxTimeoutS.Value() != 180 || service.MinInstances.Value() != 1 ||
		online.InstancesPerDeployment.Value() != 50 || online.DeploymentsPerEndpoint.Value() != 20 || online.Retail != price.RetailVM {
		t.Errorf("%+v\n%+v", service, online)
	}
	if _, err := online.SurchargeHour.Get(); !errors.Is(err, price.ErrUnknown) {
		t.Error("no source states a surcharge:", err)
	}
	batch, err := c.BatchEndpoint("azureml_batch")
	if err != nil {
		t.Fatal(err)
	}
	fewest, known := batch.MinNodes.Value(), batch.MinNodes.Known()
	if fewest != 0 || !known || !batch.LowPriority || batch.LowPriorityQuota != "lowPriorityCores" || batch.LowPriorityCost.Known() {
		t.Errorf("%+v", batch)
	}
}

func TestContainerInstancesHaveCPUsAlone(t *testing.T) {
	c := catalogue(t)
	service, err := c.Service("aci")
	if err != nil {
		t.Fatal(err)
	}
	aci, err := c.ContainerInstance("aci", "eastus")
	if err != nil {
		t.Fatal(err)
	}
	if service.GPU || aci.GPURetired != "2025-07-14" || aci.API != "2023-05-01" || !slices.Equal(aci.Priorities, []string{"Regular", "Spot"}) {
		t.Errorf("%+v", aci)
	}
	for _, get := range []func() (weir.Money, error){aci.VCPUHour.Get, aci.GBHour.Get} {
		if _, err := get(); !errors.Is(err, price.ErrUnknown) {
			t.Error(err)
		}
	}
}

func TestTheRedisOfNewWorkIsTheOneThatStays(t *testing.T) {
	c := catalogue(t)
	for name, want := range map[string]struct {
		port    float64
		retires string
	}{"azure_managed_redis": {10000, ""}, "azure_cache_for_redis": {6380, "2028-09-30"}, "azure_cache_for_redis_enterprise": {0, "2027-03-31"}} {
		r, err := c.Redis(name)
		if err != nil || r.Port.Value() != want.port || r.Port.Known() != (want.port > 0) || r.Retires != want.retires {
			t.Error(name, r, err)
		}
	}
	managed, _ := c.Redis("azure_managed_redis")
	if managed.Clustering[0] != "OSSCluster" || managed.Entra != price.EntraDefault || managed.Databases.Known() {
		t.Errorf("%+v", managed)
	}
	if len(c.RedisSizes()) != 0 {
		t.Error("no source states a size")
	}
	if _, err := c.RedisSize("Balanced_B0", ""); !errors.Is(err, price.ErrUnknown) {
		t.Error(err)
	}
}

func TestWhatNobodyHasMappedIsNamedAndNotAskedFor(t *testing.T) {
	c := catalogue(t)
	want := []string{"aci", "azure_managed_redis", "azure_cache_for_redis", "azure_cache_for_redis_enterprise"}
	if have := c.NotMapped(); !slices.Equal(have, want) {
		t.Errorf("have %q", have)
	}
	for _, q := range c.RetailQueries("eastus") {
		if strings.Contains(q, "Redis") || strings.Contains(q, "Container") {
			t.Error("asked without a known meter:", q)
		}
	}
}

// A price file with figures the catalogue lacks is kept in full: its figures
// are found again, the others stay as before.
func TestAUsersFileStatesWhatNoSourceDoes(t *testing.T) {
	c := catalogue(t)
	next, err := c.Override("mine.yaml", []byte(`
sources:
  deal: {what: "our agreement", date: 2026-11-01}
online_endpoints:
- {name: managed_online, source: deal, instances_per_deployment: 200, surcharge_hour: 0}
batch_endpoints:
- {name: azureml_batch, source: deal, low_priority_percent: 40}
container_instances:
- {name: aci, source: deal, max_vcpus: 4}
- {name: aci, region: westeurope, source: deal, vcpu_hour: 0.05, gb_hour: 0.005}
redis:
- {name: azure_managed_redis, source: deal, databases: 1}
redis_sizes:
- {name: B10, redis: azure_managed_redis, source: deal, memory_gb: 12}
- {name: B10, redis: azure_managed_redis, region: westeurope, source: deal, hour: 0.5}
`))
	if err = errors.Join(err, next.Validate()); err != nil {
		t.Fatal(err)
	}
	online, _ := next.OnlineEndpoint("managed_online")
	if online.InstancesPerDeployment.From().ID != "deal" || !online.SurchargeHour.Known() || online.Endpoints.From().ID != "ms-aml-quota" || online.Retail != price.RetailVM {
		t.Errorf("%+v", online)
	}
	if batch, _ := next.BatchEndpoint("azureml_batch"); batch.LowPriorityCost.Value() != 40 || batch.Retries.Value() != 3 {
		t.Errorf("%+v", batch)
	}
	west, _ := next.ContainerInstance("aci", "westeurope")
	if west.VCPUHour.Amount() != 50_000 || west.GBHour.Amount() != 5_000 || west.MaxVCPUs.Value() != 4 || west.API != "2023-05-01" {
		t.Errorf("%+v", west)
	}
	if east, err := next.ContainerInstance("aci", "eastus"); err != nil || east.VCPUHour.Known() || east.MaxVCPUs.Value() != 4 {
		t.Error("a price of one region is none of another", east, err)
	}
	size, _ := next.RedisSize("b10", "westeurope")
	if size.MemoryGB.Value() != 12 || size.Hour.Amount() != 500_000 {
		t.Errorf("%+v", size)
	}
	if changes := c.Changes(next); len(changes) != 4 {
		t.Errorf("surcharge, vCPU, GB and size are new, have %v", changes)
	}
	if old, _ := c.ContainerInstance("aci", "westeurope"); old.VCPUHour.Known() {
		t.Error("the catalogue overridden has changed")
	}
}

func TestServicesThatAreWrongAreRefused(t *testing.T) {
	c := catalogue(t)
	const deal = "sources: {deal: {what: d, date: 2026-11-01}}\n"
	for text, want := range map[string]string{
		"redis: [{name: r, source: deal, retires: soon}]":                     `retires of Redis r: "soon" is not a date`,
		"redis: [{name: r, source: deal, entra: perhaps}]":                    `entra of Redis r: "perhaps" is not a known value`,
		"redis: [{name: r, source: nobody}]":                                  `source "nobody" is not under sources`,
		"redis_sizes: [{name: s, redis: nowhere, source: deal}]":              "Redis nowhere is not in the catalogue",
		"online_endpoints: [{name: nowhere, source: deal}]":                   "service nowhere is not in the catalogue",
		"batch_endpoints: [{name: azureml_batch, source: deal, retail: ask}]": `retail of batch endpoint azureml_batch: "ask" is not a known value`,
		"container_instances: [{name: aci, source: deal, vcpu_hour: -1}]":     `"-1" is not a decimal number`,
		"container_instances: [{name: aci, source: deal, gpu_retired: 2025}]": `gpu_retired of container instance aci: "2025" is not a date`,
		"container_instances: [{region: eastus, source: deal}]":               "container_instances: entry 1 has no name",
	} {
		next, err := c.Override("mine.yaml", []byte(deal+text))
		if err == nil {
			err = next.Validate()
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s\nwant an error with %q, got %v", text, want, err)
		}
	}
}

// Every figure of these kinds has a source and a date.
func TestEveryFigureOfAServiceHasASourceAndADate(t *testing.T) {
	c := catalogue(t)
	known := 0
	for _, list := range []any{c.Services(), c.OnlineEndpoints(), c.BatchEndpoints(), c.ContainerInstances(), c.Redises(), c.RedisSizes()} {
		entries := reflect.ValueOf(list)
		for i := range entries.Len() {
			for f := range entries.Index(i).NumField() {
				figure, ok := entries.Index(i).Field(f).Interface().(interface {
					Known() bool
					From() price.Source
				})
				if !ok || !figure.Known() {
					continue
				}
				known++
				if _, dated := figure.From().AsOf(); !dated || figure.From().What == "" {
					t.Error(fmt.Sprint(figure), "has no source or no date")
				}
			}
		}
	}
	if known < 20 {
		t.Errorf("only %d figures were looked at", known)
	}
}
