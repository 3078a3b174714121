package config

// Tenant is a group of callers: a team, a product, a customer.
type Tenant struct {
	// Name in metrics, logs and usage.
	Name string `yaml:"name" need:"true" format:"name" example:"support"`
	// API keys, sent as "Authorization: Bearer ..." or "api-key: ...". Make one with `weir key new`.
	Keys []Key `yaml:"keys"`
	// Limits for all keys of the tenant together.
	Limits Limits `yaml:"limits"`
	// Their budget per calendar day and month, in UTC.
	Budget Budget `yaml:"budget"`
	// Lowers an oversized max_tokens before the request is sent. Answers report it in x-weir-max-tokens.
	TrimMaxTokens Trim `yaml:"trim_max_tokens"`
	// How long its requests may wait, unless the request or the model sets another class.
	Class string `yaml:"class" default:"interactive" enum:"interactive|batch"`
	// Fair share when capacity is short: 2 gets twice the work of 1.
	Share int `yaml:"share" default:"1" min:"1" max:"1000"`
	// Models it may call, by name. Without it: all.
	Models []string `yaml:"models" format:"name"`
	// Its requests may be tried on a smaller model, where a model has cheaper.
	Cheaper bool `yaml:"cheaper" default:"true"`
}

// Key is one API key of a tenant. The file holds its hash, never the key.
type Key struct {
	// Name in metrics, logs and usage, unique within the tenant.
	Name string `yaml:"name" need:"true" format:"name" example:"ci"`
	// SHA-256 of the key, as printed by `weir key new`.
	Hash KeyHash `yaml:"hash" need:"true"`
	// Limits of this key, within the tenant's.
	Limits Limits `yaml:"limits"`
	// Its budget per calendar day and month, in UTC, within the tenant's.
	Budget Budget `yaml:"budget"`
}
