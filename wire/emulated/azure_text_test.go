package emulated

import (
	"strings"
	"testing"
	"time"

	"weir/emulate"
)

func TestAzureDeploymentFlags(t *testing.T) {
	ds, err := AzureDeployments([]string{
		"name=ptu,sku=ProvisionedManaged,ptu=100,model=gpt-4o,spillover=std,window=5s,utilisation=true",
		"name=std,sku=GlobalStandard,tpm=450k,rpm=600,model=gpt-4o",
	})
	if err != nil {
		t.Fatal(err)
	}
	want := []emulate.AzureDeployment{
		// The capacity of a gpt-4o PTU is Microsoft's figure, from the
		// catalogue.
		{Name: "ptu", Model: "gpt-4o", SKU: "ProvisionedManaged", PTU: 100, InputTPM: 2500, OutputWeight: 4, TokensPerSecond: 25, Spillover: "std", Window: 5 * time.Second, Utilisation: true},
		{Name: "std", Model: "gpt-4o", SKU: "GlobalStandard", TPM: 450_000, RPM: 600},
	}
	for i := range want {
		if ds[i] != want[i] {
			t.Errorf("have %+v\nwant %+v", ds[i], want[i])
		}
	}
	f := func(flag, want string) {
		t.Helper()
		if _, err := AzureDeployments([]string{flag}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v: want %q", flag, err, want)
		}
	}
	f("name=x,colour=red", `"colour"`)
	f("name=x,ptu=many", `"many"`)
	f("name=x,tpm=2000M", "at most a billion")
	f("name=x,ptu=1,model=nonsense", "nonsense")
	f("name=x,window=soon", "window")
}
