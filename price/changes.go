package price

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
)

// Change is one price that differs between two catalogues.
type Change struct {
	Name          string // "hour of VM size Standard_NC40ads_H100_v5 eastus"
	Before, After Price  // Before is not Known for a new price
}

// String describes it in one line.
func (c Change) String() string {
	if !c.Before.Known() {
		return fmt.Sprintf("%s: new, %s", c.Name, c.After.Amount())
	}
	if c.Before.Amount() == 0 {
		return fmt.Sprintf("%s: %s to %s", c.Name, c.Before.Amount(), c.After.Amount())
	}
	by := 100 * float64(c.After.Amount()-c.Before.Amount()) / float64(c.Before.Amount())
	return fmt.Sprintf("%s: %s to %s (%+.1f %%)", c.Name, c.Before.Amount(), c.After.Amount(), by)
}

// Changes lists the prices that are new in or differ from c, by name.
func (c *Catalogue) Changes(next *Catalogue) []Change {
	before, after := c.prices(), next.prices()
	var changes []Change
	for _, name := range slices.Sorted(maps.Keys(after)) {
		if was := before[name]; !was.known || was.amount != after[name].amount {
			changes = append(changes, Change{name, was, after[name]})
		}
	}
	return changes
}

// prices are all known prices by name.
func (c *Catalogue) prices() map[string]Price {
	all := map[string]Price{}
	collect(all, c.vmPrices.list)
	collect(all, c.tokens.list)
	collect(all, c.ptuPrices.list)
	collect(all, c.onlineEndpoints.list)
	collect(all, c.containerInstances.list)
	collect(all, c.redisSizes.list)
	return all
}

func collect[T any](all map[string]Price, entries []T) {
	for i := range entries {
		v := reflect.ValueOf(&entries[i]).Elem()
		for f := range v.NumField() {
			if p, ok := v.Field(f).Addr().Interface().(*Price); ok && p.known {
				all[p.name] = *p
			}
		}
	}
}
