package config

// Tenant is somebody who calls: a team, a product, a customer.
type Tenant struct {
	// Name in metrics, logs and usage.
	Name string `yaml:"name" need:"true" format:"name" example:"support"`
	// Keys its callers send as "Authorization: Bearer ..." or "api-key: ...". Make one with `weir key new`.
	Keys []Key `yaml:"keys"`
	// What all keys of the tenant together may use.
	Limits Limits `yaml:"limits"`
	// What they may use in a day and in a month of the calendar, in UTC.
	Budget Budget `yaml:"budget"`
	// Whether an absurd max_tokens is lowered before the request is sent on. Answers say so in x-weir-max-tokens.
	TrimMaxTokens Trim `yaml:"trim_max_tokens"`
	// How long its requests may wait, unless the request or the model says otherwise.
	Class string `yaml:"class" default:"interactive" enum:"interactive|batch"`
	// Its weight when capacity is short: 2 gets twice the work of 1.
	Share int `yaml:"share" default:"1" min:"1" max:"1000"`
	// Models it may call, by name. Without it: all.
	Models []string `yaml:"models" format:"name"`
}

// Key is one API key of a tenant. The file holds its hash, never the key.
type Key struct {
	// Name in metrics, logs and usage, unique within the tenant.
	Name string `yaml:"name" need:"true" format:"name" example:"ci"`
	// SHA-256 of the key, as printed by `weir key new`.
	Hash KeyHash `yaml:"hash" need:"true"`
	// What this key may use, within what the tenant may.
	Limits Limits `yaml:"limits"`
	// What it may use in a day and in a month of the calendar, in UTC, within what the tenant may.
	Budget Budget `yaml:"budget"`
}
