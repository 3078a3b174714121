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
	// How long its requests may wait, unless the request or the model says otherwise.
	Class string `yaml:"class" default:"interactive" enum:"interactive|batch"`
	// Its weight when capacity is short: 2 gets twice the work of 1.
	Share int `yaml:"share" default:"1" min:"1" max:"1000"`
	// Models it may call, by name. Without it: all.
	Models []string `yaml:"models" format:"name"`
}

// Budget bounds use by the calendar. A bound that is absent does not bound.
// What is used already is read from the store when Weir starts.
type Budget struct {
	// Tokens in a day, prompt and completion together. Requests beyond it are answered with 429 and the time until the day is over, in UTC.
	TokensPerDay int `yaml:"tokens_per_day" min:"1" max:"1000000000000000" example:"50000000"`
	// The same in a month.
	TokensPerMonth int `yaml:"tokens_per_month" min:"1" max:"1000000000000000" example:"1000000000"`
	// Cost in a day, at the prices of the deployments that served.
	MoneyPerDay Dollars `yaml:"money_per_day" example:"$25"`
	// The same in a month.
	MoneyPerMonth Dollars `yaml:"money_per_month" example:"$500"`
}

// Key is one API key of a tenant. The file holds its hash, never the key.
type Key struct {
	// Name in metrics, logs and usage, unique within the tenant.
	Name string `yaml:"name" need:"true" format:"name" example:"ci"`
	// SHA-256 of the key, as printed by `weir key new`.
	Hash KeyHash `yaml:"hash" need:"true"`
	// What this key may use, within what the tenant may.
	Limits Limits `yaml:"limits"`
}

// Limits bound use. A limit that is absent does not bound.
type Limits struct {
	// Requests per time. More are answered with 429 and the time to come back.
	Requests Rate `yaml:"requests" min:"1/min" max:"10M/min" example:"600/min"`
	// Tokens per time, prompt and completion together. More are answered with 429 and the time to come back.
	Tokens Rate `yaml:"tokens" min:"1/min" max:"1000M/min" example:"200k/min"`
	// Requests in flight at once. More are answered with 429.
	Concurrent int `yaml:"concurrent" min:"1" max:"1000000" example:"50"`
}
