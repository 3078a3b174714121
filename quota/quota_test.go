package quota_test

import (
	"testing"

	"pgregory.net/rapid"

	"weir/price"
	"weir/quota"
)

var prices = func() *price.Catalogue {
	c, err := price.Default()
	if err != nil {
		panic(err)
	}
	return c
}()

func sized(t *testing.T, b *quota.Book, name string) quota.Size {
	t.Helper()
	s, err := b.Size(prices, name)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

var (
	sweden  = quota.At{Location: "swedencentral"}
	managed = quota.At{Location: "swedencentral", Managed: true, Workspace: "chat"}
)

// The reserve of 20 % applies by size: A100 and H100 are exempt, T4, A10 and sizes
// that no list names are not, and it is of whole instances. Node pools have none.
func TestTheReserveIsBySize(t *testing.T) {
	b := &quota.Book{Kinds: []quota.Kind{{Name: "STANDARD_DS3_V2", Family: "standardDSv2Family", VCPUs: 4}}}
	f := func(size string, n int, at quota.At, want int64) {
		t.Helper()
		if have := sized(t, b, size).Needs(n, at); have != want {
			t.Errorf("%d of %s need %d vCPUs, want %d", n, size, have, want)
		}
	}
	f("Standard_NC24ads_A100_v4", 4, managed, 96)
	f("NC24ads_A100_v4", 4, sweden, 96)
	f("Standard_ND96isr_H100_v5", 2, managed, 192)
	f("Standard_NC4as_T4_v3", 1, managed, 8)   // 1.2 is two instances
	f("Standard_NC4as_T4_v3", 5, managed, 24)  // 6
	f("Standard_NC4as_T4_v3", 10, managed, 48) // the document's own: 10 need the quota of 12
	f("Standard_NC4as_T4_v3", 5, sweden, 20)
	f("Standard_NV36ads_A10_v5", 2, managed, 108)
	f("Standard_ND96isr_H200_v5", 5, managed, 576) // on no list
	f("ds3_v2", 3, managed, 16)                    // known from Azure alone
	if _, err := b.Size(prices, "Standard_X1"); err == nil {
		t.Error("a size that neither the catalogue nor Azure knows has no error")
	}
}

func book() *quota.Book {
	return &quota.Book{Usages: []quota.Usage{
		{Service: quota.Compute, Location: "swedencentral", Name: "cores", Unit: "vCPUs", Used: 60, Limit: 350},
		{Service: quota.Compute, Location: "swedencentral", Name: "standardncadsa100v4family", Unit: "vCPUs", Used: 48, Limit: 96},
		{Service: quota.Compute, Location: "eastus", Name: "StandardNCADSA100v4Family", Unit: "vCPUs", Used: 0, Limit: 960},
		{Service: quota.ML, Location: "swedencentral", Name: "Standard NCADSA100v4 Family Cluster Dedicated vCPUs", Unit: "vCPUs", Used: 24, Limit: 192},
		{Service: quota.ML, Location: "swedencentral", Workspace: "chat", Name: "Standard NCADSA100v4 Family Cluster Dedicated vCPUs", Unit: "vCPUs", Used: 24, Limit: 72},
		{Service: quota.ML, Location: "swedencentral", Workspace: "other", Name: "standardNCADSA100v4Family", Unit: "vCPUs", Used: 0, Limit: 0},
		{Service: quota.ML, Location: "swedencentral", Name: "standardNDv5H100Family", Unit: "vCPUs", Used: 96, Limit: 96},
		{Service: quota.OpenAI, Location: "swedencentral", Name: "OpenAI.GlobalProvisionedManaged", Unit: "PTUs", Used: 15, Limit: 100},
		{Service: quota.OpenAI, Location: "swedencentral", Name: "OpenAI.GlobalStandard.gpt-4o", Unit: "thousand tokens a minute", Used: 450, Limit: 450},
	}, Capacities: []quota.Capacity{{Location: "swedencentral", Model: "gpt-4o", Version: "2024-11-20", SKU: "GlobalProvisionedManaged", Available: 30}}}
}

func TestMostIsByTheShortestQuota(t *testing.T) {
	f := func(size string, at quota.At, have, want int, by string) {
		t.Helper()
		b := book()
		n, u, known := b.Most(sized(t, b, size), at, have)
		if !known {
			u.Name = "-"
		}
		if n != want || u.Where() != by && u.Name != by {
			t.Errorf("%s with %d: %d by %s, want %d by %s", size, have, n, u.Where(), want, by)
		}
	}
	f("Standard_NC24ads_A100_v4", sweden, 0, 2, "standardncadsa100v4family in swedencentral")
	f("Standard_NC24ads_A100_v4", sweden, 1, 3, "standardncadsa100v4family in swedencentral")
	f("Standard_NC96ads_A100_v4", quota.At{Location: "Sweden Central"}, 0, 0, "standardncadsa100v4family in swedencentral")
	f("Standard_NC24ads_A100_v4", quota.At{Location: "eastus"}, 0, 40, "StandardNCADSA100v4Family in eastus")
	f("Standard_NC24ads_A100_v4", managed, 1, 3, "Standard NCADSA100v4 Family Cluster Dedicated vCPUs in workspace chat")
	f("Standard_NC24ads_A100_v4", quota.At{Location: "swedencentral", Managed: true}, 1, 8, "Standard NCADSA100v4 Family Cluster Dedicated vCPUs in swedencentral")
	f("Standard_ND96isr_H100_v5", managed, 1, 1, "standardNDv5H100Family in swedencentral") // by the name of Azure Machine Learning
	f("Standard_NC4as_T4_v3", sweden, 0, 72, "cores in swedencentral")                      // its family is not listed
	f("Standard_NC4as_T4_v3", managed, 0, 0, "-")
	f("Standard_ND96isr_MI300X_v5", quota.At{Location: "eastus"}, 3, 0, "-") // its family is not known
}

// What is said: what is needed, what is free, and what to request.
func TestAskSaysWhatToRequest(t *testing.T) {
	b := book()
	a := b.Ask(sized(t, b, "Standard_NC24ads_A100_v4"), sweden, 0, 4)
	if want := "needs 96 vCPUs of standardncadsa100v4family in swedencentral; 48 are free: request 48 more, a limit of 144"; a.String() != want {
		t.Errorf("said %q, want %q", a, want)
	}
	if a := b.Ask(sized(t, b, "Standard_NC24ads_A100_v4"), sweden, 2, 4); a.Short() != 0 || a.String() != "needs 96 vCPUs of standardncadsa100v4family in swedencentral; 48 are free beside its own 48" {
		t.Errorf("with two of its own: %q", a)
	}
	if a := b.Ask(sized(t, b, "Standard_NC4as_T4_v3"), managed, 0, 4); a.Known {
		t.Errorf("without a quota: %q", a)
	}
}

func TestUnitsHaveTheirQuotaAndStock(t *testing.T) {
	b := book()
	ptu := quota.Units{SKU: "GlobalProvisionedManaged", Model: "gpt-4o", Version: "2024-11-20", Location: "swedencentral"}
	if a := b.AskUnits(ptu, 15, 120); a.Short() != 20 || a.String() != "needs 120 PTUs of OpenAI.GlobalProvisionedManaged in swedencentral; 85 are free beside its own 15: request 20 more, a limit of 120" {
		t.Errorf("PTUs: %q", a)
	}
	if n, ok := b.Stock(ptu); !ok || n != 30 {
		t.Errorf("stock %d %v", n, ok)
	}
	ptu.Version = "2024-08-06"
	if _, ok := b.Stock(ptu); ok {
		t.Error("stock of another version")
	}
	tpm := quota.Units{SKU: "GlobalStandard", Model: "gpt-4o", Location: "swedencentral"}
	if a := b.AskUnits(tpm, 100, 200); a.Short() != 100 {
		t.Errorf("tokens: %q", a)
	}
	tpm.Model = "gpt-4o-mini"
	if a := b.AskUnits(tpm, 0, 1); a.Known {
		t.Errorf("another model's tokens: %q", a)
	}
}

// Laws: what can be there needs no more than is free; one more would; what is there
// stays; and Ask says short exactly beyond Most.
func TestLawsOfMost(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		size := quota.Size{VCPUs: rapid.IntRange(1, 128).Draw(t, "vcpus"), Families: []string{"f"}, Reserve: rapid.SampledFrom([]float64{1, 1.2}).Draw(t, "reserve")}
		at := quota.At{Location: "x", Managed: rapid.Bool().Draw(t, "managed")}
		service := quota.Compute
		if at.Managed {
			service = quota.ML
		}
		have := rapid.IntRange(0, 40).Draw(t, "have")
		used := int64(have*size.VCPUs) + rapid.Int64Range(0, 2000).Draw(t, "others")
		b := &quota.Book{Usages: []quota.Usage{{Service: service, Location: "x", Name: "f", Used: used, Limit: rapid.Int64Range(0, 9000).Draw(t, "limit")}}}
		n, u, known := b.Most(size, at, have)
		if !known || n < have {
			t.Fatalf("most is %d, known %v, with %d there", n, known, have)
		}
		room := u.Free() + int64(have*size.VCPUs)
		if n > have && size.Needs(n, at) > room {
			t.Fatalf("%d need %d of %d", n, size.Needs(n, at), room)
		}
		if size.Needs(n+1, at) <= room {
			t.Fatalf("%d would fit too", n+1)
		}
		if n > have && b.Ask(size, at, have, n).Short() != 0 || b.Ask(size, at, have, n+1).Short() == 0 {
			t.Fatal("Ask and Most differ")
		}
	})
}
