package wire

import (
	"path/filepath"

	"weir/config"
	"weir/gateway"
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
