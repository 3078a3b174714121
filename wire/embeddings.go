package wire

import (
	"path/filepath"

	"weir/config"
	"weir/gateway"
	"weir/index"
	"weir/index/search"
	"weir/store/chunks"
	"weir/store/vectors"
)

// vectorPolicy says which embeddings of a model are stored; nil: none.
func vectorPolicy(e *config.ModelEmbeddings) *gateway.VectorPolicy {
	if e == nil || !e.Store {
		return nil
	}
	return &gateway.VectorPolicy{Shared: e.Shared, Version: e.Version}
}

// vectorOptions is where embeddings are kept: by default beside the ledger, in a folder
// that Weir can write.
func vectorOptions(c *config.Config) vectors.Options {
	e := c.Embeddings
	path := e.Path
	if path == "" {
		path = filepath.Join(filepath.Dir(c.Store.Path), "embeddings.db")
	}
	return vectors.Options{Path: path, Memory: int64(e.Memory), Disk: int64(e.Disk)}
}

// indexes are the vector stores that callers search.
func indexes(c *config.Config) (all []search.Index) {
	for _, s := range c.VectorStores {
		place := s.Path
		if place == "" {
			place = s.Postgres.Reveal()
		}
		all = append(all, search.Index{Name: s.Name, Tenants: s.Tenants, Open: func() (index.Store, error) { return chunks.Existing(place, s.Index) }})
	}
	return all
}
