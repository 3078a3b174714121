// Package config turns weir.yaml into typed values and names every fault of it
// at once, each with file:line:column, path, what is wrong, what is allowed and
// what to do.
//
// It owns the file's structure, units, defaults and cross references, and the
// JSON Schema that editors use. It refuses to know what the values are used
// for: it imports no package of Weir but the vocabulary, and cmd/weir converts
// its structs to each package's Options. That is why a default stands here once
// and is shown by `weir check --schema`.
//
// Every fault is found from the text alone. What the text refers to outside of
// itself (environment variables, secret files, certificates) is read by
// Resolve, so that a file can be checked on a machine that has none of them.
package config

// Config is one weir.yaml, complete: what the file leaves out has its default.
type Config struct {
	// Where callers connect, and the bounds on what they send.
	Server Server `yaml:"server"`
	// Where operators connect: metrics, health, reload.
	Admin Admin `yaml:"admin"`
	// What is logged, and how.
	Log Log `yaml:"log"`
	// Where usage is kept.
	Store Store `yaml:"store"`
	// What several gateways share their limits through. Without it each has them to itself.
	Redis *Redis `yaml:"redis"`
	// Where scaling decisions are written.
	Journal Journal `yaml:"journal"`
	// What this machine gives to the replicas Weir starts as processes.
	Machine Machine `yaml:"machine"`
	// Who may call.
	Tenants []Tenant `yaml:"tenants" need:"true"`
	// What can be called, and what serves it.
	Models []Model `yaml:"models" need:"true"`
	// What some of the requests may use together, beside the limits of each tenant, key and model: for a model of one tenant, for a class, or for everything.
	Limits []Limit `yaml:"limits"`

	// Warnings are what is allowed but probably not meant, in order of position.
	Warnings Faults `yaml:"-"`
	// Unfinished is what has still to be filled in before the file can serve;
	// it does not keep it from being tried (serve --emulate).
	Unfinished Faults `yaml:"-"`

	// Hash is the beginning of the SHA-256 of all files.
	Hash string `yaml:"-"`

	source *decoder // for Resolve: where what stands
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
// what it refers to. The error is a Faults unless it cannot be read.
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
// It touches nothing outside of them: secrets are checked for form and read by
// Resolve. The error, if any, is a Faults with every fault found, in order of
// position. Overrides stand over what the files say before anything is checked.
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
