package price_test

import (
	"strings"
	"testing"

	"weir/price"
)

func TestAUsersFileOverridesFieldsAndAddsEntries(t *testing.T) {
	c := catalogue(t)
	next, err := c.Override("mine.yaml", []byte(`
sources:
  contract: {what: "our agreement", date: 2026-11-01}
gpus:
- {name: A10, source: contract, usable_gib: 22.07}
vm_prices:
- {vm: Standard_NC40ads_H100_v5, region: eastus, source: contract, spot: 2.5}
- {vm: Standard_NC40ads_H100_v5, region: westeurope, source: contract, hour: {is: 7.123456, source: retail-nd}}
models:
- {name: acme/small, source: contract, family: llama, attention: gqa, layers: 2, dtype: bf16}
`))
	if err != nil {
		t.Fatal(err)
	}
	a10, _ := next.GPU("A10-24GB")
	if a10.UsableGiB.Value() != 22.07 || a10.UsableGiB.From().ID != "contract" || a10.BandwidthGB.Value() != 600 || a10.BandwidthGB.From().ID != "gpu-a10" || !a10.BF16 {
		t.Errorf("%+v", a10)
	}
	east, _ := next.VMPrice("NC40ads_H100_v5", "eastus")
	if east.Hour.Amount() != 6_980_000 || east.Spot.Amount() != 2_500_000 || east.Hour.From().ID != "undated" {
		t.Errorf("%+v", east)
	}
	west, _ := next.VMPrice("NC40ads_H100_v5", "westeurope")
	if west.Hour.Amount() != 7_123_456 || west.Hour.From().ID != "retail-nd" {
		t.Errorf("%+v", west)
	}
	if m, err := next.Model("small"); err != nil || m.Layers != 2 {
		t.Error(m, err)
	}
	if old, _ := c.GPU("A10"); old.UsableGiB.Known() {
		t.Error("the catalogue overridden has changed")
	}
	if len(next.GPUs()) != len(c.GPUs()) || len(next.Models()) != len(c.Models())+1 {
		t.Error("an entry of a known name is not another one")
	}
}

func TestBadFilesSayWhatIsWrong(t *testing.T) {
	c := catalogue(t)
	for text, want := range map[string]string{
		"gpus: [{name: X, source: nobody}]":                                                       `GPU X: source "nobody" is not under sources`,
		"gpus: [{name: X, source: gpu-t4, memory: 5}]":                                            `unknown field "memory"`,
		"gpus: [{name: X, source: gpu-t4, memory_gb: plenty}]":                                    `"plenty" is not a number`,
		"gpus: [{name: X, source: gpu-t4, memory_gb: -1}]":                                        `"-1" is not a number`,
		"gpus: [{name: X, source: gpu-t4, memory_gb: {is: 5, source: none}}]":                     `memory_gb of GPU X: source "none" is not under sources`,
		"gpus: [{name: X, source: gpu-t4, also: [T4]}]":                                           "the name T4 belongs to another entry already",
		"gpus: [{source: gpu-t4}]":                                                                "entry 1 has no name",
		"gpus: [{name: X, source: gpu-t4}, {name: x, source: gpu-t4}]":                            "x is listed twice",
		"sources: {a: {date: 2026-01-01}}":                                                        "source a: it needs a",
		"sources: {a: {what: b, date: 2026-13-01}}":                                               `date "2026-13-01" is not a date`,
		"vm_prices: [{vm: a, region: b, source: undated, hour: 7.1234567}]":                       "at most six decimals",
		"vm_prices: [{vm: a, region: b, source: undated, hour: 1e999}]":                           "is not a decimal number",
		"gpus: &a [{name: X, source: gpu-t4}]":                                                    "anchors, aliases and tags",
		"gpus: [[[[[[[[[[]]]]]]]]]]":                                                              "nested deeper than 8 levels",
		"gpus: {name: X}":                                                                         "mine.yaml",
		"hello":                                                                                   "mine.yaml",
		"gpus: [{name: X":                                                                         "mine.yaml",
		"vms: [{name: V, source: hf, gpu: T4, gpus: 1, vcpus: 4, interconnect: string}]":          `interconnect of VM size V: "string" is not a known value`,
		"models: [{name: M, source: gpu-t4, family: f, attention: flash, dtype: bf16}]":           `attention of model M: "flash" is not a known value`,
		"models: [{name: M, source: gpu-t4, family: f, attention: mha, layers: -3, dtype: bf16}]": "layers of model M is -3",
	} {
		if _, err := c.Override("mine.yaml", []byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s\nwant an error with %q, got %v", text, want, err)
		}
	}
	if _, err := c.Override("mine.yaml", make([]byte, 5<<20)); err == nil {
		t.Error("5 MiB are too much")
	}
}

func FuzzPriceFiles(f *testing.F) {
	f.Add([]byte("gpus: [{name: X, source: gpu-t4, memory_gb: {is: 5, source: gpu-t4}}]"))
	f.Add([]byte("sources:\n  a: {what: b, date: 2026-01}\nvm_prices:\n- {vm: a, region: b, source: a, hour: 3.67}\n"))
	f.Add([]byte("{{{{{{"))
	f.Add([]byte("- - - - - -"))
	c, err := price.Default()
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		next, err := c.Override("fuzz", text)
		if err != nil {
			return
		}
		if _, err := next.GPU("T4"); err != nil {
			t.Fatal("what was there is gone:", err)
		}
		for _, ch := range c.Changes(next) {
			if ch.After.Amount() < 0 || ch.After.From().What == "" {
				t.Fatal(ch)
			}
		}
	})
}
