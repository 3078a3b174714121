package arm

import (
	"maps"
	"net/http"
	"slices"
	"strings"
)

// Limits, unless Options.Quota or /emulator/quota says otherwise. Azure's own
// defaults for families with GPUs are zero; these let a fresh emulator run
// something (choice).
const (
	defaultFamily = 480  // vCPUs of a family in a region
	defaultTotal  = 2000 // vCPUs of a region
)

// limit looks a limit up by its most exact name: provider/location/name,
// location/name, name.
func (c *Cloud) limit(provider, location, name string, def int) int {
	for _, key := range []string{provider + "/" + location + "/" + name, location + "/" + name, name} {
		if n, ok := c.limits[lower(key)]; ok {
			return n
		}
	}
	return def
}

// need is what a resource takes of a quota.
type need struct {
	provider, location, name string
	n                        int
}

// outOfQuota is how an operation ends that the quota of Machine Learning has no
// room for: nothing is taken for it.
const outOfQuota = "OutOfQuota"

// used sums what the resources of a type need of each quota. While an operation
// runs the larger of before and after counts.
func (c *Cloud) used(typ string, of func(*resource, object) []need) map[need]int {
	sum := map[need]int{}
	for _, r := range c.ofType(typ) {
		most := map[need]int{}
		bodies := []object{r.body}
		switch {
		case r.op != nil && r.op.fail != nil && r.op.fail.code == outOfQuota:
			if bodies = nil; r.made {
				bodies = []object{r.op.change.before}
			}
		case r.made && r.op != nil:
			bodies = append(bodies, r.op.change.before)
		case !r.made && (r.op == nil || r.op.change.body == nil):
			continue // it failed to be made and holds nothing
		}
		for _, b := range bodies {
			for _, n := range of(r, b) {
				key := need{n.provider, n.location, lower(n.name), 0}
				most[key] = max(most[key], n.n)
			}
		}
		for k, n := range most {
			sum[k] += n
		}
	}
	return sum
}

// short is the first quota that a change exceeds. before and after are what the
// resource needs; used includes before.
func (c *Cloud) short(before, after []need, used map[need]int, def func(need) int) (n need, free int, is bool) {
	has := map[need]int{}
	for _, b := range before {
		has[need{b.provider, b.location, lower(b.name), 0}] += b.n
	}
	for _, a := range after {
		key := need{a.provider, a.location, lower(a.name), 0}
		more := a.n - has[key]
		if left := c.limit(a.provider, a.location, a.name, def(a)) - used[key]; more > 0 && more > left {
			return need{a.provider, a.location, a.name, more}, left, true
		}
	}
	return need{}, 0, false
}

// provider serves what a subscription has beside its resource groups: lists of
// its resources, usages, quotas, sizes. parts begin with the namespace.
func (c *Cloud) provider(w http.ResponseWriter, r *http.Request, parts []string, body object) *problem {
	typ := lower(strings.Join(parts, "/"))
	if len(parts) == 2 && r.Method == http.MethodGet && c.kinds[typ] != nil {
		return c.list(w, r, c.ofType(typ))
	}
	at, what := "", ""
	switch {
	case len(parts) == 4 && strings.EqualFold(parts[1], "locations"):
		at, what = place(parts[2]), lower(parts[0]+"/"+parts[3])
		if p := c.regionLost(at); p != nil {
			return p
		}
	case len(parts) == 2:
		what = lower(parts[0] + "/" + parts[1])
	}
	read := providerReads[r.Method+" "+what]
	if read == nil {
		return noType(strings.Join(parts, "/"))
	}
	return read(c, w, r, at, body)
}

// providerReads are the lists of a subscription, by method and namespace/name.
var providerReads = map[string]func(c *Cloud, w http.ResponseWriter, r *http.Request, location string, body object) *problem{
	"GET microsoft.machinelearningservices/usages":        (*Cloud).mlUsages,
	"GET microsoft.machinelearningservices/quotas":        (*Cloud).mlQuotas,
	"POST microsoft.machinelearningservices/updatequotas": (*Cloud).mlUpdateQuotas,
	"GET microsoft.machinelearningservices/vmsizes":       (*Cloud).mlSizes,
	"GET microsoft.cognitiveservices/usages":              (*Cloud).openAIUsages,
	"GET microsoft.cognitiveservices/modelcapacities":     (*Cloud).modelCapacities,
	"GET microsoft.containerinstance/usages":              (*Cloud).groupUsages,
	"GET microsoft.compute/usages":                        (*Cloud).computeUsages,
	"GET microsoft.compute/skus":                          (*Cloud).computeSKUs,
}

// families are the quota families of the known sizes, sorted.
func (c *Cloud) families() []string {
	seen := map[string]string{}
	for _, s := range c.sizes {
		seen[lower(s.family)] = s.family
	}
	keys := slices.Sorted(maps.Keys(seen))
	for i, k := range keys {
		keys[i] = seen[k]
	}
	return keys
}

// usage is one entry, in the shape of Microsoft.Compute's list
// (armcompute v7 Usage): the localised name is the portal's.
func usage(name, local, unit string, used, limit int) object {
	return object{"name": object{"value": name, "localizedValue": local}, "unit": unit, "currentValue": used, "limit": limit}
}

// computeUsages are vCPUs by family, and the region's total. The counters of
// virtual machines here are those of node pools.
func (c *Cloud) computeUsages(w http.ResponseWriter, r *http.Request, location string, _ object) *problem {
	used := c.poolUse()
	all := []any{usage("cores", "Total Regional vCPUs", "Count", used[need{"compute", location, "cores", 0}], c.limit("compute", location, "cores", defaultTotal)),
		usage("lowPriorityCores", "Total Regional Low-priority vCPUs", "Count", used[need{"compute", location, "lowprioritycores", 0}], c.limit("compute", location, "lowPriorityCores", defaultTotal))}
	for _, f := range c.families() {
		all = append(all, usage(f, f+" vCPUs", "Count", used[need{"compute", location, lower(f), 0}], c.limit("compute", location, f, defaultFamily)))
	}
	return c.page(w, r, all)
}

// computeSKUs joins sizes with families (armcompute v7 ResourceSKU). A stock-out
// that has no end shows as a restriction.
func (c *Cloud) computeSKUs(w http.ResponseWriter, r *http.Request, _ string, _ object) *problem {
	location := place(c.o.Location)
	if f := r.URL.Query().Get("$filter"); strings.HasPrefix(f, "location eq ") {
		location = place(strings.Trim(strings.TrimPrefix(f, "location eq "), "'"))
	}
	var all []any
	for _, key := range slices.Sorted(maps.Keys(c.sizes)) {
		s := c.sizes[key]
		restrictions := []any{}
		if f := c.fault("stockout", location, s.name, "", "", false); f != nil && f.Times == 0 {
			restrictions = append(restrictions, object{"type": "Location", "values": []any{location}, "reasonCode": "NotAvailableForSubscription", "restrictionInfo": object{"locations": []any{location}}})
		}
		all = append(all, object{"resourceType": "virtualMachines", "name": s.name, "size": strings.TrimPrefix(s.name, "Standard_"), "tier": "Standard", "family": s.family,
			"locations": []any{location}, "restrictions": restrictions,
			"capabilities": []any{object{"name": "vCPUs", "value": text(int64(s.cores))}, object{"name": "GPUs", "value": text(int64(s.gpus))}}})
	}
	return c.page(w, r, all)
}
