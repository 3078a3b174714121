package config

import (
	"fmt"
	"strings"
	"time"
)

// Limits bound usage. An absent limit does not apply.
type Limits struct {
	// Request rate. Requests above it get 429 with the time to retry.
	Requests Rate `yaml:"requests" min:"1/min" max:"10M/min" example:"600/min"`
	// Token rate, prompt and completion together. Requests above it get 429 with the time to retry.
	Tokens Rate `yaml:"tokens" min:"1/min" max:"1000000M/min" example:"200k/min"`
	// Requests in flight. More get 429.
	Concurrent int `yaml:"concurrent" min:"1" max:"1000000" example:"50"`
	// How much of the request and token rates may be used at once after a pause, as time at the full rate. It also bounds the size of one request.
	Burst time.Duration `yaml:"burst" default:"1m" min:"1s" max:"1h"`
	// What a request reserves of the token rate on arrival. likely: its predicted usage, settled when it ends. most: the maximum by its max_tokens, as providers do; a max_tokens above the burst is lowered to it.
	Reserve string `yaml:"reserve" default:"likely" enum:"likely|most"`
}

// Budget bounds usage per calendar day and month. An absent bound does not
// apply. Earlier usage is read from the store when Weir starts.
type Budget struct {
	// Tokens per day, prompt and completion together. Requests beyond it get 429 with the time until the day ends, in UTC.
	TokensPerDay int `yaml:"tokens_per_day" min:"1" max:"1000000000000000" example:"50000000"`
	// The same per month.
	TokensPerMonth int `yaml:"tokens_per_month" min:"1" max:"1000000000000000" example:"1000000000"`
	// Cost per day, at the prices of the deployments that served.
	MoneyPerDay Dollars `yaml:"money_per_day" example:"$25"`
	// The same per month.
	MoneyPerMonth Dollars `yaml:"money_per_month" example:"$500"`
	// What happens to a stream that outgrows its reservation and the rest of the budget. finish: it is finished and charged. cut: it ends with an error event.
	Exhausted string `yaml:"exhausted" default:"finish" enum:"finish|cut"`
	// How much of the rest one request may reserve. part: near the end of the budget a part, with max_tokens lowered to it, so that other requests are served too. all: everything it asks for, as far as available.
	Reserve string `yaml:"reserve" default:"part" enum:"part|all"`
}

// Trim lowers max_tokens of requests that ask for far more than their answers
// need, which fills a provider's quota with nothing. Off if neither key is
// given.
type Trim struct {
	// Highest max_tokens.
	Cap int `yaml:"cap" min:"1" max:"100000000" example:"8192"`
	// The same as a multiple of the 99th percentile of the tenant's own answers of the model, once known; at least 256 tokens.
	Times int `yaml:"times" min:"2" max:"1000" example:"4"`
}

// Limit bounds the usage of the requests that match every part given.
type Limit struct {
	// Requests of this tenant. Without it: of all tenants together.
	Tenant string `yaml:"tenant" format:"name" example:"support"`
	// Of this key of the tenant.
	Key string `yaml:"key" format:"name" example:"ci"`
	// For this model, by its name. Without it: for all models together.
	Model string `yaml:"model" format:"name" example:"gpt-4o"`
	// Of this class. Without it: of both.
	Class string `yaml:"class" enum:"interactive|batch"`
	// Their limits.
	Limits Limits `yaml:"limits"`
	// Their budget per calendar day and month, in UTC.
	Budget Budget `yaml:"budget"`
}

// scope names the limit's scope, as in the program's messages.
func (l *Limit) scope() string {
	var parts []string
	for _, p := range [...][2]string{{"tenant", l.Tenant}, {"key", l.Key}, {"model", l.Model}, {"class", l.Class}} {
		if p[1] != "" {
			parts = append(parts, p[0]+" "+p[1])
		}
	}
	if parts == nil {
		return "all requests"
	}
	return strings.Join(parts, ", ")
}

// Bounds says whether any bound is given.
func Bounds(l Limits, b Budget) bool {
	l.Burst, l.Reserve, b.Exhausted, b.Reserve = 0, "", "", ""
	return l != Limits{} || b != Budget{}
}

// limits checks the list of limits: its references, and that each scope has one
// set of limits in the whole file.
func (v *validator) limits() {
	scopes, names := taken{}, v.names()
	v.ownLimits(scopes)
	for i := range v.c.Limits {
		l, path := &v.c.Limits[i], fmt.Sprintf("limits[%d]", i)
		if !v.known(l, path, names) || v.badUnder(path) {
			continue
		}
		if !Bounds(l.Limits, l.Budget) {
			v.blame(path, "has no effect", "give limits or a budget, or remove it")
		}
		v.claim(scopes, l.scope(), path, "the scope")
		if l.Class != "" && Bounds(Limits{}, l.Budget) {
			v.warn(path+".budget", "usage per class is not stored: a restart of Weir resets this budget", "use a budget of a tenant, key or model if that matters")
		}
	}
	v.serves()
}

// serves checks the models that deployments stand in for.
func (v *validator) serves() {
	models := v.modelNames()
	for i, m := range v.c.Models {
		for k, d := range m.Deployments {
			if d.Serves != "" && !contains(models, d.Serves) {
				v.blame(fmt.Sprintf("models[%d].deployments[%d].serves", i, k), fmt.Sprintf("there is no model %q", d.Serves), "%s", suggest(d.Serves, models, "models"))
			}
		}
	}
}

// ownLimits notes the scopes with limits at their tenant, key or model.
func (v *validator) ownLimits(scopes taken) {
	note := func(l *Limit, path string) {
		if Bounds(l.Limits, l.Budget) {
			scopes[l.scope()] = path
		}
	}
	for i, t := range v.c.Tenants {
		path := fmt.Sprintf("tenants[%d]", i)
		note(&Limit{Tenant: t.Name, Limits: t.Limits, Budget: t.Budget}, path)
		for k, key := range t.Keys {
			note(&Limit{Tenant: t.Name, Key: key.Name, Limits: key.Limits, Budget: key.Budget}, fmt.Sprintf("%s.keys[%d]", path, k))
		}
	}
	for i, m := range v.c.Models {
		note(&Limit{Model: m.Name, Limits: m.Limits, Budget: m.Budget}, fmt.Sprintf("models[%d]", i))
	}
}

// names are those a limit may refer to.
type names struct {
	tenants map[string][]string // -> names of its keys
	order   []string            // of the tenants
	models  []string
}

func (v *validator) names() names {
	n := names{tenants: map[string][]string{}, models: v.modelNames()}
	for _, t := range v.c.Tenants {
		keys := make([]string, 0, len(t.Keys))
		for _, k := range t.Keys {
			keys = append(keys, k.Name)
		}
		n.tenants[t.Name], n.order = keys, append(n.order, t.Name)
	}
	return n
}

// known faults a limit's references to unknown names.
func (v *validator) known(l *Limit, path string, n names) bool {
	keys, isTenant := n.tenants[l.Tenant]
	good := true
	blame := func(key, problem, remedy string) {
		good = false
		v.blame(path+key, problem, "%s", remedy)
	}
	switch {
	case l.Tenant != "" && !isTenant:
		blame(".tenant", fmt.Sprintf("there is no tenant %q", l.Tenant), suggest(l.Tenant, n.order, "tenants"))
	case l.Key != "" && l.Tenant == "":
		blame(".key", fmt.Sprintf("key %q has no tenant", l.Key), "add its tenant")
	case l.Key != "" && !contains(keys, l.Key):
		blame(".key", fmt.Sprintf("tenant %q has no key %q", l.Tenant, l.Key), suggest(l.Key, keys, "keys"))
	}
	if l.Model != "" && !contains(n.models, l.Model) {
		blame(".model", fmt.Sprintf("there is no model %q", l.Model), v.suggestModel(l.Model, n.models))
	}
	return good
}
