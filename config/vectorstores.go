package config

import (
	"fmt"
	"slices"
)

// VectorStore is an index of `weir index build` that callers search at
// /v1/vector_stores/NAME/search.
type VectorStore struct {
	// Its ID in requests.
	Name string `yaml:"name" need:"true" format:"name" example:"docs"`
	// The SQLite file it is in. Give this or postgres.
	Path string `yaml:"path" format:"path" example:"/var/lib/weir/docs.db"`
	// The database it is in, as a URL, with the extension pgvector.
	Postgres Secret `yaml:"postgres"`
	// Its name in the database.
	Index string `yaml:"index" default:"default"`
	// The tenants that may search it. Without it all.
	Tenants []string `yaml:"tenants"`
}

// vectorStores checks the vector stores.
func (v *validator) vectorStores() {
	names := map[string]bool{}
	for i, s := range v.c.VectorStores {
		path := fmt.Sprintf("vector_stores[%d]", i)
		if names[s.Name] && s.Name != "" {
			v.blame(path+".name", "is given twice", "give each vector store a name of its own")
		}
		names[s.Name] = true
		if (s.Path == "") == !s.Postgres.Set() {
			v.blame(path, "has not one of path and postgres", "give the place that `weir index build --into` has")
		}
		for k, t := range s.Tenants {
			if !slices.ContainsFunc(v.c.Tenants, func(x Tenant) bool { return x.Name == t }) {
				v.blame(fmt.Sprintf("%s.tenants[%d]", path, k), fmt.Sprintf("%q is no tenant of this file", t), "name a tenant, or remove it")
			}
		}
	}
}
