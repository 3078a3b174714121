package price

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Region is an Azure region.
type Region struct {
	Name   string `yaml:"name"`            // as APIs write it: "swedencentral"
	Title  string `yaml:"title,omitempty"` // as people do: "Sweden Central"
	Source string `yaml:"source"`
}

func (r *Region) keys() []string { return []string{r.Name} }

// Regions lists all, in the catalogue's order.
func (c *Catalogue) Regions() []Region { return slices.Clone(c.regions.list) }

// Region finds a region by its name or title; case, spaces and dashes do not
// count. A region named by a price is known too. The error wraps ErrUnknown and
// names the nearest region.
func (c *Catalogue) Region(name string) (Region, error) {
	if r, err := c.regions.find("region", plainRegion(name)); err == nil {
		return r, nil
	}
	names := c.pricedRegions()
	for _, known := range names {
		if strings.EqualFold(known, name) || known == plainRegion(name) {
			return Region{Name: known}, nil
		}
	}
	for _, r := range c.regions.list {
		names = append(names, r.Name)
	}
	near := ""
	if n := nearestRegion(plainRegion(name), names); n != "" {
		near = "; the nearest name is " + n
	}
	return Region{}, fmt.Errorf("region %q is %w%s: \"weir price list regions\" has all, and your price file may add one under regions", name, ErrUnknown, near)
}

func plainRegion(name string) string {
	return strings.ToLower(strings.NewReplacer(" ", "", "-", "", "_", "").Replace(name))
}

// pricedRegions are the regions of the catalogue's prices, in its order.
func (c *Catalogue) pricedRegions() []string {
	var all []string
	see := func(name string) {
		if name != "" && !slices.Contains(all, name) {
			all = append(all, name)
		}
	}
	for _, p := range c.vmPrices.list {
		see(p.Region)
	}
	for _, t := range c.tokens.list {
		see(t.Region)
	}
	for _, p := range c.ptuPrices.list {
		see(p.Region)
	}
	for _, i := range c.containerInstances.list {
		see(i.Region)
	}
	for _, s := range c.redisSizes.list {
		see(s.Region)
	}
	return all
}

// nearestRegion is the name with the fewest different letters. A common
// beginning counts for more ("sweden" is near "swedencentral"), and containing
// the whole name for most ("europe" is near "westeurope"). The first of equals
// wins.
func nearestRegion(name string, names []string) string {
	if len(name) > 100 || len(names) == 0 {
		return ""
	}
	far := func(known string) int {
		if len(name) >= 4 && strings.Contains(known, name) {
			return -100
		}
		return distance(name, known) - 2*commonPrefix(name, known)
	}
	return slices.MinFunc(names, func(a, b string) int { return cmp.Compare(far(a), far(b)) })
}

// distance is how many letters to insert, delete or replace to make a into b
// (Levenshtein).
func distance(a, b string) int {
	last := make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		next := make([]int, len(b)+1)
		next[0] = i
		for j := 1; j <= len(b); j++ {
			replaced := last[j-1]
			if a[i-1] != b[j-1] {
				replaced++
			}
			next[j] = min(last[j]+1, next[j-1]+1, replaced)
		}
		last = next
	}
	return last[len(b)]
}
