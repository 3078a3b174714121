// Package config turns weir.yaml into typed values and reports all its faults
// at once, each with file:line:column, path, problem, allowed values and
// remedy.
//
// It owns the file's structure, units, defaults and cross references, and the
// JSON Schema for editors. It refuses to know how the values are used: it
// imports no package of Weir but the vocabulary, and package wire converts its
// structs to each package's Options. So each default stands here once, and
// `weir check --schema` shows it.
//
// Every fault is found from the text alone. Resolve reads what the text refers
// to (environment variables, secret files, certificates), so a file can be
// checked on a machine that has none of them.
package config

// Config is one complete weir.yaml; omitted keys have their defaults.
type Config struct {
	// The address for callers, and limits on their requests.
	Server Server `yaml:"server"`
	// The address for operators: metrics, health, reload.
	Admin Admin `yaml:"admin"`
	// Logging.
	Log Log `yaml:"log"`
	// The ledger of usage.
	Store Store `yaml:"store"`
	// Redis, which lets several gateways share their limits. Without it each gateway enforces them alone.
	Redis *Redis `yaml:"redis"`
	// The memory for stored answers of models that have a cache.
	Cache Cache `yaml:"cache"`
	// Where embeddings are kept, of models that store them.
	Embeddings Embeddings `yaml:"embeddings"`
	// The journal of scaling decisions.
	Journal Journal `yaml:"journal"`
	// Resources of this machine for the replicas that Weir starts as processes.
	Machine Machine `yaml:"machine"`
	// The cluster whose workloads are deployments of this file. Without it: the one that a kubeconfig or Weir's own pod names.
	Kubernetes *Cluster `yaml:"kubernetes"`
	// The Azure subscription whose resources are deployments of this file.
	Azure *Azure `yaml:"azure"`
	// KEDA's external scaler, for deployments with kubernetes.scaled_by: keda.
	KEDA *KEDA `yaml:"keda"`
	// Indexes of documents that callers search.
	VectorStores []VectorStore `yaml:"vector_stores"`
	// The callers.
	Tenants []Tenant `yaml:"tenants" need:"true"`
	// The models, and the deployments that serve them.
	Models []Model `yaml:"models" need:"true"`
	// Limits for combinations, in addition to those of each tenant, key and model: for one model of a tenant, for a class, or for everything.
	Limits []Limit `yaml:"limits"`

	// Warnings are valid but probably unintended settings, in order of position.
	Warnings Faults `yaml:"-"`
	// Unfinished are placeholders to be filled in before the file can serve;
	// serve --emulate accepts them.
	Unfinished Faults `yaml:"-"`

	// Hash is the beginning of the SHA-256 of all files.
	Hash string `yaml:"-"`

	source *decoder // for Resolve: positions of the values
}

// Load reads, checks and resolves the configuration at path, a file or a
// folder. The error is a Faults unless it cannot be read.
func Load(path string, over ...Override) (*Config, error) {
	c, err := Open(path, over...)
	if err != nil {
		return nil, err
	}
	if len(c.Unfinished) > 0 {
		return nil, c.Unfinished
	}
	if err := c.Resolve(); err != nil {
		return nil, err
	}
	return c, nil
}

// Open reads and checks the configuration at path, a file or a folder, without
// the secrets and files it refers to. The error is a Faults unless it cannot be
// read.
func Open(path string, over ...Override) (*Config, error) {
	all, err := Sources(path)
	if err != nil {
		return nil, err
	}
	return ParseAll(all, over...)
}

// Parse is ParseAll of one file.
func Parse(name string, src []byte, over ...Override) (*Config, error) {
	return ParseAll([]Source{{name, src}}, over...)
}

// ParseAll checks files and returns the configuration they describe together.
// It touches nothing else: secrets are checked for form and read by Resolve.
// The error, if any, is a Faults with every fault found, in order of position.
// Overrides replace the values of the files before anything is checked.
func ParseAll(all []Source, over ...Override) (*Config, error) {
	c := &Config{Hash: hashOf(all)}
	d := &decoder{file: all[0].Name, at: positions{}}
	d.document(all, c)
	d.dropOverridden(over)
	for _, o := range over {
		d.override(o, c)
	}
	c.source = d
	v := &validator{decoder: d, c: c}
	if d.whole {
		v.config()
	}
	c.Warnings, c.Unfinished = v.warnings.InOrder(), c.Unfinished.InOrder()
	d.excerpts(c.Warnings)
	d.excerpts(c.Unfinished)
	d.excerpts(d.faults)
	if len(d.faults) > 0 {
		return nil, d.faults.InOrder()
	}
	return c, nil
}
