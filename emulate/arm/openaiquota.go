package arm

import (
	"maps"
	"net/http"
	"slices"
	"strings"
)

// offered are the models with usages and capacities from the start: those of the
// catalogue. Others appear when they are deployed.
func (c *Cloud) offered() (standards, ptus []string) {
	seen := map[string]bool{}
	for _, t := range c.prices.AllTokens() {
		seen[t.Model] = true
	}
	for _, d := range c.ofType(openAIType) {
		seen[textAt(d.body, "properties", "model", "name")] = true
	}
	for _, p := range c.prices.PTUs() {
		ptus = append(ptus, p.Model)
	}
	return slices.Sorted(maps.Keys(seen)), ptus
}

// openAIUsages are quotas of a region (armcognitiveservices v2 Usage): PTUs, or
// thousands of tokens a minute.
func (c *Cloud) openAIUsages(w http.ResponseWriter, r *http.Request, location string, _ object) *problem {
	used := c.openAIUse()
	all := []any{}
	add := func(name, local string) {
		v := usage(name, local, "Count", used[need{"cognitive", location, lower(name), 0}], c.limit("cognitive", location, name, openAIDefault(need{name: name})))
		v["status"] = "Included"
		all = append(all, v)
	}
	for _, sku := range slices.Sorted(maps.Keys(provisioned)) {
		add(openAIQuota(sku, ""), strings.TrimSuffix(sku, "ProvisionedManaged")+" Provisioned Throughput Unit")
	}
	models, _ := c.offered()
	for _, sku := range standard {
		for _, m := range models {
			add(openAIQuota(sku, m), "Tokens Per Minute (thousands) - "+m+" - "+sku)
		}
	}
	accounts := 0
	for _, a := range c.ofType("Microsoft.CognitiveServices/accounts") {
		if c.location(a.id, a.body) == location {
			accounts++
		}
	}
	all = append(all, usage("AccountCount", "Accounts", "Count", accounts, maxAccounts))
	return c.page(w, r, all)
}

// accountUsages: an account has none of its own here.
func accountUsages(c *Cloud, w http.ResponseWriter, r *http.Request, _ *call) *problem {
	return c.page(w, r, []any{})
}

// modelCapacities says what a region has in stock of a model, beyond what is
// deployed (armcognitiveservices v2 ModelCapacitiesClient): by location, or in all
// where something is.
func (c *Cloud) modelCapacities(w http.ResponseWriter, r *http.Request, location string, _ object) *problem {
	q := r.URL.Query()
	model, version := q.Get("modelName"), q.Get("modelVersion")
	if model == "" || q.Get("modelFormat") == "" {
		return refuse(http.StatusBadRequest, "InvalidQuery", "modelFormat, modelName and modelVersion are required")
	}
	places := []string{location}
	if location == "" {
		places = c.places()
	}
	all := []any{}
	for _, at := range places {
		for _, sku := range append(slices.Sorted(maps.Keys(provisioned)), standard...) {
			if steps := provisioned[sku]; steps != nil {
				if ptu, err := c.prices.PTU(model); err != nil || steps(ptu).Minimum == 0 {
					continue
				}
			}
			n := c.stock(at, sku, model)
			all = append(all, object{
				"id":   "/subscriptions/" + c.o.Subscription + "/providers/Microsoft.CognitiveServices/locations/" + at + "/modelCapacities/" + q.Get("modelFormat") + "." + model + "." + version + "." + sku,
				"name": sku, "type": "Microsoft.CognitiveServices/locations/modelCapacities", "location": at,
				"properties": object{"skuName": sku, "availableCapacity": n, "availableFinetuneCapacity": 0, "model": object{"format": q.Get("modelFormat"), "name": model, "version": version}},
			})
		}
	}
	return c.page(w, r, all)
}

// places are the regions with a resource in them, and the given one.
func (c *Cloud) places() []string {
	seen := map[string]bool{place(c.o.Location): true}
	for _, r := range c.resources {
		seen[c.location(r.id, r.body)] = true
	}
	return slices.Sorted(maps.Keys(seen))
}
