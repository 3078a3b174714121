package config

import "fmt"

// Embeddings bounds what is kept of stored embeddings. Models choose it by their own
// embeddings.
type Embeddings struct {
	// The SQLite file they are kept in. Without it: embeddings.db beside the ledger (store.path).
	Path string `yaml:"path" example:"/var/lib/weir/embeddings.db"`
	// Memory for the ones used last.
	Memory Size `yaml:"memory" default:"64MiB" min:"1MiB" max:"1024GiB"`
	// Size of the file. Those unused for longest are dropped beyond it.
	Disk Size `yaml:"disk" default:"4GiB" min:"1MiB" max:"16384GiB"`
}

// ModelEmbeddings stores a model's embeddings, each by the text it was made of.
type ModelEmbeddings struct {
	// Stores them: a text is sent to the model once, and its vector never expires.
	Store bool `yaml:"store" example:"true"`
	// Version of the model, as you name it. A change asks for every vector again.
	Version string `yaml:"version" example:"2026-11"`
	// All tenants share the vectors. Without it a tenant gets only those of its own requests.
	Shared bool `yaml:"shared"`
}

// embeddings checks that vectors of one model only are stored under its name.
func (v *validator) embeddings() {
	for i := range v.c.Models {
		m := &v.c.Models[i]
		if m.Embeddings == nil || !m.Embeddings.Store {
			continue
		}
		for k := range m.Deployments {
			path := fmt.Sprintf("models[%d].deployments[%d]", i, k)
			if d := &m.Deployments[k]; d.Serves != "" && d.Serves != m.Name {
				v.blame(path+".serves", "is another model, and embeddings.store would mix the vectors of both", "remove it, or embeddings.store of the model")
			} else if d.Canary != nil {
				v.blame(path+".canary", "is another version, and embeddings.store would mix the vectors of both", "remove it, or embeddings.store of the model")
			}
		}
	}
}
