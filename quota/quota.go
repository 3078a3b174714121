// Package quota is what Azure allows a subscription: how much of each quota is
// used, how much of it instances of a size, provisioned units or tokens a minute
// need, and how many can still come.
//
// It owns the arithmetic: families and sizes joined with usages, the reserve that
// managed endpoints keep for upgrades, and what to request. It refuses to know how
// figures are read (quota/live), what a size is (price), and how many are wanted
// (scale). Quota is permission and no capacity: a region may be out of stock.
package quota

import (
	"strings"
)

// Service is the part of Azure that keeps a quota.
type Service string

const (
	Compute    Service = "compute"             // vCPUs of families, for virtual machines and node pools
	ML         Service = "machine_learning"    // vCPUs of families, for managed endpoints and clusters
	OpenAI     Service = "openai"              // provisioned units; thousands of tokens a minute
	Containers Service = "container_instances" // cores and groups
)

// Usage is one quota and what is used of it.
type Usage struct {
	Service   Service `json:"service"`
	Location  string  `json:"location"`
	Workspace string  `json:"workspace,omitempty"` // a cap of one workspace; "": of the subscription
	Name      string  `json:"name"`
	Title     string  `json:"title,omitempty"` // for people, if it differs
	Unit      string  `json:"unit"`            // "vCPUs", "PTUs", "thousand tokens a minute", "Count"
	Used      int64   `json:"used"`
	Limit     int64   `json:"limit"` // negative: none
}

// Bounded says whether the quota has a limit.
func (u Usage) Bounded() bool { return u.Limit >= 0 }

// Free is what is left; 0 if more is used than allowed, or if it has no limit.
func (u Usage) Free() int64 { return max(0, u.Limit-u.Used) }

// Where names the quota in a sentence: "StandardNCADSA100v4Family in swedencentral".
func (u Usage) Where() string {
	if u.Workspace != "" {
		return u.Name + " in workspace " + u.Workspace
	}
	return u.Name + " in " + u.Location
}

// Capacity is what a region has in stock of a model, as modelCapacities says:
// units that can be added to what is deployed.
type Capacity struct {
	Location  string `json:"location"`
	Model     string `json:"model"`
	Version   string `json:"version"`
	SKU       string `json:"sku"`
	Available int64  `json:"available"`
}

// Kind is a size as Azure itself describes it, for those the catalogue lacks.
type Kind struct {
	Name   string `json:"name"`
	Family string `json:"family"`
	VCPUs  int    `json:"vcpus"`
}

// Book is everything that was read at one time. The zero Book knows nothing and
// bounds nothing.
type Book struct {
	Usages     []Usage    `json:"usages"`
	Capacities []Capacity `json:"capacities,omitempty"`
	Kinds      []Kind     `json:"sizes,omitempty"`
}

// find is the usage of the first of names that the book has.
func (b *Book) find(s Service, location, workspace string, names ...string) (Usage, bool) {
	for _, name := range names {
		want := fold(name)
		for _, u := range b.Usages {
			if want != "" && u.Service == s && same(u.Location, location) && strings.EqualFold(u.Workspace, workspace) && fold(u.Name) == want {
				return u, true
			}
		}
	}
	return Usage{}, false
}

// fold makes names of one quota equal that different parts of Azure write in
// different ways: case, spaces, underscores, and what stands behind the family
// ("Standard DSv2 Family Cluster Dedicated vCPUs" is "standardDSv2Family").
func fold(name string) string {
	name = strings.NewReplacer(" ", "", "_", "", "-", "").Replace(strings.ToLower(name))
	for _, tail := range []string{"vcpus", "dedicated", "cluster"} {
		name = strings.TrimSuffix(name, tail)
	}
	return name
}

// same compares regions: "Sweden Central" is "swedencentral".
func same(a, b string) bool {
	plain := func(s string) string { return strings.ReplaceAll(strings.ToLower(s), " ", "") }
	return plain(a) == plain(b)
}
