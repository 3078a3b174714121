package check

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"weir/config"
	"weir/price"
)

// oddUnits warns of numbers of PTUs that no deployment type of the model
// offers: each type has a minimum and a step, from the catalogue.
func oddUnits(c *config.Config, prices *price.Catalogue) (warnings config.Faults) {
	for i := range c.Models {
		m := &c.Models[i]
		for k := range m.Deployments {
			a := m.Deployments[k].AzureOpenAI
			if a == nil || a.PTU == 0 {
				continue
			}
			sizing, err := prices.PTU(cmp.Or(a.PTUModel, m.Name))
			if err != nil {
				continue // a separate fault
			}
			if problem, remedy := oddPTU(sizing, a.PTU); problem != "" {
				warnings = append(warnings, c.Fault(fmt.Sprintf("models[%d].deployments[%d].azureopenai.ptu", i, k), problem, remedy))
			}
		}
	}
	return warnings
}

// oddPTU says why no deployment of the model has n units, and names the nearest
// valid numbers; "" if n is valid, or the catalogue has no steps.
func oddPTU(p price.PTU, n int) (problem, remedy string) {
	var rules []string
	var near []int
	for _, t := range []struct {
		name  string
		steps price.Steps
	}{{"global", p.Global}, {"data zone", p.DataZone}, {"regional", p.Regional}} {
		s := t.steps
		if s.Minimum == 0 || s.Increment == 0 {
			continue
		}
		below := s.Minimum + (max(n, s.Minimum)-s.Minimum)/s.Increment*s.Increment
		if below == n {
			return "", ""
		}
		near = append(near, below)
		if below < n {
			near = append(near, below+s.Increment)
		}
		rules = append(rules, fmt.Sprintf("%s from %d in steps of %d", t.name, s.Minimum, s.Increment))
	}
	if near == nil {
		return "", ""
	}
	slices.SortFunc(near, func(a, b int) int { return distanceTo(n, a) - distanceTo(n, b) })
	return fmt.Sprintf("no deployment of %s has %d units: %s", p.Model, n, strings.Join(rules, ", ")), fmt.Sprintf("the nearest is %d", near[0])
}

func distanceTo(n, m int) int {
	if m < n {
		return n - m
	}
	return m - n
}
