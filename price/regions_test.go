package price_test

import (
	"errors"
	"strings"
	"testing"

	"weir"
	"weir/price"
)

func TestARegionIsFoundAsPeopleWriteIt(t *testing.T) {
	c := catalogue(t)
	f := func(name, want string) {
		t.Helper()
		if r, err := c.Region(name); err != nil || r.Name != want {
			t.Errorf("%q: want %s, have %v, %v", name, want, r, err)
		}
	}
	f("swedencentral", "swedencentral")
	f("Sweden Central", "swedencentral")
	f("EastUS2", "eastus2")
	f("west-us-3", "westus3")
}

func TestAnUnknownRegionIsRefusedWithTheNearestName(t *testing.T) {
	c := catalogue(t)
	f := func(name, near string) {
		t.Helper()
		_, err := c.Region(name)
		if !errors.Is(err, price.ErrUnknown) || !strings.Contains(err.Error(), "nearest name is "+near) {
			t.Errorf("%q: want %s, have %v", name, near, err)
		}
	}
	f("sweden", "swedencentral")
	f("eastus9", "eastus")
	f("westeuropa", "westeurope")
	f("mars", "") // some name or other
	if _, err := c.VMPrice("Standard_NC40ads_H100_v5", "atlantis"); err == nil || !strings.Contains(err.Error(), `region "atlantis"`) {
		t.Errorf("a price there: %v", err)
	}
}

func TestARegionOfThePriceFileIsKnown(t *testing.T) {
	f := func(text string) {
		t.Helper()
		c, err := catalogue(t).Override("mine", []byte("sources:\n  a: {what: ours, date: 2026-11}\n"+text))
		if err != nil {
			t.Fatal(err)
		}
		if r, err := c.Region("cellar"); err != nil || r.Name != "cellar" {
			t.Errorf("have %v, %v", r, err)
		}
	}
	f("regions: [{name: cellar, title: Our Cellar, source: a}]")
	f("vm_prices: [{vm: Standard_NC40ads_H100_v5, region: cellar, source: a, hour: 5}]")
}

func TestEveryRegionAPriceNamesIsListed(t *testing.T) {
	c := catalogue(t)
	listed := map[string]bool{}
	for _, r := range c.Regions() {
		if r.Name != strings.ToLower(strings.ReplaceAll(r.Title, " ", "")) {
			t.Errorf("%s is titled %s", r.Name, r.Title)
		}
		listed[r.Name] = true
	}
	for _, p := range c.VMPrices() {
		if !listed[p.Region] {
			t.Errorf("%s of %s", p.Region, p.VM)
		}
	}
}

func TestOnlyWhatAnUpdateReadsAsksForOne(t *testing.T) {
	c := catalogue(t)
	now := weir.Instant(1 << 62)
	asks := 0
	for _, line := range c.Stale(now) {
		if strings.Contains(line, "run weir price update") {
			asks++
			if !strings.Contains(line, "Retail Prices API") {
				t.Errorf("no update renews it: %s", line)
			}
		} else if strings.Contains(line, "Retail Prices API") {
			t.Errorf("an update renews it: %s", line)
		}
	}
	if asks == 0 {
		t.Error("nothing asks for an update")
	}
}
