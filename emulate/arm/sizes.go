package arm

import (
	"strings"

	"weir/price"
)

// size is a virtual machine size as quota counts it.
type size struct {
	name    string
	cores   int
	ramGiB  float64
	gpus    int
	family  string // of quota
	reserve bool   // an online deployment needs a fifth more
}

// cpuSizes are those of the documents' examples ("Managed online endpoints SKU
// list", 2023-10-18); sizes with GPUs are in package price.
var cpuSizes = []size{
	{"Standard_DS1_v2", 1, 3.5, 0, "standardDSv2Family", true},
	{"Standard_DS2_v2", 2, 7, 0, "standardDSv2Family", true},
	{"Standard_DS3_v2", 4, 14, 0, "standardDSv2Family", true},
	{"Standard_DS4_v2", 8, 28, 0, "standardDSv2Family", true},
	{"Standard_DS5_v2", 16, 56, 0, "standardDSv2Family", true},
	{"Standard_F2s_v2", 2, 4, 0, "standardFSv2Family", true},
	{"Standard_F4s_v2", 4, 8, 0, "standardFSv2Family", true},
	{"Standard_F8s_v2", 8, 16, 0, "standardFSv2Family", true},
	{"Standard_F16s_v2", 16, 32, 0, "standardFSv2Family", true},
	{"Standard_D2s_v3", 2, 8, 0, "standardDSv3Family", true},
	{"Standard_D4s_v3", 4, 16, 0, "standardDSv3Family", true},
	{"Standard_D8s_v3", 8, 32, 0, "standardDSv3Family", true},
	{"Standard_D4s_v5", 4, 16, 0, "standardDSv5Family", true},
	{"Standard_D8s_v5", 8, 32, 0, "standardDSv5Family", true},
	{"Standard_E4s_v3", 4, 32, 0, "standardESv3Family", true},
}

// exempt are the beginnings of the sizes without the reserve of 20 %: that list
// says "Skip 20 % reservation" of every A100 and H100 size it has. Newer ones are
// not on it and are counted with the reserve.
var exempt = []string{
	"Standard_NC24ads_A100_v4", "Standard_NC48ads_A100_v4", "Standard_NC96ads_A100_v4", "Standard_NC40ads_H100_v5", "Standard_NC80adis_H100_v5",
	"Standard_ND96amsr_A100_v4", "Standard_ND96asr_v4", "Standard_ND40rs_v2", "Standard_ND96is_H100_v5", "Standard_ND96isr_H100_v5",
}

func sizesOf(prices *price.Catalogue) map[string]size {
	all := map[string]size{}
	for _, s := range cpuSizes {
		all[lower(s.name)] = s
	}
	for _, v := range prices.VMs() {
		s := size{name: v.Name, cores: v.VCPUs, ramGiB: v.RAMGiB.Value(), gpus: v.GPUs, family: v.Family, reserve: true}
		if s.family == "" { // not published: a name of its own, so that it can be limited
			s.family = strings.ReplaceAll(v.Name, "Standard_", "standard") + "Family"
		}
		for _, e := range exempt {
			s.reserve = s.reserve && !strings.EqualFold(e, v.Name)
		}
		all[lower(v.Name)] = s
	}
	return all
}

// vcpus of quota that an online deployment's instances need: ceil(1.2 n) x cores
// ("Manage resources and quotas", 2026-01-27), or n x cores where exempt.
func (s size) vcpus(instances int) int {
	if s.reserve {
		instances = (12*instances + 9) / 10
	}
	return instances * s.cores
}
