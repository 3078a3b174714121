package emulate

import "testing"

// A resize changes what is admitted at once, and keeps what was admitted.
func TestAResizedDeploymentKeepsItsLevel(t *testing.T) {
	a, err := NewAzure(AzureOptions{Grows: true})
	if err != nil {
		t.Fatal(err)
	}
	put := func(d AzureDeployment) {
		t.Helper()
		if err := a.Put(d); err != nil {
			t.Fatal(err)
		}
	}
	put(AzureDeployment{Name: "std", Model: "m", SKU: "GlobalStandard", TPM: 1000})
	spec := AzureDeployment{Name: "ptu", Model: "m", SKU: "ProvisionedManaged", PTU: 10, InputTPM: 600, OutputWeight: 4, Spillover: "std"}
	put(spec)
	d := a.named("ptu")
	d.bucket.take(a.now(), 500)
	spec.PTU = 20
	put(spec)
	if a.named("ptu") != d || d.bucket.drain != 200 || d.bucket.full != 2000 || d.bucket.level > 500 || d.bucket.level < 400 {
		t.Errorf("20 PTUs: drains %v, holds %v of %v", d.bucket.drain, d.bucket.level, d.bucket.full)
	}
	spec.Spillover = "none"
	if err := a.Put(spec); err == nil {
		t.Error("it spills to nothing")
	}
	a.Remove("ptu")
	if all := a.Deployments(); len(all) != 1 || all[0].Name != "std" || a.named("ptu") != nil {
		t.Errorf("left: %+v", all)
	}
	put(AzureDeployment{Name: "std", Model: "other", SKU: "GlobalStandard", TPM: 1000})
	if a.named("std").Model != "other" {
		t.Error("another model is another deployment")
	}
}
