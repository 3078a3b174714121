package fit

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"
)

// spellMixture brings the ways to say which layers of a mixture are dense to
// one: DenseOnly, their numbers.
func (c *hfConfig) spellMixture() {
	if len(c.DenseOnly) > 0 || c.Layers > 2000 {
		return
	}
	for i, t := range c.MLPTypes {
		if t == "dense" {
			c.DenseOnly = append(c.DenseOnly, count(i))
		}
	}
	var enum string // Step-3.5: numbers of the layers with experts
	if json.Unmarshal(c.keys["moe_layers_enum"], &enum) == nil && enum != "" && len(enum) < 1<<14 {
		sparse := strings.Split(enum, ",")
		for i := range int(c.Layers) {
			if !slices.Contains(sparse, strconv.Itoa(i)) {
				c.DenseOnly = append(c.DenseOnly, count(i))
			}
		}
	}
	var freq []int // 1: experts
	if json.Unmarshal(c.keys["moe_layer_freq"], &freq) == nil && len(freq) == int(c.Layers) {
		for i, n := range freq {
			if n == 0 {
				c.DenseOnly = append(c.DenseOnly, count(i))
			}
		}
	}
}

// twoKinds: ERNIE 4.5 VL has as many experts for images as for text, of another
// width (modeling_ernie4_5_vl_moe.py); they count as twice as many of the mean.
func (c *hfConfig) twoKinds(m *Model) {
	var widths []int
	if json.Unmarshal(c.keys["moe_intermediate_size"], &widths) != nil || len(widths) != 2 {
		return
	}
	var each []int
	if json.Unmarshal(c.keys["num_experts"], &each) == nil && len(each) == 2 {
		m.Experts = each[0]
	}
	if sum := widths[0] + widths[1]; widths[0] > 0 && widths[1] > 0 && sum < 1<<20 {
		m.MoEIntermediate, m.Experts = sum/2, 2*m.Experts
		m.SharedWidth = int(c.Shared) * widths[0]
	}
}
